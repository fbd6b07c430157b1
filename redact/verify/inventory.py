"""What an encoded instance holds, element by element: the ground on which before and after are compared."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import SEEK_END
from mmap import ACCESS_READ, mmap
from typing import BinaryIO

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

from exchange.dicomio.header import read_header
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.stream import open_binary, open_offsets, pieces
from exchange.domain.identifiers import Identifier, IdentifierKind
from exchange.domain.source import Source
from redact.headers.profile import IDENTITY
from redact.identifiers.pseudonymiser import is_placeholder
from redact.verify import forms
from redact.verify.content import ContentNotes
from redact.verify.decode import DATE_VRS, declared_text
from redact.verify.documents import DocumentNotes
from redact.verify.numbers import least_size
from redact.verify.pictures import holds_picture
from redact.verify.walk import Buffer, Element, Syntax, Walk, tag_text

_PATIENT_NAMES = frozenset({0x00100010, 0x00101001, 0x00101005, 0x00101060})
_OWN_KINDS: dict[int, IdentifierKind] = {
    0x00100020: IdentifierKind.PATIENT_ID,
    0x00101000: IdentifierKind.PATIENT_ID,
    0x00080050: IdentifierKind.NUMBER,
    0x00380010: IdentifierKind.NUMBER,
    0x00102154: IdentifierKind.PHONE,
    0x00080080: IdentifierKind.INSTITUTION,
    0x0040A027: IdentifierKind.INSTITUTION,
    0x00101040: IdentifierKind.ADDRESS,
}
_TOP_LEVEL = frozenset({0x00080005, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00120062, *IDENTITY})


@dataclass(frozen=True, slots=True)
class PrivateElement:
    """A private element that is no creator, with the creator of its block (PS3.5 7.8.1); "" without one."""

    path: str
    tag: int
    vr: str
    creator: str


@dataclass(slots=True)
class Inventory:
    """Elements by path; values only where the proof compares them. Its repr shows none.

    Attributes:
        present: Path to whether the element holds anything (a sequence: an item with content).
        dates: Path to value, of DA and DT elements.
        values: Tag to text, of a few elements of the data set itself.
        identifiers: Names, ids and numbers, read apart from the cleaner's harvest.
        character_sets: Every Specific Character Set value that occurs.
        encoded: Tag to value as encoded, without padding, of the patient's identity.
        exact: Whether `encoded` is what the file has; a tolerant reader's values are encoded anew.
        private: The private elements that are no creators.
        content: The content items.
        documents: The encapsulated documents.
        creators: Path to private creator.
        items: e.g. `(0040,A730)[2]`, of items with content.
        pictures: Paths of elements that hold a picture, or say where one is.
    """

    present: dict[str, bool] = field(default_factory=dict, repr=False)
    dates: dict[str, str] = field(default_factory=dict, repr=False)
    values: dict[int, str] = field(default_factory=dict, repr=False)
    identifiers: set[Identifier] = field(default_factory=set, repr=False)
    character_sets: set[str] = field(default_factory=set, repr=False)
    encoded: dict[int, bytes] = field(default_factory=dict, repr=False)
    exact: bool = True
    private: list[PrivateElement] = field(default_factory=list, repr=False)
    content: ContentNotes = field(default_factory=ContentNotes, repr=False)
    documents: DocumentNotes = field(default_factory=DocumentNotes, repr=False)
    creators: dict[str, str] = field(default_factory=dict, repr=False)
    items: set[str] = field(default_factory=set, repr=False)
    pictures: list[str] = field(default_factory=list, repr=False)

    @classmethod
    def like(cls, layout: FileLayout) -> "Inventory":
        """An empty inventory for a data set that is encoded in this way."""
        little = layout.little_endian
        return cls(content=ContentNotes(little), documents=DocumentNotes(little))

    @property
    def stands_alone(self) -> bool:
        """Whether what a part says can be added to any inventory: no document, no fact of the root item."""
        documents = self.documents
        return not documents.documents and documents.length is None and "" not in self.content.items

    def note(self, buffer: Buffer, element: Element) -> None:
        """Add one element."""
        holds = element.end - element.start >= least_size(element.vr)
        if element.depth:
            item = element.path[: element.path.rindex("]") + 1]
            self.items.add(item)
            self.present[item[: item.rindex("[")]] = True
        if holds_picture(buffer, element):
            self.pictures.append(element.path)
        if element.is_private:
            self._private(buffer, element)
            return
        self.content.note(buffer, element)
        self.documents.note(buffer, element)
        if holds and not element.is_pixels and self._telling(element):
            raw = bytes(buffer[element.start : element.end])
            text = declared_text(raw, element.charset).strip(" \0")
            if element.depth == 0 and element.tag in IDENTITY:
                self.encoded[element.tag] = raw.strip(b" \0")
            self._value(element, text)
            holds = bool(text)
        self.present.setdefault(element.path, holds)

    def _private(self, buffer: Buffer, element: Element) -> None:
        number = element.tag & 0xFFFF
        if number <= 0xFF:
            raw = bytes(buffer[element.start : element.end])
            self.creators[element.path] = declared_text(raw, element.charset).strip(" \0")
            return
        reserved = element.path[: -len("(gggg,eeee)")] + tag_text(element.tag >> 16 << 16 | number >> 8)
        creator = self.creators.get(reserved, "")
        self.private.append(PrivateElement(element.path, element.tag, element.vr, creator))

    def part(self, creators: Iterable[tuple[str, str]]) -> "Inventory":
        """An empty inventory of the same kind, for elements to which these private creators apply."""
        little = self.content.little_endian
        content, documents = ContentNotes(little), DocumentNotes(little)
        return Inventory(content=content, documents=documents, creators=dict(creators))

    def add(self, part: "Inventory") -> None:
        """Add what one element says that comes after all that is here; as if each in it were noted."""
        self.present.update(part.present)
        self.dates.update(part.dates)
        self.values.update(part.values)
        self.identifiers |= part.identifiers
        self.character_sets |= part.character_sets
        self.encoded.update(part.encoded)
        self.private += part.private
        self.content.add(part.content)
        self.creators.update(part.creators)
        self.items |= part.items
        self.pictures += part.pictures

    @staticmethod
    def _telling(element: Element) -> bool:
        tag = element.tag
        return element.vr == "PN" or element.vr in DATE_VRS or tag in _OWN_KINDS or tag in _TOP_LEVEL

    def _value(self, element: Element, text: str) -> None:
        if element.vr in DATE_VRS:
            self.dates[element.path] = text
        if element.depth == 0 and element.tag in _TOP_LEVEL:
            self.values[element.tag] = text
        if element.tag == 0x00080005:
            self.character_sets.update(term.strip() for term in text.split("\\"))
        kind = _OWN_KINDS.get(element.tag)
        if element.vr == "PN":
            kind = IdentifierKind.PATIENT_NAME if element.tag in _PATIENT_NAMES else IdentifierKind.PERSON
        if kind is not None:
            source = keyword_for_tag(element.tag)
            for value in text.split("\\"):
                bare = value.strip(" \0^=")
                if bare and not is_placeholder(bare):
                    self.identifiers.add(Identifier(kind, bare, source))

    def unknown_to(self, known: frozenset[str]) -> frozenset[Identifier]:
        """The identifiers whose squeezed form the harvest has not."""
        named = self.identifiers.union(self.content.identifiers(), self.documents.people())
        return frozenset(item for item in named if forms.squeezed(item.value) not in known)


@contextmanager
def opened(layout: FileLayout) -> Iterator[mmap]:
    """The data set's bytes as a memory map in which the layout's offsets hold.

    What is deflated is inflated in memory: what is not proven yet must not lie on a disk in clear.

    Raises:
        InputError: The file changed since it was examined.
        OSError: The file cannot be read.
    """
    if not layout.deflated:
        with open_binary(layout.source) as file, mmap(file.fileno(), 0, access=ACCESS_READ) as buffer:
            yield buffer
        return
    with open_offsets(layout) as stream, mmap(-1, stream.seek(0, SEEK_END)) as buffer:
        _copy(stream, 0, len(buffer), buffer)
        yield buffer


@contextmanager
def opened_header(layout: FileLayout) -> Iterator[mmap]:
    """As `opened`, for an original: in memory only, and without the pixels, which stay untouched zeros.

    An original lies encrypted and is given as a stream; in clear it must not be copied to a disk, nor to
    memory as a whole.
    """
    with open_offsets(layout) as stream, mmap(-1, max(layout.end_offset, 1)) as buffer:
        for begin, end in _header_parts(layout):
            _copy(stream, begin, end, buffer)
        yield buffer


def _copy(stream: BinaryIO, begin: int, end: int, buffer: mmap) -> None:
    for piece in pieces(stream, begin, end - begin):
        buffer[begin : begin + len(piece)] = piece
        begin += len(piece)


def _header_parts(layout: FileLayout) -> Iterator[tuple[int, int]]:
    """Where everything but pixel values lies; heads of fragments count as header."""
    begin, pixels = 0, layout.pixels
    if pixels is not None and not pixels.encapsulated:
        yield begin, pixels.value_offset
        begin = pixels.value_offset + pixels.value_length
    elif pixels is not None:
        for offset, length in pixels.fragments:
            yield begin, offset
            begin = offset + length
    yield begin, layout.end_offset


def syntax_of(layout: FileLayout) -> Syntax:
    """How the data set of a file is encoded."""
    return Syntax(explicit=not layout.implicit_vr, little_endian=layout.little_endian)


def dataset_walk(layout: FileLayout, buffer: Buffer) -> Walk:
    """The walk over the data set of a file, up to the end of its last element."""
    start = 0 if layout.deflated else layout.dataset_offset
    return Walk(buffer, start, layout.end_offset, syntax_of(layout))


def tolerant_inventory(path: Source) -> Inventory:
    """The inventory of an original that may be malformed in ways that only tolerant readers follow."""
    inventory = Inventory(exact=False)
    _note_dataset(inventory, read_header(path), "", b"")
    return inventory


def _note_dataset(inventory: Inventory, ds: Dataset, prefix: str, charset: bytes) -> None:
    pending = [(ds, prefix, 0)]
    while pending:
        current, before, depth = pending.pop()
        for data_element in current:
            tag, vr = int(data_element.tag), str(data_element.VR)[:2]
            path = before + tag_text(tag)
            if vr == "SQ":
                inventory.present.setdefault(path, False)
                children = enumerate(data_element.value or ())
                pending += [(item, f"{path}[{index}].", depth + 1) for index, item in children]
                continue
            text = _plain(data_element.value)
            value = text.encode("utf-8", "replace")
            utf8 = b"ISO_IR 192"
            inventory.note(value, Element(path, tag, vr, 0, 0, len(value), utf8 if value else charset, depth))


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return "\\".join(str(part) for part in value)  # type: ignore[attr-defined]
    return str(value)
