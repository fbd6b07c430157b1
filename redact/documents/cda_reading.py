"""An HL7 CDA document (R2) read with a parser that follows nothing: sections, their titles, their narrative.

Expat, with no document type, no entities and nothing fetched. What stands outside the narrative
(participants, ids, addresses, times, coded entries, media) is not kept; names and numbers found there are
what this document says of people: its narrative is searched for them besides what the study names.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers.expat import ExpatError, ParserCreate

from pydicom.dataset import Dataset

from exchange.domain.errors import HeldError
from exchange.domain.identifiers import Identifier, IdentifierKind
from redact.documents.refusals import DocumentLimits, refused
from redact.documents.taking import document_bytes
from redact.identifiers.pseudonymiser import is_placeholder

NAMESPACE = "urn:hl7-org:v3"
_XML = re.compile(rb"\s*(?:<|\xef\xbb\xbf|\xff\xfe|\xfe\xff)")
_TEXTS: dict[str, IdentifierKind] = {
    "given": IdentifierKind.PERSON,
    "family": IdentifierKind.PERSON,
    "addr": IdentifierKind.ADDRESS,
    "streetAddressLine": IdentifierKind.ADDRESS,
    "city": IdentifierKind.ADDRESS,
    "postalCode": IdentifierKind.ADDRESS,
}
_PATIENTS = frozenset({"recordTarget", "patientRole"})
_PEOPLE = ("Person", "patient", "subject", "informationRecipient")
_ORGANISATIONS = ("Organization", "healthCareFacility", "location")


@dataclass(slots=True)
class Node:
    """An element; its repr shows no text.

    Attributes:
        name: Local name in the CDA namespace; "" of an element of another one.
        content: Text and elements, in order.
    """

    name: str
    attributes: dict[str, str] = field(default_factory=dict, repr=False)
    content: "list[str | Node]" = field(default_factory=list, repr=False)

    def children(self, name: str) -> "list[Node]":
        """The elements of this name that stand in it directly."""
        return [one for one in self.content if isinstance(one, Node) and one.name == name]

    def child(self, *path: str) -> "Node | None":
        """The first element at the end of this path."""
        node: Node | None = self
        for name in path:
            node = next(iter(node.children(name)), None) if node is not None else None
        return node

    def text(self) -> str:
        """All text in it; what stands in different elements apart."""
        parts = [one if isinstance(one, str) else one.text() for one in self.content]
        return " ".join(part for part in parts if part.strip())


def read_cda(data: bytes, limits: DocumentLimits | None = None) -> Node:
    """The root element of a CDA document.

    Raises:
        HeldError: It is none, has a document type, is malformed, or larger than the limits.
    """
    reading = _Reading(limits or DocumentLimits())
    parser = ParserCreate(namespace_separator=" ")
    parser.SetParamEntityParsing(0)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reading.doctype
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.characters
    try:
        parser.Parse(data, True)
    except HeldError:
        raise
    except (ExpatError, ValueError, LookupError):
        raise refused("its XML is malformed") from None
    root = reading.root.child("ClinicalDocument")
    if root is None:
        raise refused("it is no CDA document")
    return root


class _Reading:
    def __init__(self, limits: DocumentLimits) -> None:
        self.root = Node("")
        self._open = [self.root]
        self._limits = limits
        self._elements = 0
        self._characters = 0

    def doctype(self, *_declared: object) -> None:
        raise refused("it has a document type, which could fetch or define anything")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > self._limits.objects or len(self._open) > self._limits.depth:
            raise refused("it has more elements than the limit, or nests them too deeply")
        space, _, local = name.rpartition(" ")
        node = Node(local if space == NAMESPACE else "", attributes)
        self._open[-1].content.append(node)
        self._open.append(node)

    def end(self, _name: str) -> None:
        self._open.pop()

    def characters(self, text: str) -> None:
        self._characters += len(text)
        if self._characters > self._limits.document:
            raise refused("it has more text than the limit")
        self._open[-1].content.append(text)


def people_in_document(ds: Dataset) -> frozenset[Identifier]:
    """Whom an object's encapsulated CDA names; nobody where it has none, or one that would be held."""
    data = document_bytes(ds)
    if not _XML.match(data):
        return frozenset()
    try:
        return people_of(read_cda(data))
    except HeldError:
        return frozenset()


def people_of(root: Node) -> frozenset[Identifier]:
    """What the document's header and entries say of people and places: names, ids, addresses, birth times."""
    return frozenset(
        found for found in _people(root, ()) if not is_placeholder(found.value) and len(found.value) > 1
    )


def _people(node: Node, above: tuple[str, ...]) -> Iterator[Identifier]:
    if node.name in {"text", "title"} and "section" in above:
        return
    yield from _of_attributes(node, above)
    kind = _kind(node.name, above)
    if kind is not None:
        yield Identifier(kind, " ".join(node.text().split()), f"CDA {node.name}")
    for one in node.content:
        if isinstance(one, Node):
            yield from _people(one, (*above, node.name))


def _kind(name: str, above: tuple[str, ...]) -> IdentifierKind | None:
    kind = _TEXTS.get(name)
    if name == "name" and above:
        if any(word in above[-1] for word in _ORGANISATIONS):
            return IdentifierKind.INSTITUTION
        if any(word in above[-1] for word in _PEOPLE):  # materials and devices have names, too
            kind = IdentifierKind.PERSON
    if kind is IdentifierKind.PERSON and not _PATIENTS.isdisjoint(above):
        return IdentifierKind.PATIENT_NAME
    return kind


def _of_attributes(node: Node, above: tuple[str, ...]) -> Iterator[Identifier]:
    value = " ".join(node.attributes.get("value", "").split())
    if node.name == "id" and (extension := node.attributes.get("extension", "").strip()):
        patients = not _PATIENTS.isdisjoint(above)
        kind = IdentifierKind.PATIENT_ID if patients else IdentifierKind.NUMBER
        yield Identifier(kind, extension, "CDA id")
    elif node.name == "telecom" and value:
        yield Identifier(IdentifierKind.PHONE, value.partition(":")[2] or value, "CDA telecom")
    elif node.name == "birthTime" and value[:8].isdigit() and len(value) >= 8:
        yield Identifier(IdentifierKind.DATE, value[:8], "CDA birthTime")
