"""`Splice`: another file with a few top-level elements exchanged, and every other byte as it was.

Unlike `write_instance` nothing is decoded and encoded again: what is not exchanged is copied, so private
elements, odd encodings, offset tables and pixels come out exactly as they went in.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import BinaryIO

from pydicom.charset import default_encoding
from pydicom.dataset import Dataset
from pydicom.filebase import DicomIO
from pydicom.filewriter import write_dataset

from exchange.dicomio.filemeta import encode_file_meta
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.limits import Limits
from exchange.dicomio.quiet import quiet
from exchange.dicomio.refusals import not_dicom
from exchange.dicomio.stream import open_offsets, pieces
from exchange.dicomio.syntaxes import Encoding
from exchange.dicomio.walk import UNDEFINED, Walk, _Holder
from exchange.dicomio.window import Window

_DEFAULTS = Limits()
_LONG_VRS = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_ITEM = (0xFFFE, 0xE000)
_DELIMITER_BYTES = 8


@dataclass(frozen=True, slots=True)
class Extent:
    """Where one top-level element lies, its head and delimiter included; offsets as in the layout."""

    tag: int
    start: int
    end: int


class _Extents(Walk):
    """The structural walk, noting where each top-level element begins."""

    def __init__(self, window: Window, start: int, encoding: Encoding, limits: Limits) -> None:
        super().__init__(window, start, encoding, limits)
        self.starts: list[tuple[int, int]] = []

    def _run(self, holder: _Holder) -> None:
        if len(self._stack) > 1:  # at the root each element is met by itself
            super()._run(holder)

    def _refuse_group(self, group: int, tag: int, *, at_root: bool) -> None:
        super()._refuse_group(group, tag, at_root=at_root)
        if at_root:
            self.starts.append((tag, self._position))


def top_level(layout: FileLayout, limits: Limits = _DEFAULTS) -> tuple[Extent, ...]:
    """The top-level elements of a file, pixels included, in the order in which they stand.

    Raises:
        InputError: As `examine`; the file changed since it was examined.
        OSError: The file cannot be read.
    """
    with open_offsets(layout, limits) as stream:
        window = Window(stream, stream.seek(0, 2))
        walk = _Extents(window, 0 if layout.deflated else layout.dataset_offset, syntax_of(layout), limits)
        end = walk.run().end_offset
    ends = [start for _, start in walk.starts[1:]] + [end]
    return tuple(
        Extent(tag, start, stop) for (tag, start), stop in zip(walk.starts, ends, strict=bool(walk.starts))
    )


def syntax_of(layout: FileLayout) -> Encoding:
    """How the elements of this file are encoded, as found."""
    return Encoding(layout.implicit_vr, layout.little_endian, layout.deflated)


def raw_elements(layout: FileLayout, extents: Sequence[Extent]) -> dict[int, bytes]:
    """The bytes of these elements, head included, by tag. Not for pixels: they are held in memory.

    Raises:
        InputError: The file became shorter.
        OSError: It cannot be read.
    """
    with open_offsets(layout) as stream:
        return {one.tag: b"".join(pieces(stream, one.start, one.end - one.start)) for one in extents}


def encode_element(tag: int, vr: str, value: bytes, encoding: Encoding) -> bytes:
    """One element of defined length (PS3.5 7.1); the value is padded already."""
    order = "<" if encoding.little_endian else ">"
    place = (tag >> 16, tag & 0xFFFF)
    if encoding.implicit_vr:
        return struct.pack(f"{order}HHL", *place, len(value)) + value
    name = vr.encode("ascii")
    if name in _LONG_VRS:
        return struct.pack(f"{order}HH2sHL", *place, name, 0, len(value)) + value
    return struct.pack(f"{order}HH2sH", *place, name, len(value)) + value


def encode_item(content: bytes, encoding: Encoding) -> bytes:
    """One sequence item of defined length around encoded elements."""
    order = "<" if encoding.little_endian else ">"
    return struct.pack(f"{order}HHL", *_ITEM, len(content)) + content


def element_value(raw: bytes, encoding: Encoding) -> bytes:
    """The value field of an encoded element of defined length."""
    return raw[12:] if not encoding.implicit_vr and raw[4:6] in _LONG_VRS else raw[8:]


def encode_sequence_items(ds: Dataset, tag: int, encoding: Encoding) -> bytes:
    """The items of a sequence of a data set, encoded afresh: for one that stands there as UN.

    Raises:
        InputError: `not-dicom`, it is no sequence, or cannot be encoded.
    """
    part = Dataset()
    part[tag] = ds[tag]
    raw = BytesIO()
    buffer = DicomIO(raw)
    buffer.is_implicit_VR, buffer.is_little_endian = encoding.implicit_vr, encoding.little_endian
    try:
        with quiet():
            write_dataset(buffer, part, ds.get("SpecificCharacterSet") or default_encoding)
    except Exception:  # noqa: BLE001 - the boundary to pydicom for one element; its texts may quote values
        raise not_dicom("a sequence in it cannot be decoded") from None
    content = sequence_content(raw.getvalue(), encoding)
    if content is None:
        raise not_dicom("a sequence in it cannot be decoded")
    return content


def sequence_content(raw: bytes, encoding: Encoding) -> bytes | None:
    """The items of an encoded sequence, without its head and delimiter; None when its VR is not SQ."""
    order = "<" if encoding.little_endian else ">"
    head = 8
    if not encoding.implicit_vr:
        if raw[4:6] != b"SQ":
            return None
        head = 12
    (length,) = struct.unpack(f"{order}L", raw[head - 4 : head])
    return raw[head:-_DELIMITER_BYTES] if length == UNDEFINED else raw[head:]


class Splice:
    """A Part 10 file made of another one's bytes: zero preamble, fresh file meta, exchanged elements.

    Args:
        layout: Of the original.
        extents: Its top-level elements.
        edits: Tag to the whole encoded element that stands there instead, or None for none; tags that the
            original has not are put in their place.

    Attributes:
        sha256: Over the data set bytes after the file meta, once `chunks` has ended.
        byte_count: How many they were.
    """

    def __init__(
        self, layout: FileLayout, extents: Sequence[Extent], edits: Mapping[int, bytes | None]
    ) -> None:
        self._layout = layout
        self._extents = extents
        self._edits = edits
        self.sha256 = ""
        self.byte_count = 0

    def digest(self) -> str:
        """What `sha256` will be: one pass over the original, for who must name a file before writing it.

        Raises:
            InputError: The original became shorter meanwhile.
            OSError: It cannot be read.
        """
        for _ in self.chunks():
            pass
        return self.sha256

    def chunks(self) -> Iterator[bytes]:
        """The file, front to back, in pieces; may be asked again.

        Raises:
            InputError: The original became shorter meanwhile.
            OSError: It cannot be read.
        """
        layout = self._layout
        yield encode_file_meta(layout.sop_class_uid, layout.sop_instance_uid, layout.transfer_syntax_uid)
        state, count = sha256(), 0
        for piece in self._deflated() if layout.deflated else self._data_set():
            state.update(piece)
            count += len(piece)
            yield piece
        if count % 2:  # PS3.5 A.5: a deflate stream is padded to even length
            state.update(b"\0")
            count += 1
            yield b"\0"
        self.sha256, self.byte_count = state.hexdigest(), count

    def _deflated(self) -> Iterator[bytes]:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        for piece in self._data_set():
            if out := deflater.compress(piece):
                yield out
        yield deflater.flush()

    def _data_set(self) -> Iterator[bytes]:
        present = {one.tag for one in self._extents}
        new = sorted(tag for tag, raw in self._edits.items() if tag not in present and raw is not None)
        with open_offsets(self._layout) as stream:
            for one in self._extents:
                while new and new[0] < one.tag:
                    yield self._edits[new.pop(0)] or b""
                yield from self._element(stream, one)
        for tag in new:
            yield self._edits[tag] or b""

    def _element(self, stream: BinaryIO, one: Extent) -> Iterator[bytes]:
        if one.tag not in self._edits:
            yield from pieces(stream, one.start, one.end - one.start)
        elif raw := self._edits[one.tag]:
            yield raw


def require_single(extents: Sequence[Extent], tags: frozenset[int]) -> None:
    """Refuse a file in which one of these elements stands twice: readers disagree on which one counts.

    Raises:
        InputError: `not-dicom`.
    """
    seen: set[int] = set()
    for one in extents:
        if one.tag in seen and one.tag in tags:
            raise not_dicom(f"({one.tag >> 16:04X},{one.tag & 0xFFFF:04X}) stands in it twice")
        seen.add(one.tag)
