"""A PDF, rebuilt: the same pages with the cleaned words where they stood, and empty boxes for pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from redact.documents.outcome import Rebuilt
from redact.documents.pdf_geometry import Box, box_of
from redact.documents.pdf_lines import Segment, segments_of
from redact.documents.pdf_reading import ReadPage, read_pdf
from redact.documents.pdf_writing import NewPage, Notice, write_pdf
from redact.documents.refusals import DocumentLimits, refused
from redact.documents.words import Rule, clean_lines

_MOST_UNKNOWN = 0.05  # of the glyphs of a page: with more, what it says is not what is read
_SMALLEST_BOX = 12.0  # points, of a side; smaller pictures are rules and bullets
_MOST_BOXES = 40  # a page; pictures come in strips
_IMAGE, _DRAWING, _UNREAD = "image removed", "drawing removed", "page removed: no text can be read"


def rebuild_pdf(data: bytes, rule: Rule, limits: DocumentLimits | None = None) -> Rebuilt:
    """Write a PDF anew.

    Args:
        data: The original.
        rule: How free text is judged.
        limits: What it may cost.

    Raises:
        HeldError: `encapsulated-document`; nothing of it can be read, or more is in it than pages.
    """
    pages = read_pdf(data, limits)
    unread = [_is_unread(page) for page in pages]
    if all(unread):
        raise refused("no text can be read on any of its pages")
    segments = [
        [] if hopeless else [_moved(one, page) for one in segments_of(page.content.pieces)]
        for page, hopeless in zip(pages, unread, strict=True)
    ]
    lines = iter(clean_lines([one.text for listed in segments for one in listed], rule))
    written = [
        NewPage(
            page.width,
            page.height,
            page.rotation,
            [replace(one, text=text) for one in listed if (text := next(lines))],
            tuple(_notices(page, hopeless=hopeless)),
        )
        for page, listed, hopeless in zip(pages, segments, unread, strict=True)
    ]
    return Rebuilt(
        write_pdf(written),
        images=sum(len(page.content.images) for page in pages),
        drawings=sum(page.content.drawings for page in pages),
        unread=sum(unread),
        dropped=sum(page.annotations for page in pages),
    )


def _is_unread(page: ReadPage) -> bool:
    """Whether there is something to see, and no text that can be relied on."""
    content = page.content
    if content.unknown > _MOST_UNKNOWN * content.glyphs:
        return True
    says_something = any(piece.text.strip() for piece in content.pieces)
    return not says_something and bool(content.images or content.curves or page.annotations)


def _moved(segment: Segment, page: ReadPage) -> Segment:
    return replace(segment, x=segment.x - page.x, y=segment.y - page.y)


def _notices(page: ReadPage, *, hopeless: bool) -> Iterator[Notice]:
    if hopeless:
        yield Notice((18, page.height / 2 - 18, max(page.width - 18, 36), page.height / 2 + 18), _UNREAD)
    shown = [box for image in page.content.images if (box := _visible(image, page))]
    for box in list(dict.fromkeys(shown))[:_MOST_BOXES]:
        yield Notice(box, _IMAGE)
    if page.content.curves and (box := _visible(box_of(page.content.curves), page)):
        yield Notice(box, _DRAWING)


def _visible(box: Sequence[float], page: ReadPage) -> Box | None:
    """What of a box lies on the page, from its corner; None where that is next to nothing."""
    x0, y0 = max(box[0] - page.x, 0), max(box[1] - page.y, 0)
    x1, y1 = min(box[2] - page.x, page.width), min(box[3] - page.y, page.height)
    return (x0, y0, x1, y1) if min(x1 - x0, y1 - y0) >= _SMALLEST_BOX else None
