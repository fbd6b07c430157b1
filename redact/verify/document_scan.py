"""Encapsulated documents in a cleaned file: unpacked, read and searched like any other text."""

from collections.abc import Iterator, Sequence

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.verify.cda import cda_values
from redact.verify.documents import DocumentNotes
from redact.verify.pdf import UnreadableDocumentError, pdf_streams, pdf_strings
from redact.verify.scan import Leak, Scanner
from redact.verify.walk import Element

_PDF, _CDA = "1.2.840.10008.5.1.4.1.1.104.1", "1.2.840.10008.5.1.4.1.1.104.2"
_UTF8 = b"ISO_IR 192"


def document_leaks(scanner: Scanner, notes: DocumentNotes, sop_class: str) -> Iterator[Leak]:
    """Identifiers in the documents, both as bytes that were packed and as the text that they show.

    Args:
        scanner: Of the instance.
        notes: Of its walk.
        sop_class: Of the instance.

    Raises:
        HeldError: PROOF_IOD, a document cannot be unpacked, or holds more than a rebuilt one does.
    """
    for element, value in notes.documents:
        if not value.strip(b"\0"):
            continue  # the dummy of Table E.1-1
        try:
            if not element.depth and notes.length not in {None, len(value), len(value) - 1}:
                raise UnreadableDocumentError("it is not as long as the object says")
            yield from _leaks(scanner, element, value, sop_class if not element.depth else "")
        except UnreadableDocumentError as error:
            raise HeldError(
                ReasonCode.PROOF_IOD,
                f"cannot prove that a document names no one: {error}",
                element.path,
                "hold the instance and report the defect: a rebuilt document is simpler",
            ) from None


def _leaks(scanner: Scanner, element: Element, value: bytes, sop_class: str) -> Iterator[Leak]:
    if sop_class == _PDF:
        shown: list[str] = []
        for stream in pdf_streams(value):
            yield from _search(scanner, element, stream)
            shown += pdf_strings(stream)
        yield from _search_texts(scanner, element, shown)
    elif sop_class == _CDA:
        yield from _search_texts(scanner, element, list(cda_values(value)))
    else:
        raise UnreadableDocumentError("it stands where no rebuilt one does")


def _search_texts(scanner: Scanner, element: Element, texts: Sequence[str]) -> Iterator[Leak]:
    """Each text by itself, and all run together: a name may be cut in two, or stand letter by letter."""
    letters = "".join(text for text in texts if text.isalpha())
    for text in (*texts, " ".join(texts), letters):
        yield from _search(scanner, element, text.encode("utf-8", "replace"))


def _search(scanner: Scanner, element: Element, value: bytes) -> Iterator[Leak]:
    as_text = Element(element.path, element.tag, "UT", 0, 0, len(value), _UTF8, element.depth)
    hits = scanner.raw(value, 0, len(value))
    yield from scanner.judge(value, as_text, hits)
    yield from scanner.judge_rest(hits, element.path)
