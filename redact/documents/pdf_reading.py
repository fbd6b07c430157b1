"""A PDF read in memory, with limits; what holds more than pages to look at is refused, not read in part.

The structure is read by pypdf, which repairs what real files get wrong. Whatever it says of a file it says
with the file's own words, so none of that leaves here.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pypdf import PdfReader, apply_configuration

from exchange.dicomio.quiet import quiet
from exchange.domain.errors import HeldError
from redact.documents.pdf_fonts import resolved
from redact.documents.pdf_page import Budget, PageContent
from redact.documents.pdf_text import page_content
from redact.documents.refusals import DocumentLimits, refused

_HEADER_WITHIN = 1024  # bytes, as readers tolerate it (ISO 32000-1 annex H.3)
_SIDES = (3.0, 14_400.0)  # points; annex C.2
_LETTER = (0.0, 0.0, 612.0, 792.0)
_SCRIPTS = frozenset({"/JS", "/JavaScript"})
_ATTACHED = frozenset({"/EmbeddedFiles", "/EmbeddedFile", "/EF", "/AF", "/Collection", "/RichMediaContent"})
_PLAYED = frozenset(
    {"/FileAttachment", "/Movie", "/Sound", "/Screen", "/3D", "/RichMedia", "/EmbeddedFile", "/Launch"}
)
logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # noqa: TID251 - theirs, to be silenced


@dataclass(frozen=True, slots=True)
class ReadPage:
    """One page as it was read.

    Attributes:
        x, y: Lower left corner of the page, in points.
        width, height: In points.
        rotation: 0, 90, 180 or 270 degrees clockwise, at which it is shown.
        annotations: How many notes, links and stamps stand on it; they are not read.
    """

    x: float
    y: float
    width: float
    height: float
    rotation: int
    annotations: int
    content: PageContent


def read_pdf(data: bytes, limits: DocumentLimits | None = None) -> list[ReadPage]:
    """The pages of a PDF.

    Raises:
        HeldError: It is none, is encrypted, malformed or too large, or holds scripts, forms or attachments.
    """
    bounds = limits or DocumentLimits()
    if b"%PDF-" not in data[:_HEADER_WITHIN]:
        raise refused("it is no PDF")
    try:
        with quiet(), _limited(bounds):
            reader = PdfReader(BytesIO(data))
            _refuse_more_than_pages(reader, bounds)
            return list(_pages(reader, bounds))
    except HeldError:
        raise
    except Exception:  # noqa: BLE001 - the boundary to pypdf for one document; its texts may quote values
        raise refused("it is malformed, or larger than the limits") from None


@contextmanager
def _limited(limits: DocumentLimits) -> Iterator[None]:
    with apply_configuration(
        maximum_declared_stream_length=limits.document,
        array_based_stream_maximum_output_length=limits.inflated,
        lzw_maximum_output_length=limits.inflated,
        run_length_maximum_output_length=limits.inflated,
        zlib_maximum_output_length=limits.inflated,
        zlib_maximum_recovery_input_length=1 << 20,
        page_tree_maximum_entries=limits.pages * 4,
        page_tree_maximum_page_entries=limits.objects,
        stream_parsing_work_maximum_count=limits.operations * 4,
        disable_legacy_handling=True,
    ):
        yield


def _refuse_more_than_pages(reader: PdfReader, limits: DocumentLimits) -> None:
    if reader.is_encrypted:
        raise refused("it is encrypted")
    numbers = {
        (number, generation) for generation, offsets in reader.xref.items() for number in offsets if number
    }
    numbers.update((number, 0) for number in reader.xref_objStm)
    if len(numbers) > limits.objects:
        raise refused("it has more objects than the limit")
    from pypdf.generic import IndirectObject

    for number, generation in sorted(numbers):
        _refuse_object(resolved(IndirectObject(number, generation, reader)), 0)


def _refuse_object(value: Any, depth: int) -> None:
    """Refuse what acts, asks or carries files, in one object with all that stands in it directly."""
    if depth > 16:
        raise refused("its objects are nested too deeply")
    if isinstance(value, Mapping):
        keys = set(value.keys())
        if keys & _SCRIPTS or value.get("/S") in _SCRIPTS:
            raise refused("it holds scripts")
        if keys & _ATTACHED or {value.get("/Type"), value.get("/Subtype"), value.get("/S")} & _PLAYED:
            raise refused("it holds attachments or media")
        if "/XFA" in keys or value.get("/Subtype") == "/Widget" or resolved(value.get("/Fields")):
            raise refused("it is a form")
    if isinstance(value, (Mapping, list)):
        inner = value.values() if isinstance(value, Mapping) else value
        for one in inner:
            if isinstance(one, (Mapping, list)):
                _refuse_object(one, depth + 1)


def _pages(reader: PdfReader, limits: DocumentLimits) -> Iterator[ReadPage]:
    if len(reader.pages) > limits.pages:
        raise refused("it has more pages than the limit")
    budget = Budget(limits.content, limits.operations, limits.characters)
    for page in reader.pages:
        x0, y0, x1, y1 = _box(page)
        yield ReadPage(
            x=x0,
            y=y0,
            width=min(max(x1 - x0, _SIDES[0]), _SIDES[1]),
            height=min(max(y1 - y0, _SIDES[0]), _SIDES[1]),
            rotation=round(float(resolved(page.get("/Rotate", 0))) / 90) * 90 % 360,
            annotations=len(resolved(page.get("/Annots")) or ()),
            content=page_content(page, reader, budget, limits),
        )


def _box(page: Any) -> tuple[float, float, float, float]:
    sides = [float(resolved(one)) for one in resolved(page.get("/MediaBox")) or _LETTER]
    x0, y0, x1, y1 = sides
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
