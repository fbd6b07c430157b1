"""`write_instance`: one durable Part 10 file, hashed on the way; pixels are streamed."""

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, TypeAlias

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from exchange.dicomio.digest import PixelDigest
from exchange.dicomio.encode import encode_elements
from exchange.dicomio.filemeta import encode_file_meta
from exchange.dicomio.getters import integer, uid
from exchange.dicomio.layout import PIXEL_TAGS, FileLayout
from exchange.dicomio.payloads import (
    SEQUENCE_END,
    CopyPayload,
    EncapsulatedPayload,
    NativePayload,
    PixelField,
    PixelPayload,
    copied_field,
    encapsulated_field,
    native_field,
)
from exchange.dicomio.refusals import unknown_syntax
from exchange.dicomio.syntaxes import Encoding, encoding_of, is_encapsulated
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError
from exchange.durable import replacing

# Some elements of a data set to bytes.
Encoder: TypeAlias = Callable[[Dataset, Sequence[BaseTag], Encoding], bytes]

_NOTHING: Mapping[int, bytes] = MappingProxyType({})
_EXTENDED_OFFSET_TABLE = 0x7FE00001
_EXTENDED_OFFSET_TABLE_LENGTHS = 0x7FE00002
_TOTAL_LENGTH = 0x7FE00003  # of the fragments, in the frames that are no more


@dataclass(frozen=True, slots=True)
class WrittenInstance:
    """What was written.

    Attributes:
        sha256: Over the data set bytes after the file meta information, as `dataset_sha256` reads them.
        pixel_sha256: As `PixelDigest` defines it, before any deflating; "" when there are no pixels.
        byte_count: Data set bytes.
    """

    sha256: str
    pixel_sha256: str
    byte_count: int


class _HashingSink:
    """Takes data set bytes: deflates them if asked, hashes them, writes them."""

    def __init__(self, file: BinaryIO, *, deflated: bool) -> None:
        self._file = file
        self._deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS) if deflated else None
        self._state = sha256()
        self._count = 0

    def write(self, data: bytes) -> None:
        self._put(self._deflater.compress(data) if self._deflater else data)

    def finish(self) -> tuple[str, int]:
        if self._deflater:
            self._put(self._deflater.flush())
            self._put(b"\0" * (self._count % 2))  # PS3.5 A.5: padded to even length
        return self._state.hexdigest(), self._count

    def _put(self, data: bytes) -> None:
        self._state.update(data)
        self._count += len(data)
        self._file.write(data)


def write_instance(
    path: Path | BinaryIO,
    ds: Dataset,
    transfer_syntax_uid: str,
    pixels: PixelPayload | None,
    encode: Encoder | None = None,
    exact: Mapping[int, bytes] = _NOTHING,
) -> WrittenInstance:
    """Write one instance with a zero preamble and fresh file meta, durably (written aside, fsynced, renamed).

    Args:
        path: The file; its folder exists. An existing file is replaced. Or an open one, seekable, that is
            overwritten: neither aside nor fsynced, for what has no name on a disk.
        ds: The data set. Its own pixel data elements, file meta and retired group lengths are not written;
            nor is its extended offset table where the frames are not copied.
        transfer_syntax_uid: What to write; must suit the payload.
        pixels: The pixel data element, None for none.
        encode: Encodes the other elements; by default `encode_elements`.
        exact: As of `encode_elements`, of elements before the pixels. Not with `encode`.

    Raises:
        InputError: `transfer-syntax`, unknown or unfit for this payload; `missing-uid`; `internal`, an
            element cannot be encoded; or the source of a copy changed.
        OSError: Writing failed; nothing is left behind.
    """
    encoding = encoding_of(transfer_syntax_uid)
    if encoding is None:
        raise unknown_syntax()
    class_uid, instance_uid = uid(ds, "SOPClassUID"), uid(ds, "SOPInstanceUID")
    if not class_uid or not instance_uid:
        raise InputError(ReasonCode.MISSING_UID, "cannot write the instance: it has no SOP UIDs")
    target = replacing(path) if isinstance(path, Path) else _overwriting(path)
    with _field(ds, transfer_syntax_uid, encoding, pixels) as pixel_field, target as file:
        file.write(encode_file_meta(class_uid, instance_uid, transfer_syntax_uid))
        sink = _HashingSink(file, deflated=encoding.deflated)
        pixel_digest = _write_data_set(sink, ds, encoding, pixel_field, encode or exact)
        digest, count = sink.finish()
    return WrittenInstance(digest, pixel_digest, count)


@contextmanager
def _overwriting(file: BinaryIO) -> Iterator[BinaryIO]:
    file.seek(0)
    file.truncate()
    yield file
    file.flush()


def _field(
    ds: Dataset, transfer_syntax_uid: str, encoding: Encoding, pixels: PixelPayload | None
) -> AbstractContextManager[PixelField | None]:
    match pixels:
        case None:
            return nullcontext(None)
        case NativePayload():
            _require(not is_encapsulated(transfer_syntax_uid))
            return nullcontext(native_field(pixels))
        case EncapsulatedPayload():
            _require(is_encapsulated(transfer_syntax_uid))
            return encapsulated_field(pixels)
        case CopyPayload():
            return copied_field(pixels.layout, _swap(ds, transfer_syntax_uid, encoding, pixels.layout))


def _require(suits: bool) -> None:  # noqa: FBT001 - reads as the condition that it checks
    if not suits:
        raise InputError(
            ReasonCode.TRANSFER_SYNTAX,
            "cannot write the instance: the transfer syntax does not suit the pixel data",
            "transcode the pixel data, or keep its transfer syntax",
        )


def _swap(ds: Dataset, transfer_syntax_uid: str, encoding: Encoding, source: FileLayout) -> int:
    """How many bytes to reverse at a time when copying pixels into another byte order; 1 for none."""
    if source.transfer_syntax_uid == transfer_syntax_uid:
        return 1
    _require(not is_encapsulated(transfer_syntax_uid) and not is_encapsulated(source.transfer_syntax_uid))
    if source.pixels is None or source.little_endian == encoding.little_endian:
        return 1
    vr = source.pixels.vr
    if vr in ("OF", "OD"):
        return {"OF": 4, "OD": 8}[vr]
    allocated = integer(ds, "BitsAllocated", 16)
    if allocated > 8:
        return allocated // 8
    return 2 if vr == "OW" else 1


def _write_data_set(
    sink: _HashingSink,
    ds: Dataset,
    encoding: Encoding,
    pixel_field: PixelField | None,
    how: Encoder | Mapping[int, bytes],
) -> str:
    boundary = pixel_field.tag if pixel_field else max(PIXEL_TAGS)
    left_out = set(PIXEL_TAGS)
    if pixel_field is None or not pixel_field.copied:
        left_out |= {_EXTENDED_OFFSET_TABLE, _EXTENDED_OFFSET_TABLE_LENGTHS, _TOTAL_LENGTH}
    tags = [tag for tag in sorted(ds.keys()) if tag not in left_out and tag.group != 0x0002]
    before = [tag for tag in tags if tag < boundary]
    behind = [tag for tag in tags if tag >= boundary]
    extended = pixel_field.extended if pixel_field else None
    if isinstance(how, Mapping):
        encode: Encoder = encode_elements
        sink.write(encode_elements(ds, before, encoding, extended, how))
    else:
        encode = how
        sink.write(how(ds, before, encoding))
    digest = _write_pixels(sink, encoding, pixel_field) if pixel_field else ""
    sink.write(encode(ds, behind, encoding))
    return digest


def _write_pixels(sink: _HashingSink, encoding: Encoding, pixel_field: PixelField) -> str:
    order = "<" if encoding.little_endian else ">"
    group, element = pixel_field.tag >> 16, pixel_field.tag & 0xFFFF
    length = 0xFFFFFFFF if pixel_field.length is None else pixel_field.length
    if pixel_field.length is not None and length >= 0xFFFFFFFF:
        raise InputError(
            ReasonCode.LIMIT_EXCEEDED, "cannot write the instance: its pixels exceed 4 GiB", "compress them"
        )
    if encoding.implicit_vr:
        sink.write(struct.pack(order + "HHL", group, element, length))
    else:
        vr = pixel_field.vr.encode("ascii")
        sink.write(struct.pack(order + "HH2sHL", group, element, vr, 0, length))
    digest = PixelDigest(encapsulated=pixel_field.length is None)
    for chunk in pixel_field.chunks:
        digest.update(chunk)
        sink.write(chunk)
    if pixel_field.length is None:
        sink.write(SEQUENCE_END)
    return digest.hexdigest()
