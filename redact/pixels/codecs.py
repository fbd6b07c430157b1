"""Decoding one compressed frame, where two decoders exist with both.

Decoders without GPL only. A file that two decoders read differently could show one picture to us and another
to the receiver, so disagreement is a hold.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gdcm
import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder

from redact.pixels.form import PixelForm, undecodable
from redact.pixels.markers import FrameHeader, frame_header, is_unbroken, j2k_header

Pixels = NDArray[Any]
Decoder = Callable[[bytes], tuple[Pixels, str]]
"""Gives the values of one frame, and the photometric interpretation that they have."""

RLE = "1.2.840.10008.1.2.5"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
_J = "1.2.840.10008.1.2.4."
JPEG_BASELINE, JPEG_EXTENDED = f"{_J}50", f"{_J}51"
JPEG_LOSSLESS = (f"{_J}57", f"{_J}70")
JPEG_RETIRED = (f"{_J}53", f"{_J}55")  # processes 6 and 8, 10 and 12: still met in archives
JPEG_LS = (f"{_J}80", f"{_J}81")
JPEG_2000 = (f"{_J}90", f"{_J}91")
HTJ2K = (f"{_J}201", f"{_J}202", f"{_J}203")
JPEG_FAMILY = frozenset({JPEG_BASELINE, JPEG_EXTENDED, *JPEG_LOSSLESS, *JPEG_LS, *JPEG_RETIRED})
JPEG_2000_FAMILY = frozenset({*JPEG_2000, *HTJ2K})
_RLE_HEADER = 64
_VIDEO_NUMBERS = range(100, 109)  # MPEG-2, H.264, H.265, and their fragmentable forms (PS3.5 A.4.5-8)

_DCT = frozenset({JPEG_BASELINE, JPEG_EXTENDED, *JPEG_RETIRED})
# Plugin names of pydicom in our order; all are installed with Lockgate. The rest of JPEG: see `_by_gdcm`.
_PLUGINS: dict[str, Sequence[str]] = {
    RLE: ("pylibjpeg", "pydicom"),
    JPEG_BASELINE: ("pillow", "gdcm"),
    JPEG_EXTENDED: ("pillow", "gdcm"),
    **dict.fromkeys((*JPEG_RETIRED, *JPEG_LOSSLESS), ()),
    **dict.fromkeys(JPEG_LS, ("pyjpegls", "gdcm")),
    **dict.fromkeys(JPEG_2000, ("pylibjpeg", "gdcm")),
    **dict.fromkeys(HTJ2K, ("pylibjpeg",)),
}
_LOSSY = frozenset({JPEG_BASELINE, JPEG_EXTENDED, f"{_J}91", f"{_J}203"})
# What inverse transforms and chroma interpolation of two correct decoders may differ by, in 8-bit steps.
_MEAN_TOLERANCE = 1.0
_PEAK_TOLERANCE = 24.0

# What decoders raise on hostile streams; C extensions raise plain RuntimeError, struct and buffer errors.
DECODER_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    NotImplementedError,
    AttributeError,
    LookupError,
    ArithmeticError,
    OSError,
    EOFError,
    SyntaxError,
    zlib.error,
)
_PANICS = "pyo3_runtime"  # of decoders in Rust; their PanicException is no Exception


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoded frame.

    Attributes:
        pixels: rows x columns x samples, writable, in the byte order of this machine.
        photometric: What these values are: decoders undo the colour transform of JPEG 2000.
        checked: True when a second decoder agreed.
    """

    pixels: Pixels
    photometric: str
    checked: bool


def is_video(transfer_syntax_uid: str) -> bool:
    """True for the MPEG family, whose frames cannot be cleaned one by one."""
    number = transfer_syntax_uid.removeprefix(_J).split(".")[0]
    return transfer_syntax_uid.startswith(_J) and number.isdigit() and int(number) in _VIDEO_NUMBERS


def is_supported(transfer_syntax_uid: str) -> bool:
    """True when some decoder reads this encapsulated transfer syntax."""
    return transfer_syntax_uid in (*_PLUGINS, DEFLATED_FRAME, ENCAPSULATED_UNCOMPRESSED)


def decoders_of(transfer_syntax_uid: str, form: PixelForm) -> Sequence[Decoder]:
    """The decoders for frames of this syntax and form, independent; the first one's values are written."""
    single_bits = transfer_syntax_uid == RLE and form.bits_allocated == 1  # no plugin takes them
    if single_bits or transfer_syntax_uid in (DEFLATED_FRAME, ENCAPSULATED_UNCOMPRESSED):
        return [lambda stream: _plain(transfer_syntax_uid, stream, form)]

    def with_plugin(plugin: str) -> Decoder:
        def by_plugin(stream: bytes) -> tuple[Pixels, str]:
            if plugin == "gdcm" and transfer_syntax_uid in _DCT:
                _check_unbroken(stream)
            return _by_plugin(transfer_syntax_uid, stream, form, plugin)

        return by_plugin

    plugins = [with_plugin(plugin) for plugin in _PLUGINS[transfer_syntax_uid]]
    if transfer_syntax_uid in (JPEG_EXTENDED, *JPEG_RETIRED, *JPEG_LOSSLESS):
        plugins.append(lambda stream: _by_gdcm(transfer_syntax_uid, stream, form))
    return plugins


Decoders = Callable[[str, PixelForm], Sequence[Decoder]]
"""What `decoders_of` is: which decoders read frames of a transfer syntax and form."""


def decode(
    transfer_syntax_uid: str, bitstream: bytes, form: PixelForm, decoders: Decoders = decoders_of
) -> Decoded:
    """Decode one frame, with every decoder there is for it.

    Raises:
        HeldError: `undecodable-pixels`: broken stream, wrong size, or decoders that disagree.
    """
    _check_told(transfer_syntax_uid, bitstream, form)
    results: list[tuple[Pixels, str]] = []
    for decoder in decoders(transfer_syntax_uid, form):
        try:
            pixels, photometric = decoder(bitstream)
        except BaseException as error:
            if not isinstance(error, DECODER_ERRORS) and type(error).__module__ != _PANICS:
                raise
            continue  # a decoder may lack a variant; the others decide
        results.append((_shaped(pixels, form), photometric))
    if not results:
        raise undecodable("no decoder accepts a frame; it is damaged or of an unsupported variant")
    first = results[0]
    for other in results[1:]:
        _agree(first, other, form, exact=transfer_syntax_uid not in _LOSSY)
    return Decoded(first[0], first[1], len(results) > 1)


def _by_plugin(
    transfer_syntax_uid: str, bitstream: bytes, form: PixelForm, plugin: str
) -> tuple[Pixels, str]:
    allocated, stored = form.bits_allocated, form.bits_stored
    if transfer_syntax_uid == RLE:
        stored = allocated  # else the bits that hold no pixel would not be shown to us
    elif transfer_syntax_uid in _DCT:
        allocated = stored = _container(frame_header(bitstream))
        if allocated > 8:
            raise NotImplementedError("12 bits: see `_by_gdcm`")
    options: dict[str, Any] = {
        "rows": form.rows,
        "columns": form.columns,
        "samples_per_pixel": form.samples,
        "bits_allocated": allocated,
        "bits_stored": stored,
        "pixel_representation": int(form.signed),
        "photometric_interpretation": form.photometric,
        "planar_configuration": form.planar if transfer_syntax_uid == RLE else 0,
        "number_of_frames": 1,
        "pixel_keyword": "PixelData",
    }
    pixels, described = get_decoder(transfer_syntax_uid).as_array(
        encapsulate([bitstream], has_bot=False),
        index=0,
        raw=True,
        decoding_plugin=plugin,
        **options,
    )
    return pixels, _spread(str(described["photometric_interpretation"]))


def _spread(photometric: str) -> str:
    """Decoders interpolate the chrominance: what they return is YBR_FULL."""
    return "YBR_FULL" if photometric == "YBR_FULL_422" else photometric


def _told(transfer_syntax_uid: str, bitstream: bytes) -> FrameHeader | None:
    """What a stream says of itself; None where its family says nothing.

    Raises:
        ValueError: It does not even do that.
    """
    if transfer_syntax_uid in (*JPEG_2000, *HTJ2K):
        return j2k_header(bitstream)
    if transfer_syntax_uid in (*_DCT, *JPEG_LOSSLESS, *JPEG_LS):
        return frame_header(bitstream)
    return None


def _check_told(transfer_syntax_uid: str, bitstream: bytes, form: PixelForm) -> None:
    """Hold a stream that says of itself another form than the header.

    Decoders cut it to what was asked for, silently, and GDCM ends the process over some.
    """
    try:
        told = _told(transfer_syntax_uid, bitstream)
    except ValueError as error:
        raise undecodable("a frame is damaged") from error
    if told is None:
        return
    shape = (told.rows or form.rows, told.columns, told.components)
    if shape != (form.rows, form.columns, form.samples) or told.precision > form.bits_allocated:
        raise undecodable("a frame says another form than the header")


def _check_unbroken(bitstream: bytes) -> None:
    """GDCM ends the process over a JPEG whose header makes its library warn; another decoder decides then."""
    if not is_unbroken(bitstream):
        raise ValueError("not for GDCM: bytes between its segments, or a JFIF of another version")


def _container(told: FrameHeader) -> int:
    return 8 if told.precision <= 8 else 16


def _by_gdcm(transfer_syntax_uid: str, bitstream: bytes, form: PixelForm) -> tuple[Pixels, str]:
    """A JPEG frame from GDCM itself: pydicom's plugin declines 12 bits, and lets GDCM abort the process.

    GDCM gives what the container holds; it ends the process where it shall keep fewer bits of a byte, or has
    a word of 32.
    """
    _check_unbroken(bitstream)
    told = frame_header(bitstream)
    size = _container(told)
    if transfer_syntax_uid == JPEG_EXTENDED and size == 8:
        raise NotImplementedError("the plugins read 8 bits")
    stored = told.precision if transfer_syntax_uid in _DCT else size
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(bitstream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((form.columns, form.rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(form.photometric)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(transfer_syntax_uid)))
    image.SetPixelFormat(gdcm.PixelFormat(form.samples, size, stored, stored - 1, int(form.signed)))
    buffer = image.GetBuffer().encode("utf-8", "surrogateescape")
    values: Pixels = np.frombuffer(buffer, dtype=f"<{'i' if form.signed else 'u'}{size // 8}")
    if form.signed:  # of fewer bits than the container the sign is still to be spread
        values = (values << (size - told.precision)) >> (size - told.precision)
    return values, _spread(form.photometric)


def _plain(transfer_syntax_uid: str, stream: bytes, form: PixelForm) -> tuple[Pixels, str]:
    """Native values in little endian: deflated (PS3.5 A.4.13), as RLE bits, or as they are (A.4.11)."""
    size = native_size(form)
    if transfer_syntax_uid == DEFLATED_FRAME:
        try:
            stream = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream, size + 1)
        except zlib.error as error:
            raise undecodable("a deflated frame is damaged") from error
    elif transfer_syntax_uid == RLE:
        stream = _unpacked(stream, size)
    if len(stream) < size:
        raise undecodable("a frame is shorter than its rows and columns say")
    if form.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(stream[:size], np.uint8), bitorder="little")
        return bits[: form.rows * form.columns], form.photometric
    values: Pixels = np.frombuffer(stream[:size], dtype=form.dtype.newbyteorder("<"))
    if form.subsampled:
        return unpaired(values.reshape(form.rows, form.columns // 2, 4)), "YBR_FULL"
    if form.planar and form.samples > 1:
        values = values.reshape(form.samples, form.rows, form.columns).transpose(1, 2, 0)
    return values, form.photometric


def native_size(form: PixelForm) -> int:
    """Bytes of one native frame; two thirds where neighbours share chrominance (PS3.3 C.7.6.3.1.2)."""
    bits = form.rows * form.columns * form.samples * form.bits_allocated
    return -(-(bits // 3 * 2 if form.subsampled else bits) // 8)


def unpaired(pairs: Pixels) -> Pixels:
    """YBR_FULL_422 as rows x columns/2 x 4 (Y1 Y2 Cb Cr) with the chrominance of each pixel: YBR_FULL."""
    rows, half, _ = pairs.shape
    whole = np.empty((rows, half * 2, 3), dtype=pairs.dtype)
    whole[:, 0::2, 0], whole[:, 1::2, 0] = pairs[:, :, 0], pairs[:, :, 1]
    whole[:, :, 1:] = np.repeat(pairs[:, :, 2:], 2, axis=1)
    return whole


def _unpacked(stream: bytes, size: int) -> bytes:
    """The one segment of an RLE frame of single bits (PS3.5 G.3.2, PackBits)."""
    if len(stream) < _RLE_HEADER or int.from_bytes(stream[:4], "little") != 1:
        raise undecodable("an RLE frame is damaged")
    position, values = int.from_bytes(stream[4:8], "little"), bytearray()
    while len(values) < size and position + 1 < len(stream):
        control = stream[position]
        if control < 128:
            values += stream[position + 1 : position + 2 + control]
            position += control + 2
        else:  # 128 repeats nothing
            values += stream[position + 1 : position + 2] * (257 - control if control > 128 else 0)
            position += 2 if control > 128 else 1
    return bytes(values)


def _shaped(pixels: Pixels, form: PixelForm) -> Pixels:
    """A writable array of our shape and this machine's byte order."""
    shape = (form.rows, form.columns, form.samples)
    if pixels.size != form.rows * form.columns * form.samples:
        raise undecodable("a frame decodes to another size than its rows and columns say")
    shaped = np.array(pixels.reshape(shape), dtype=form.dtype.newbyteorder("="), order="C")
    if shaped.dtype.itemsize < pixels.dtype.itemsize and not np.array_equal(shaped, pixels.reshape(shape)):
        raise undecodable("a frame decodes to more bits than are allocated", "(0028,0100)")
    return shaped


def _agree(first: tuple[Pixels, str], second: tuple[Pixels, str], form: PixelForm, *, exact: bool) -> None:
    if first[1] != second[1]:
        raise undecodable("two decoders disagree about the colour space")
    if exact:
        same = np.array_equal(first[0], second[0])
    else:
        step = max(1.0, 2.0 ** (form.bits_stored - 8))
        difference = np.abs(first[0].astype(np.float32) - second[0].astype(np.float32)) / step
        same = bool(difference.mean() <= _MEAN_TOLERANCE and np.percentile(difference, 99) <= _PEAK_TOLERANCE)
    if not same:
        raise undecodable("two decoders disagree about a frame")
