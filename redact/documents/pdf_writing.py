"""A PDF of words and empty boxes, written anew (ISO 32000-1): one standard font, no metadata, dates or ids.

All of it is ASCII and nothing is compressed, so that whoever wants to can read in it what it says; the same
pages give the same bytes.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from redact.documents.pdf_geometry import Box
from redact.documents.pdf_lines import Segment

_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
_SIZES = (4.0, 36.0)
_FAR = 20_000.0


@dataclass(frozen=True, slots=True)
class Notice:
    """An empty box, and a word of ours on what stood there."""

    box: Box
    text: str


@dataclass(frozen=True, slots=True)
class NewPage:
    """One page to write; its repr shows no text.

    Attributes:
        width, height: In points.
        rotation: At which it is shown.
    """

    width: float
    height: float
    rotation: int
    segments: Sequence[Segment] = field(repr=False)
    notices: Sequence[Notice] = ()


def write_pdf(pages: Sequence[NewPage]) -> bytes:
    """The file."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        _FONT,
    ]
    for number, page in enumerate(pages):
        content = b"".join(_content(page))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Rotate %d"
            b" /Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>"
            % (round(page.width), round(page.height), page.rotation, 5 + 2 * number)
        )
        objects.append(b"<< /Length %d >>\nstream\n%sendstream" % (len(content), content))
    return _file(objects)


def _file(objects: Sequence[bytes]) -> bytes:
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    rows = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return body + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, rows, len(objects) + 1, len(body))
    )


def _content(page: NewPage) -> Iterator[bytes]:
    for notice in page.notices:
        x0, y0, x1, y1 = notice.box
        yield b"%s %s %s %s re S\n" % (_n(x0), _n(y0), _n(x1 - x0), _n(y1 - y0))
        size = min(max((y1 - y0) / 3, _SIZES[0]), 10.0)
        yield _shown(Segment(x0 + 2, (y0 + y1 - size) / 2, 0, size, notice.text))
    for segment in page.segments:
        yield _shown(segment)


def _shown(segment: Segment) -> bytes:
    turn = math.radians(segment.angle)
    cosine, sine = math.cos(turn), math.sin(turn)
    turned = b" ".join(_n(one, 4) for one in (cosine, sine, -sine, cosine))
    size = min(max(round(segment.size * 2) / 2, _SIZES[0]), _SIZES[1])
    place = b"%s %s" % (_n(segment.x), _n(segment.y))
    return b"BT /F1 %s Tf %s %s Tm (%s) Tj ET\n" % (_n(size, 1), turned, place, _text(segment.text))


def _n(value: float, places: int = 0) -> bytes:
    """A number; whole points are enough for where words stand."""
    bounded = round(min(max(value, -_FAR), _FAR), places)
    return f"{bounded:g}".encode() if bounded else b"0"


def _text(text: str) -> bytes:
    """A literal string in WinAnsi, all ASCII; what the font has not becomes a question mark."""
    shown = bytearray()
    for byte in text.encode("cp1252", "replace"):
        if byte in b"\\()":
            shown += b"\\" + bytes([byte])
        elif 32 <= byte < 127:
            shown.append(byte)
        else:
            shown += b"\\%03o" % byte
    return bytes(shown)
