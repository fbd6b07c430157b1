"""Encoding one frame again without loss, in the transfer syntax that it came in.

Only where an encoder is at hand and its result, decoded, is the same in every bit; else the instance is
written uncompressed. JPEG 2000 (…4.91) may hold lossless frames beside lossy ones (PS3.5 8.2.4);
near-lossless JPEG-LS and lossy JPEG may not, and nothing at hand encodes HTJ2K.
"""

import jpeg_ls
import numpy as np
from openjpeg.utils import encode_pixel_data as encode_j2k
from rle.utils import encode_pixel_data as encode_rle

from exchange.domain.errors import HeldError
from redact.pixels.codecs import (
    DECODER_ERRORS,
    DEFLATED_FRAME,
    ENCAPSULATED_UNCOMPRESSED,
    JPEG_2000,
    JPEG_LOSSLESS,
    JPEG_LS,
    RLE,
    Decoders,
    Pixels,
    decode,
    decoders_of,
)
from redact.pixels.decode import Frame
from redact.pixels.form import PixelForm
from redact.pixels.jpeg_lossless import encode_lossless
from redact.pixels.markers import frame_header
from redact.pixels.segments import deflated, without_comments

_LOSSLESS_JPEG_LS = JPEG_LS[0]


def can_encode(transfer_syntax_uid: str, form: PixelForm) -> bool:
    """Whether frames of this form can be compressed without loss in this transfer syntax at all."""
    if transfer_syntax_uid in JPEG_2000:
        return form.photometric != "YBR_ICT"  # the reversible transform has another name
    lossless = (*JPEG_LOSSLESS, _LOSSLESS_JPEG_LS, RLE, DEFLATED_FRAME, ENCAPSULATED_UNCOMPRESSED)
    return transfer_syntax_uid in lossless


def encode_again(
    transfer_syntax_uid: str, frame: Frame, before: bytes, form: PixelForm, decoders: Decoders = decoders_of
) -> bytes | None:
    """The frame compressed without loss; None where that is not possible in this transfer syntax.

    Args:
        transfer_syntax_uid: Of the instance.
        frame: What it shall decode to.
        before: The frame as it was encoded.
        form: Of the instance: what is returned fits its header.
        decoders: That read back what was encoded.
    """
    if not can_encode(transfer_syntax_uid, form):
        return None
    try:
        stream = _encoded(transfer_syntax_uid, frame.pixels, before, form)
        stream = without_comments(stream, transfer_syntax_uid, form)
        back = decode(transfer_syntax_uid, stream, form, decoders)
    except (*DECODER_ERRORS, HeldError):
        return None
    same = back.photometric == frame.photometric and np.array_equal(back.pixels, frame.pixels)
    return stream if same else None


def _encoded(syntax: str, pixels: Pixels, before: bytes, form: PixelForm) -> bytes:
    if syntax in (DEFLATED_FRAME, ENCAPSULATED_UNCOMPRESSED):
        native = _native(pixels, form)
        return deflated(native) if syntax == DEFLATED_FRAME else native
    if syntax == RLE:
        return _run_lengths(pixels, form)
    if syntax == _LOSSLESS_JPEG_LS:
        options = {"planar_configuration": 0} if form.samples > 1 else {}
        return bytes(jpeg_ls.encode_pixel_data(_little(pixels), **_shape(form), **options))
    if syntax in JPEG_2000:
        kind = {"pixel_representation": int(form.signed), "photometric_interpretation": form.photometric}
        return bytes(encode_j2k(_little(pixels), **_shape(form), **kind))
    return encode_lossless(pixels, frame_header(before).precision)


def _shape(form: PixelForm) -> dict[str, int]:
    return {
        "rows": form.rows,
        "columns": form.columns,
        "samples_per_pixel": form.samples,
        "bits_stored": form.bits_stored,
    }


def _little(pixels: Pixels) -> bytes:
    return pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()


def _native(pixels: Pixels, form: PixelForm) -> bytes:
    """Native values in little endian, in the planar configuration of the header."""
    if form.bits_allocated == 1:
        return np.packbits(pixels.astype(np.uint8).ravel(), bitorder="little").tobytes()
    return _little(pixels.transpose(2, 0, 1) if form.planar and form.samples > 1 else pixels)


def _run_lengths(pixels: Pixels, form: PixelForm) -> bytes:
    if form.bits_allocated == 1:  # packed bits are one row of bytes
        native = _native(pixels, form)
        row = {"rows": 1, "columns": len(native), "samples_per_pixel": 1, "bits_allocated": 8}
        return bytes(encode_rle(native, None, "<", **row))
    shape = {"rows": form.rows, "columns": form.columns, "samples_per_pixel": form.samples}
    return bytes(encode_rle(_little(pixels), None, "<", bits_allocated=form.bits_allocated, **shape))
