"""Encapsulated documents as a walk meets them (PS3.3 A.45), taken out to be read."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from exchange.domain.identifiers import Identifier
from redact.verify.cda import cda_people
from redact.verify.walk import Buffer, Element

DOCUMENT = 0x00420011
"""EncapsulatedDocument."""

_LENGTH = 0x00420015


@dataclass(slots=True)
class DocumentNotes:
    """The documents met in one walk; the repr shows nothing of them."""

    little_endian: bool = True
    documents: list[tuple[Element, bytes]] = field(default_factory=list, repr=False)
    length: int | None = None

    def note(self, buffer: Buffer, element: Element) -> None:
        """Keep a document, or how long it is said to be."""
        if element.tag == DOCUMENT and element.end > element.start:
            self.documents.append((element, bytes(buffer[element.start : element.end])))
        elif element.tag == _LENGTH and not element.depth:
            order: Literal["little", "big"] = "little" if self.little_endian else "big"
            self.length = int.from_bytes(buffer[element.start : element.end], order)

    def people(self) -> Iterator[Identifier]:
        """Whom the documents of an original name, as far as they say it by element."""
        for _, value in self.documents:
            yield from cda_people(value)
