"""A writer of Part 10 files that repairs nothing: raw bytes go out as planted, whatever their VR says.

pydicom's writer decodes and encodes again when a character set changes, which would undo every lie.
"""

import zlib
from struct import pack

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.uid import UID

_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


class Encoder:
    """Encodes data sets in one transfer syntax (PS3.5 section 7 and annex A)."""

    def __init__(self, syntax: UID) -> None:
        self._implicit = bool(syntax.is_implicit_VR)
        self._order = "<" if syntax.is_little_endian else ">"

    def dataset(self, ds: Dataset) -> bytes:
        """All elements in order; group lengths are left out."""
        tags = sorted(int(tag) for tag in ds.keys())  # noqa: SIM118 - does not decode
        return b"".join(self._element(ds, tag) for tag in tags if tag & 0xFFFF)

    def element(self, tag: int, vr: str, value: bytes, *, undefined: bool = False) -> bytes:
        """One element; with `undefined` its value is followed by a sequence delimiter."""
        head = self._tag(tag)
        length = _UNDEFINED if undefined else len(value)
        if self._implicit:
            head += pack(self._order + "I", length)
        elif vr in _LONG:
            head += vr.encode() + pack(self._order + "HI", 0, length)
        else:
            head += vr.encode() + pack(self._order + "H", length)
        return head + value + (self._tag(_SEQUENCE_END) + bytes(4) if undefined else b"")

    def _tag(self, tag: int) -> bytes:
        return pack(self._order + "HH", tag >> 16, tag & 0xFFFF)

    def _element(self, ds: Dataset, tag: int) -> bytes:
        found: object = ds.get_item(tag)
        if isinstance(found, RawDataElement) and found.VR not in {None, "SQ"}:
            return self.element(tag, found.VR, found.value or b"", undefined=found.length == _UNDEFINED)
        element = ds[tag]
        if element.VR == "SQ":
            undefined = bool(element.is_undefined_length)
            items = b"".join(self._item(item) for item in element.value or ())
            return self.element(tag, "SQ", items, undefined=undefined)
        buffer = DicomBytesIO()
        buffer.is_implicit_VR, buffer.is_little_endian = self._implicit, self._order == "<"
        write_data_element(buffer, element, "latin-1")
        return bytes(buffer.getvalue())

    def _item(self, item: Dataset) -> bytes:
        content = self.dataset(item)
        if getattr(item, "is_undefined_length_sequence_item", False):
            end = self._tag(_ITEM_END) + bytes(4)
            return self._tag(_ITEM) + pack(self._order + "I", _UNDEFINED) + content + end
        return self._tag(_ITEM) + pack(self._order + "I", len(content)) + content


def part10(ds: Dataset, syntax: UID, preamble: bytes, meta: dict[int, tuple[str, bytes]]) -> bytes:
    """A whole file: preamble, file meta (tag to VR and bytes), data set; deflated if need be."""
    explicit = Encoder(UID("1.2.840.10008.1.2.1"))
    listed = b"".join(
        explicit.element(tag, vr, _even(value, vr)) for tag, (vr, value) in sorted(meta.items())
    )
    head = preamble + b"DICM" + explicit.element(0x00020000, "UL", pack("<I", len(listed))) + listed
    body = Encoder(syntax).dataset(ds)
    if syntax.is_deflated:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        body = packer.compress(body) + packer.flush()
        body += b"\0" * (len(body) % 2)
    return head + body


def _even(value: bytes, vr: str) -> bytes:
    return value + (b"\0" if vr in {"UI", "OB"} else b" ") * (len(value) % 2)
