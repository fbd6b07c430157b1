"""Reading content items: their concept name, what their value is, and who refers to them.

A content item (PS3.3 C.17.3, 10.2) is known by its Concept Name Code Sequence, wherever it stands: in an SR
content tree, an acquisition or protocol context, a specimen's preparation, a waveform's annotations. What its
value is, is told by the attribute that holds it: a Value Type that lies changes nothing.
"""

import re
from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from redact.headers.elements import strings, vr_of
from redact.structured.concepts import Concept

CONCEPT_NAME = 0x0040A043
CONTENT_SEQUENCE = 0x0040A730
VALUE_TYPE = 0x0040A040
MEASURED_VALUE = 0x0040A300
NUMERIC_VALUE = 0x0040A30A
UNFORMATTED_TEXT = 0x00700006
VALUE_TYPES = {
    0x0040A160: "TEXT",
    UNFORMATTED_TEXT: "TEXT",  # of waveform annotations
    0x0040A123: "PNAME",
    0x0040A121: "DATE",
    0x0040A122: "TIME",
    0x0040A120: "DATETIME",
    0x0040A124: "UIDREF",
    0x0040A168: "CODE",
    MEASURED_VALUE: "NUM",
    NUMERIC_VALUE: "NUM",
    0x0040A161: "NUM",
    0x0040A162: "NUM",
    0x0040A163: "NUM",
}
_REFERENCED_ITEM = 0x0040DB73
CODE_VALUES = (0x00080100, 0x00080119, 0x00080120)
_SCHEME, _MEANING = 0x00080102, 0x00080104
_VR = {0x00080100: "SH", 0x00080119: "UC", 0x00080120: "UR", _SCHEME: "SH", _MEANING: "LO"}
_IN_TREE = re.compile(r"(?:\(0040,A730\)\[\d+\]\.)*")
_INDEX = re.compile(r"\[(\d+)\]")
MAX_DEPTH = 64

Position = tuple[int, ...]
"""Where an item stands in the tree, as Referenced Content Item Identifier counts: the root is (1,)."""


def items_of(ds: Dataset, tag: int) -> list[Dataset]:
    """The items of a sequence; none where the element is absent or no sequence."""
    if tag not in ds or vr_of(ds, tag) != "SQ":
        return []
    value = ds[tag].value
    return list(value) if isinstance(value, Sequence) else []


def concept_of(item: Dataset) -> Concept | None:
    """The concept name of a content item, under its present code; None where it has none."""
    if CONCEPT_NAME not in item:
        return None
    for code in items_of(item, CONCEPT_NAME):
        value = next((text for tag in CODE_VALUES if (text := _first(code, tag))), "")
        return Concept(_first(code, _SCHEME), value, _first(code, _MEANING)).present
    return Concept("", "")


def is_container(item: Dataset) -> bool:
    """Whether the item says that it is a CONTAINER."""
    return VALUE_TYPE in item and strings(item, VALUE_TYPE, "CS")[:1] == ["CONTAINER"]


def position_of(path: str) -> Position | None:
    """The position of the item with this path (it ends with a point); None outside the content tree."""
    if not _IN_TREE.fullmatch(path):
        return None
    return (1, *(int(index) + 1 for index in _INDEX.findall(path)))


def referenced_positions(root: Dataset) -> frozenset[Position]:
    """The positions that by-reference relationships name (PS3.3 C.17.3.2.5)."""
    return frozenset(_references(root, 0))


def _references(item: Dataset, depth: int) -> Iterator[Position]:
    if _REFERENCED_ITEM in item:
        value = item[_REFERENCED_ITEM].value
        ordinals = list(value) if isinstance(value, (list, tuple, MultiValue)) else [value]
        if all(isinstance(ordinal, int) for ordinal in ordinals):
            yield tuple(ordinals)
    if depth < MAX_DEPTH:
        for child in items_of(item, CONTENT_SEQUENCE):
            yield from _references(child, depth + 1)


def _first(code: Dataset, tag: int) -> str:
    return next((text.strip() for text in strings(code, tag, _VR[tag])), "") if tag in code else ""
