"""Reading DICOM files, as little as possible: the verifier's own, independent of the writer's.

PS3.10, 7.1: 128 bytes preamble, `DICM`, then (0002,0000) with the length of the file meta information: the
data set starts at 144 + that length. Digests are over everything from there to the end of the file.
The walk through a data set is only needed for a file whose digest is none of the receipt's.
"""

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from exchange.receipts.verify.errors import VerificationError

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"

_CHUNK: Final = 1 << 20
_MAX_META: Final = 1 << 20  # bytes of file meta
_MAX_ELEMENTS: Final = 2_000_000
_MAX_DEPTH: Final = 1024
_MAX_INFLATED: Final = 2 << 30
_UNDEFINED: Final = 0xFFFFFFFF
_LONG_VRS: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SOP_INSTANCE_UID: Final = 0x00080018
_PIXEL_TAGS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A Part 10 file by its bytes.

    Attributes:
        sha256: Of the data set bytes after the file meta.
        transfer_syntax: (0002,0010).
        meta_sop_instance_uid: (0002,0003), "" when absent.
        dataset_offset: Where the data set starts.
    """

    sha256: str
    transfer_syntax: str
    meta_sop_instance_uid: str
    dataset_offset: int


@dataclass(frozen=True, slots=True)
class FileContent:
    """What the walk found: (0008,0018), and the digest of the top-level pixel data value, "" without one."""

    sop_instance_uid: str
    pixel_sha256: str


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


def digest_file(path: Path) -> FileDigest | None:
    """Digest a file; None when it is no DICOM Part 10 file.

    Raises:
        VerificationError: `file-unreadable`.
    """
    try:
        with path.open("rb") as file:
            head = file.read(144)
            if len(head) < 132 or head[128:132] != b"DICM":
                return None
            if len(head) < 144 or head[132:140] != b"\x02\x00\x00\x00UL\x04\x00":
                raise _unreadable("its file meta has no group length")
            length = int.from_bytes(head[140:144], "little")
            if length > _MAX_META:
                raise _unreadable("its file meta is too long")
            meta = file.read(length)
            if len(meta) != length:
                raise _unreadable("it is cut short")
            digest = sha256()
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise _unreadable("the system refuses to read it") from error
    values = _meta_values(meta)
    return FileDigest(
        digest.hexdigest(), values.get(0x00020010, ""), values.get(0x00020003, ""), 144 + length
    )


def walk_file(path: Path, digest: FileDigest) -> FileContent:
    """Find a file's SOP Instance UID and digest its pixel data.

    Raises:
        VerificationError: `file-unreadable`: its structure cannot be followed.
    """
    try:
        with path.open("rb") as file:
            file.seek(digest.dataset_offset)
            stream: BinaryIO = file
            if digest.transfer_syntax == DEFLATED:
                stream = io.BytesIO(_inflate(file.read()))
            return _Walk(stream, digest.transfer_syntax).content()
    except (OSError, zlib.error) as error:
        raise _unreadable("it cannot be read") from error


def _inflate(data: bytes) -> bytes:
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    result = engine.decompress(data, _MAX_INFLATED)
    if engine.unconsumed_tail:
        raise _unreadable("it inflates to too much")
    return result


def _meta_values(meta: bytes) -> dict[int, str]:
    """The UI values of the file meta: explicit VR little endian (PS3.10, 7.1)."""
    walk = _Walk(io.BytesIO(meta), "")
    values: dict[int, str] = {}
    while (element := walk.element()) is not None:
        tag, vr, length = element
        value = walk.take(length)
        if vr == b"UI":
            values[tag] = _uid(value)
    return values


def _uid(value: bytes) -> str:
    return value.rstrip(b"\0 ").decode("ascii", "replace")


def _unreadable(why: str) -> VerificationError:
    return VerificationError("file-unreadable", why)


class _Walk:
    """A linear walk over one data set; nesting costs a stack of flags, never recursion."""

    def __init__(self, stream: BinaryIO, transfer_syntax: str) -> None:
        self._stream = stream
        self._explicit = transfer_syntax != IMPLICIT_LITTLE
        self._order: Final = "big" if transfer_syntax == EXPLICIT_BIG else "little"
        self._elements = 0

    def content(self) -> FileContent:
        """Walk the whole top level."""
        uid, pixels = "", ""
        while (element := self.element()) is not None:
            tag, vr, length = element
            if tag in _PIXEL_TAGS:
                pixels = self._pixels(length)
            elif tag == _SOP_INSTANCE_UID and length <= 128:
                uid = _uid(self.take(length))
            elif length == _UNDEFINED:
                self._skip_nested(vr)
            else:
                self._skip(length)
        return FileContent(uid, pixels)

    def element(self) -> tuple[int, bytes, int] | None:
        """The next element's tag, VR (empty when implicit or an item) and length; None at the end."""
        head = self._stream.read(8)
        if not head:
            return None
        if len(head) < 8:
            raise _unreadable("it is cut short")
        self._elements += 1
        if self._elements > _MAX_ELEMENTS:
            raise _unreadable("it has too many elements")
        tag = self._number(head[:2]) << 16 | self._number(head[2:4])
        vr = head[4:6]
        if not self._explicit or tag >> 16 == 0xFFFE:
            return tag, b"", self._number(head[4:8])
        if vr in _LONG_VRS:
            return tag, vr, self._number(self.take(4))
        return tag, vr, self._number(head[6:8])

    def take(self, length: int) -> bytes:
        """Exactly so many bytes of a short value."""
        data = self._stream.read(min(length, _CHUNK))
        if len(data) != length:
            raise _unreadable("it is cut short")
        return data

    def _number(self, data: bytes) -> int:
        return int.from_bytes(data, "big" if self._order == "big" else "little")

    def _skip(self, length: int) -> None:
        for _ in self._chunks(length):
            pass

    def _chunks(self, length: int) -> Iterator[bytes]:
        while length:
            data = self._stream.read(min(length, _CHUNK))
            if not data:
                raise _unreadable("it is cut short")
            length -= len(data)
            yield data

    def _skip_nested(self, vr: bytes) -> None:
        """Skip a value of undefined length: sequences, items and encapsulated fragments alike."""
        levels = [self._explicit]
        # PS3.5, 6.2.2 note: an undefined-length UN is a sequence in implicit VR little endian.
        self._explicit = self._explicit and vr != b"UN"
        while levels:
            element = self.element()
            if element is None:
                raise _unreadable("a sequence does not end")
            tag, inner, length = element
            if tag in (_ITEM_END, _SEQUENCE_END):
                self._explicit = levels.pop()
            elif length == _UNDEFINED:
                if len(levels) == _MAX_DEPTH:
                    raise _unreadable("it is nested too deeply")
                levels.append(self._explicit)
                self._explicit = self._explicit and inner != b"UN"
            else:
                self._skip(length)

    def _pixels(self, length: int) -> str:
        digest: _Hash = sha256()
        if length != _UNDEFINED:
            for chunk in self._chunks(length):
                digest.update(chunk)
            return digest.hexdigest()
        # PS3.5, A.4: the first item is the basic offset table, which is no pixel data.
        first = True
        while (element := self.element()) is not None:
            tag, _, size = element
            if tag == _SEQUENCE_END:
                return digest.hexdigest()
            if tag != _ITEM:
                raise _unreadable("its pixel fragments cannot be followed")
            for chunk in self._chunks(size):
                if not first:
                    digest.update(chunk)
            first = False
        raise _unreadable("its pixel data does not end")
