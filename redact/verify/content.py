"""Content items as the encoded bytes have them (PS3.3 C.17.3): name, value, references, by item path.

Read apart from the cleaner's walk. What belongs to an item is told by its path alone, so that the order in
which elements come does not matter.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from struct import error, unpack

from exchange.domain.identifiers import Identifier, IdentifierKind
from redact.identifiers.pseudonymiser import is_placeholder
from redact.structured.concepts import Concept, kind_of
from redact.verify.decode import declared_text
from redact.verify.walk import Buffer, Element

TEXT, UNFORMATTED, PERSON_NAME = 0x0040A160, 0x00700006, 0x0040A123
DATE, TIME, DATETIME, UID_VALUE = 0x0040A121, 0x0040A122, 0x0040A120, 0x0040A124
CODE, NUMBER = 0x0040A168, 0x0040A30A
OBSERVED = 0x0040A032
VALUE_TYPE_OF = {
    TEXT: "TEXT",
    UNFORMATTED: "TEXT",
    PERSON_NAME: "PNAME",
    DATE: "DATE",
    TIME: "TIME",
    DATETIME: "DATETIME",
    UID_VALUE: "UIDREF",
    CODE: "CODE",
    NUMBER: "NUM",
}
_RELATIONSHIP, _VALUE_TYPE, _REFERENCED_ITEM = 0x0040A010, 0x0040A040, 0x0040DB73
_SCHEME, _MEANING, _REFERENCED_INSTANCE = 0x00080102, 0x00080104, 0x00081155
_CODE_VALUES = frozenset({0x00080100, 0x00080119, 0x00080120})
_CODED = _CODE_VALUES | {_SCHEME, _MEANING}
_RELATED = frozenset({_REFERENCED_INSTANCE, 0x0020000D, 0x0020000E})
_OWN = frozenset({_RELATIONSHIP, _VALUE_TYPE, _REFERENCED_ITEM, OBSERVED, *VALUE_TYPE_OF})
_ASKED = _OWN | _CODED | _RELATED
_TREE = re.compile(r"(?:\(0040,A730\)\[\d+\]\.?)+")
_RELATIONS = re.compile(r"\(0040,(?:A360|A370|A375|A385|A525|A730)\)\[")
_NAME, _CODE, _MEASURED = "(0040,A043)[0]", "(0040,A168)[0]", "(0040,A300)[0]"
_NAMES = frozenset({IdentifierKind.PATIENT_NAME, IdentifierKind.PERSON})


@dataclass(slots=True)
class ItemFacts:
    """What one content item says; its repr shows no values.

    Attributes:
        values: Text by value attribute; of a CODE scheme and code value, of a NUM the number.
        reference: Referenced Content Item Identifier, None where the item refers to none.
    """

    value_type: str = ""
    relationship: str = ""
    reference: tuple[int, ...] | None = None
    name: dict[int, str] = field(default_factory=dict, repr=False)
    code: dict[int, str] = field(default_factory=dict, repr=False)
    values: dict[int, str] = field(default_factory=dict, repr=False)

    def copy(self) -> "ItemFacts":
        """The same facts, to which others may be added."""
        return replace(self, name=dict(self.name), code=dict(self.code), values=dict(self.values))

    @property
    def concept(self) -> Concept:
        """The concept name, under its present code."""
        value = next((self.name[tag] for tag in sorted(_CODE_VALUES) if self.name.get(tag)), "")
        return Concept(self.name.get(_SCHEME, ""), value, self.name.get(_MEANING, "")).present

    def value(self, tag: int) -> str:
        """The value that an attribute gives the item, "" where it gives none."""
        if tag != CODE:
            return self.values.get(tag, "")
        value = next((self.code[one] for one in sorted(_CODE_VALUES) if self.code.get(one)), "")
        return f"{self.code.get(_SCHEME, '')} {value}".strip()


@dataclass(slots=True)
class ContentNotes:
    """The content items of one object by path, and the UIDs that relate it to other objects.

    Attributes:
        little_endian: How the data set is encoded.
        items: `(0040,A730)[2]` to facts; "" is the object itself.
        relations: Path to UID, below the content tree and the lists of evidence, requests and documents.
    """

    little_endian: bool = True
    items: dict[str, ItemFacts] = field(default_factory=dict, repr=False)
    relations: dict[str, str] = field(default_factory=dict, repr=False)

    def note(self, buffer: Buffer, element: Element) -> None:
        """Add one element, if it is one that counts here."""
        tag, path = element.tag, element.path
        if tag not in _ASKED or not element.depth:
            return
        raw = bytes(buffer[element.start : element.end])
        if tag in _RELATED and _RELATIONS.match(path):
            self.relations[path] = _text(raw, element)
        parent = path[: path.rindex(".")]
        if tag in _OWN:
            self._own(parent, tag, raw, element)
        elif tag in _CODED and parent.endswith(_NAME):
            self._item(parent, _NAME).name[tag] = _text(raw, element)
        elif tag in _CODED and parent.endswith(_CODE):
            self._item(parent, _CODE).code[tag] = _text(raw, element)

    def add(self, part: "ContentNotes") -> None:
        """Add the notes on one element of the data set, which shares no item with those before it."""
        for path, item in part.items.items():
            self.items[path] = item.copy()
        self.relations.update(part.relations)

    def _own(self, parent: str, tag: int, raw: bytes, element: Element) -> None:
        item = self._item(parent, _MEASURED) if parent.endswith(_MEASURED) else self._item(parent, "")
        if tag == _REFERENCED_ITEM:
            item.reference = self._ordinals(raw)
        elif tag == _VALUE_TYPE:
            item.value_type = _text(raw, element)
        elif tag == _RELATIONSHIP:
            item.relationship = _text(raw, element)
        else:
            item.values[tag] = _text(raw, element)

    def _item(self, parent: str, inside: str) -> ItemFacts:
        path = parent.removesuffix(inside).removesuffix(".") if inside else parent
        known = self.items.get(path)
        if known is None:
            known = self.items[path] = ItemFacts()
        return known

    def _ordinals(self, raw: bytes) -> tuple[int, ...]:
        if raw and not raw.strip(b"0123456789\\"):
            return tuple(int(part) for part in raw.split(b"\\") if part)  # parsed by a tolerant reader
        try:
            return unpack(f"{'<' if self.little_endian else '>'}{len(raw) // 4}L", raw)
        except error:
            return ()

    def concept_at(self, path: str) -> Concept | None:
        """The concept of the item that the element with this path is a value of."""
        parent = path.rpartition(".")[0]
        for inside in (_CODE, _MEASURED):
            parent = parent.removesuffix(inside).removesuffix(".")
        item = self.items.get(parent)
        return item.concept if item is not None and item.name else None

    def identifiers(self) -> Iterator[Identifier]:
        """What stands under concepts that identify, read apart from the cleaner's harvest."""
        for item in self.items.values():
            kind = kind_of(item.concept) if item.name else None
            if kind is None:
                continue
            for tag in (TEXT, UNFORMATTED, PERSON_NAME, NUMBER):
                value = item.values.get(tag, "").strip(" ^=")
                if value and not is_placeholder(value):
                    yield Identifier(kind, value, item.concept.value)


def item_path(reference: tuple[int, ...]) -> str:
    """The path that a by-reference relationship names: ordinals count from 1, the first is the root's."""
    return ".".join(f"(0040,A730)[{ordinal - 1}]" for ordinal in reference[1:])


def in_tree(path: str) -> bool:
    """Whether this is the path of an item of the content tree."""
    return _TREE.fullmatch(path) is not None


def _text(raw: bytes, element: Element) -> str:
    return declared_text(raw, element.charset).strip(" \0")
