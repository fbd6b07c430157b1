"""Reading an output with pydicom, element by element, raw bytes before anything decodes them."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread  # noqa: TID251 - an independent reader of what a tool wrote
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag, Tag

from tests.hostile.matching import unpacked

_STEP = re.compile(r"\(([0-9A-F]{4}),([0-9A-F]{4})\)\[(\d+)\]")
_META_START = 132


class Opened:
    """A file that a tool wrote.

    Raises:
        Exception: Whatever pydicom raises on a file that it cannot read.
    """

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.ds: Dataset = dcmread(path, force=True)
        self._raw: dict[str, bytes] = {}
        self._known: dict[str, Dataset | None] = {"": self.ds}

    @property
    def preamble(self) -> bytes:
        """The first 128 bytes, where there are such."""
        return self.data[:128] if self.data[128:132] == b"DICM" else b""

    @property
    def is_dicom(self) -> bool:
        """Whether it is a Part 10 file or at least a data set of some class."""
        return self.data[128:132] == b"DICM" or "SOPClassUID" in self.ds

    def everything(self) -> bytes:
        """All bytes and what is compressed in them, in lower case."""
        syntax = str(self.ds.file_meta.get("TransferSyntaxUID", ""))
        start = None
        if syntax == "1.2.840.10008.1.2.1.99":
            start = _META_START + 12 + int(self.ds.file_meta.FileMetaInformationGroupLength)
        return unpacked(self.data, deflated_from=start).lower()

    def holds(self, place: str) -> bool:
        """Whether the element is there."""
        return self._find(place) is not None

    def holds_item(self, item: str) -> bool:
        """Whether an item of a sequence is there; its path ends with the index."""
        return self._items(item + ".") is not None

    def raw(self, place: str) -> bytes | None:
        """An element's bytes; of a sequence those of all that is in it; None where it is not."""
        found = self._find(place)
        if found is None:
            return None
        if place not in self._raw:
            self._raw[place] = _bytes_of(*found)
        return self._raw[place]

    def text(self, place: str) -> str | None:
        """An element's value as pydicom reads it; None where it is not."""
        found = self._find(place)
        if found is None:
            return None
        self.raw(place)
        ds, tag = found
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                value: Any = ds[tag].value
            except Exception:  # noqa: BLE001 - what pydicom cannot decode is judged by its bytes
                return ""
        if value is None or ds[tag].VR == "SQ":
            return ""
        return "\\".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)

    def is_empty(self, place: str) -> bool:
        """Whether the element is missing or has no value."""
        found = self._find(place)
        if found is None:
            return True
        ds, tag = found
        return not ds[tag].value if ds[tag].VR == "SQ" else not (self.raw(place) or b"").strip(b" \0")

    def picture(self, place: str) -> NDArray[np.generic] | None:
        """The decoded pixels of `place`'s element: the data set's own, an icon's or an overlay's plane."""
        prefix, _, name = place.rpartition("(")
        found = self._find(place)
        if found is None:
            return None
        ds, tag = found
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if name.endswith("3000)"):
                return self._plane(ds, tag)
            if prefix:
                count = int(ds.Rows) * int(ds.Columns)
                return np.frombuffer(ds[tag].value[:count], np.uint8).reshape(ds.Rows, ds.Columns)
            pixels: NDArray[np.generic] = ds.pixel_array
            return pixels

    @staticmethod
    def _plane(ds: Dataset, tag: BaseTag) -> NDArray[np.generic]:
        group = int(tag) & 0xFFFF0000
        rows, columns = int(ds[group | 0x10].value), int(ds[group | 0x11].value)
        data = np.frombuffer(ds[tag].value, np.uint8)
        if not ds.file_meta.TransferSyntaxUID.is_little_endian:
            data = data.view("<u2").byteswap().view(np.uint8)
        return np.unpackbits(data, bitorder="little")[: rows * columns].reshape(rows, columns)

    def _find(self, place: str) -> "tuple[Dataset, BaseTag] | None":
        prefix, _, name = place.rpartition("(")
        current = self.ds.file_meta if place.startswith("(0002,") else self._items(prefix)
        tag = Tag(int(name[:4], 16), int(name[5:9], 16))
        return (current, tag) if current is not None and tag in current else None

    def _items(self, prefix: str) -> Dataset | None:
        """The data set or item that a path's prefix leads to; None where it is gone."""
        if prefix in self._known:
            return self._known[prefix]
        current: Dataset = self.ds
        found: Dataset | None = current
        for group, element, index in _STEP.findall(prefix):
            tag = Tag(int(group, 16), int(element, 16))
            items = current[tag].value if tag in current and current[tag].VR == "SQ" else None
            if not items or int(index) >= len(items):
                found = None
                break
            found = current = items[int(index)]
        self._known[prefix] = found
        return found


def _bytes_of(ds: Dataset, tag: int) -> bytes:
    element: object = ds.get_item(tag)
    if isinstance(element, RawDataElement) and not _is_sequence(element):
        return bytes(element.value or b"")
    decoded: DataElement = ds[tag]
    if decoded.VR == "SQ":
        items = decoded.value or ()
        return b"\n".join(_bytes_of(item, inner) for item in items for inner in list(item.keys()))
    if decoded.value is None:
        return b""
    if isinstance(decoded.value, bytes):
        return decoded.value
    return str(decoded.value).encode("utf-8", "surrogateescape")


def _is_sequence(element: RawDataElement) -> bool:
    """Implicit VR gives no VR, and UN of undefined length holds items (PS3.5 6.2.2)."""
    known = dictionary_VR(element.tag) if dictionary_has_tag(element.tag) else "UN"
    return element.VR == "SQ" or (element.VR is None and known == "SQ")
