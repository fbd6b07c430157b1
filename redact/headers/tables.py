"""The tables of the standard, asked by tag: confidentiality actions, safe private elements, types."""

import json
from functools import cache
from importlib.resources import files
from typing import Final, TypedDict

from redact.headers._generated import confidentiality, safe_private
from redact.headers.profile import Option

_COLUMN: Final[dict[Option, int]] = {
    Option.RETAIN_SAFE_PRIVATE: 0,
    Option.RETAIN_UIDS: 1,
    Option.RETAIN_DEVICE_IDENTITY: 2,
    Option.RETAIN_INSTITUTION_IDENTITY: 3,
    Option.RETAIN_PATIENT_CHARACTERISTICS: 4,
    Option.RETAIN_FULL_DATES: 5,
    Option.RETAIN_MODIFIED_DATES: 6,
    Option.CLEAN_DESCRIPTORS: 7,
    Option.CLEAN_STRUCTURED_CONTENT: 8,
    Option.CLEAN_GRAPHICS: 9,
}
_CONTENT_SEQUENCE: Final = 0x0040A730


def edition() -> str:
    """The edition of PS3.15 that the tables were taken from."""
    return confidentiality.EDITION


def basic_action(tag: int) -> str:
    """The Basic Profile's cell for a tag (`X`, `Z`, `X/Z/D`, …), "" where Table E.1-1 has no row."""
    row = confidentiality.ROWS.get(tag)
    return row[0] if row else ""


def option_action(tag: int, option: Option) -> str:
    """The cell of one option's column: `K`, `C` or ""."""
    row = confidentiality.ROWS.get(tag)
    column = _COLUMN.get(option)
    if row is None or column is None:
        return ""
    return row[1][column].replace(".", "")


def is_curve(tag: int) -> bool:
    """Whether a tag is in a retired curve group (50xx)."""
    return tag >> 24 == 0x50 and not tag >> 16 & 1


def is_overlay(tag: int) -> bool:
    """Whether a tag is in an overlay group (60xx)."""
    return tag >> 24 == 0x60 and not tag >> 16 & 1


def safe_private_vr(creator: str, tag: int) -> str | None:
    """The VR of a safe private element (Table E.3.10-1), "" where the table has none, None if not safe."""
    return safe_private.ROWS.get((creator, tag >> 16, tag & 0xFF))


class TypeNode:
    """Where one stands in an IOD: the top level, or inside nested sequences.

    Types are the strictest over the IOD's modules (PS3.3); modules that the object does not use can only make
    an answer stricter, so that what is kept stays valid.
    """

    __slots__ = ("_children", "_in_content", "_nodes")

    def __init__(self, nodes: tuple[int, ...], *, in_content: bool = False) -> None:
        self._nodes = nodes
        self._in_content = in_content
        self._children: dict[int, TypeNode] = {}

    @property
    def known(self) -> bool:
        """Whether anything is known of this place."""
        return bool(self._nodes)

    def type_of(self, tag: int) -> str:
        """`1`, `1C`, `2`, `2C` or `3`; "" where the IOD does not know the attribute here."""
        found = [entry[0] for node in self._nodes if (entry := _node(node).get(tag)) and entry[0] != "?"]
        return min(found, key=_STRICTNESS.index, default="")

    def child(self, tag: int) -> "TypeNode":
        """The place inside the items of a sequence."""
        known = self._children.get(tag)
        if known is None:
            inner = {_node(node).get(tag, ("", None))[1] for node in self._nodes}
            nodes = tuple(sorted(node for node in inner if node is not None))
            # Content items nest without end (PS3.3 C.17.3.2.4); the table unrolls their macro once.
            again = not nodes and tag == _CONTENT_SEQUENCE and self._in_content
            known = self._children[tag] = TypeNode(
                self._nodes if again else nodes, in_content=tag == _CONTENT_SEQUENCE
            )
        return known


NOWHERE: Final = TypeNode(())
"""A place of which nothing is known."""
_STRICTNESS: Final = ("1", "2", "1C", "2C", "3")


class _Types(TypedDict):
    sop_classes: dict[str, str]
    iods: dict[str, list[int]]
    nodes: list[str]


@cache
def type_root(sop_class_uid: str) -> TypeNode:
    """The top level of a SOP class's IOD; knows nothing where the SOP class is private or unknown."""
    data = _types()
    iod = data["sop_classes"].get(sop_class_uid, "")
    return TypeNode(tuple(sorted(set(data["iods"].get(iod, ())))))


@cache
def _types() -> _Types:
    text = (files("redact.headers._generated") / "attribute_types.json").read_text(encoding="ascii")
    loaded: _Types = json.loads(text)
    return loaded


@cache
def _node(number: int) -> dict[int, tuple[str, int | None]]:
    entries: dict[int, tuple[str, int | None]] = {}
    for entry in _types()["nodes"][number].split(","):
        if entry:
            tag, _, rest = entry.partition(":")
            kind, _, child = rest.partition(">")
            entries[int(tag, 16)] = (kind, int(child) if child else None)
    return entries
