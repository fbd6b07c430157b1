"""Forms of pixel made for tests: transfer syntax x photometric interpretation x bits x sign x planes."""

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.encoders.base import get_encoder
from rle.utils import encode_pixel_data

from exchange.dicomio.payloads import EncapsulatedPayload, NativePayload
from exchange.dicomio.write import write_instance
from redact.pixels.jpeg_lossless import encode_lossless
from redact.pixels.segments import without_comments
from tests.redact.pixels.making import Made, describe, form_of, opened

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED, PLAIN, DEFLATED_FRAME = f"{EXPLICIT}.99", f"{EXPLICIT}.98", "1.2.840.10008.1.2.8.1"
RLE = "1.2.840.10008.1.2.5"
_J = "1.2.840.10008.1.2.4."
BASELINE, EXTENDED, LOSSLESS, LOSSLESS_SV1 = f"{_J}50", f"{_J}51", f"{_J}57", f"{_J}70"
JPEG_LS, NEAR_LOSSLESS, J2K, J2K_LOSSY = f"{_J}80", f"{_J}81", f"{_J}90", f"{_J}91"
NATIVE = (IMPLICIT, EXPLICIT, BIG, DEFLATED)
LOSSLESS_SYNTAXES = (RLE, DEFLATED_FRAME, PLAIN, LOSSLESS, LOSSLESS_SV1, JPEG_LS, J2K)
COMMON = (RLE, DEFLATED_FRAME, PLAIN, JPEG_LS, J2K)
ROWS, COLUMNS, FRAMES, TOUCHED = 70, 90, 3, 1


@dataclass(frozen=True)
class Form:
    """One cell of the matrix: how values are stored, and in which transfer syntax."""

    syntax: str
    photometric: str = "MONOCHROME2"
    dtype: str = "u1"
    bits: int = 8
    planar: int = 0
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        return 3 if self.photometric.startswith(("RGB", "YBR")) else 1

    def __str__(self) -> str:
        return f"{self.syntax[14:]}-{self.photometric}-{self.dtype}-{self.bits}-{self.planar}"


def forms() -> Iterator[Form]:
    grey = [("u1", 8), ("u1", 7), ("u2", 10), ("u2", 12), ("u2", 16), ("i2", 12), ("i2", 16), ("i1", 8)]
    for syntax in (*NATIVE, *LOSSLESS_SYNTAXES):
        yield from (Form(syntax, "MONOCHROME2", dtype, bits) for dtype, bits in grey)
        yield Form(syntax, "MONOCHROME1", "u2", 12)
        yield Form(syntax, "PALETTE COLOR")
        yield from (Form(syntax, "RGB", planar=planar) for planar in (0, 1))
        yield Form(syntax, "YBR_FULL")
    for syntax in (*NATIVE, RLE, DEFLATED_FRAME, PLAIN):
        yield from (Form(syntax, "MONOCHROME2", *wide) for wide in (("u4", 32), ("i4", 32), ("u4", 20)))
        yield Form(syntax, "MONOCHROME2", "u1", 1)
    for syntax in (*NATIVE, *COMMON):
        yield Form(syntax, "RGB", "u2", 12)
    for syntax in (J2K, J2K_LOSSY):
        yield Form(syntax, "YBR_RCT")
    for syntax in (*NATIVE, PLAIN, DEFLATED_FRAME, BASELINE):
        yield Form(syntax, "YBR_FULL_422")
    yield from (Form(BASELINE, photometric) for photometric in ("MONOCHROME2", "MONOCHROME1", "YBR_FULL"))
    yield Form(EXTENDED)
    for dtype, bits in (("u1", 8), ("u2", 12), ("i2", 16)):
        yield from (Form(syntax, "MONOCHROME2", dtype, bits) for syntax in (NEAR_LOSSLESS, J2K_LOSSY))
    yield Form(NEAR_LOSSLESS, "RGB")
    yield Form(J2K_LOSSY, "YBR_ICT")


def values_of(form: Form) -> NDArray[Any]:
    """Frames x rows x columns x samples of a ramp with noise that uses every stored bit."""
    random = np.random.default_rng(5)
    top = 1 << form.bits
    shape = (FRAMES, ROWS, COLUMNS, form.samples)
    ramp = np.linspace(0, top * 0.8, COLUMNS)[np.newaxis, np.newaxis, :, np.newaxis]
    drawn = np.clip(ramp + random.uniform(0, top * 0.2, shape), 0, top - 1).astype(np.int64)
    if form.dtype[0] == "i":
        drawn -= top // 2
    return drawn.astype(form.dtype)


def described(form: Form, values: NDArray[Any]) -> Dataset:
    ds = describe(values, form.photometric, BitsStored=form.bits, HighBit=form.bits - 1)
    if form.bits == 1:
        ds.BitsAllocated = 1
    if form.samples > 1:
        ds.PlanarConfiguration = form.planar
    for name in ("Red", "Green", "Blue") if form.photometric == "PALETTE COLOR" else ():
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(ds, f"{name}PaletteColorLookupTableData", np.arange(0, 65536, 256).astype("<u2").tobytes())
    return ds


def native_bytes(form: Form, values: NDArray[Any], order: Literal["<", ">"] = "<") -> bytes:
    """Native values of one frame or several."""
    if form.bits == 1:
        return np.packbits(values.ravel(), bitorder="little").tobytes()
    if form.photometric == "YBR_FULL_422":
        pairs = [values[..., 0::2, :1], values[..., 1::2, :1], values[..., 0::2, 1:]]
        return np.concatenate(pairs, axis=-1).tobytes()
    if form.planar:
        values = np.moveaxis(values, -1, -3)
    return values.astype(values.dtype.newbyteorder(order)).tobytes()


def compressed(form: Form, frame: NDArray[Any]) -> bytes:
    """One frame, rows x columns x samples."""
    native = native_bytes(form, frame)
    if form.syntax == PLAIN:
        return native
    if form.syntax == DEFLATED_FRAME:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return packer.compress(native) + packer.flush()
    if form.syntax in (BASELINE, EXTENDED):
        stream = io.BytesIO()
        mode = "YCbCr" if form.samples == 3 else "L"
        shades = 2 if form.photometric == "YBR_FULL_422" else 0
        Image.fromarray(np.squeeze(frame), mode).save(stream, "JPEG", quality=90, subsampling=shades)
        return stream.getvalue()
    if form.syntax in (LOSSLESS, LOSSLESS_SV1):
        return encode_lossless(frame, form.bits)
    shape: dict[str, Any] = {"rows": ROWS, "columns": COLUMNS, "samples_per_pixel": form.samples}
    if form.syntax == RLE:
        if form.bits == 1:
            shape = {"rows": 1, "columns": len(native), "samples_per_pixel": 1}
        allocated = 8 if form.bits == 1 else frame.itemsize * 8
        pixels = native if form.bits == 1 else frame.tobytes()
        return bytes(encode_pixel_data(pixels, None, "<", **shape, bits_allocated=allocated))
    lossy: dict[str, dict[str, Any]] = {NEAR_LOSSLESS: {"jls_error": 2}, J2K_LOSSY: {"j2k_cr": [4]}}
    reversible = form.photometric == "YBR_RCT"
    return bytes(
        get_encoder(J2K if reversible else form.syntax).encode(
            np.squeeze(frame),
            **shape,
            number_of_frames=1,
            bits_allocated=frame.itemsize * 8,
            bits_stored=form.bits,
            pixel_representation=int(form.dtype[0] == "i"),
            photometric_interpretation=form.photometric,
            planar_configuration=0,
            **({} if reversible else lossy.get(form.syntax, {})),
        )
    )


def made_of(form: Form, path: Path) -> Made:
    values = values_of(form)
    ds = described(form, values)
    if form.syntax in NATIVE:
        raw = native_bytes(form, values, ">" if form.syntax == BIG else "<")
        vr = "OW" if form.syntax == IMPLICIT or ds.BitsAllocated > 8 else "OB"
        write_instance(path, ds, form.syntax, NativePayload(vr, len(raw), [raw]))
    else:
        told = form_of(ROWS, COLUMNS, form.dtype, form.samples, bits=1 if form.bits == 1 else 0)
        told = replace(told, photometric=form.photometric)
        frames = [(without_comments(compressed(form, frame), form.syntax, told),) for frame in values]
        write_instance(path, ds, form.syntax, EncapsulatedPayload(frames))
    return opened(path)
