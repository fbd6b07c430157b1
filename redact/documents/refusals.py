"""Why a document is held instead of rebuilt, and what it may cost to find out."""

from dataclasses import dataclass

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError

PATH = "(0042,0011)"


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """What one document may cost.

    Attributes:
        document: Bytes as encapsulated.
        inflated: Bytes of one stream after decompression.
        objects: Objects of a PDF; elements of a CDA.
        pages: Of a PDF.
        content: Bytes of a PDF's content streams, over all pages and repetitions.
        operations: Drawing operators of a PDF, over all pages.
        characters: Of text, over the whole document.
        depth: Of elements of a CDA, and of forms inside forms of a PDF.
    """

    document: int = 32 << 20
    inflated: int = 32 << 20
    objects: int = 50_000
    pages: int = 500
    content: int = 64 << 20
    operations: int = 1_000_000
    characters: int = 1_000_000
    depth: int = 32


def refused(why: str) -> HeldError:
    """The hold of a document.

    Args:
        why: In words, never with anything of the document.
    """
    return HeldError(
        ReasonCode.ENCAPSULATED_DOCUMENT,
        f"cannot rebuild an encapsulated document: {why}",
        PATH,
        "reject it, or send a document that has words only",
    )
