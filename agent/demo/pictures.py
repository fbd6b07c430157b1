"""One PNG of a frame before and after, side by side."""

import io
from pathlib import Path

from PIL import Image

from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header_at
from redact.pixels.find import renderings
from redact.pixels.preview import preview

_GAP = 8


def side_by_side(before: Path, after: Path) -> bytes:
    """The first frame of two files, left and right, as PNG."""
    pictures = []
    for path in (before, after):
        layout = examine(path)
        _, drawn = next(renderings(path, layout, read_header_at(layout)))
        pictures.append(next(iter(drawn.values())))
    left, right = (Image.open(io.BytesIO(data)) for data in preview(pictures[0], pictures[1], ()))
    joined = Image.new("RGB", (left.width + _GAP + right.width, max(left.height, right.height)), "white")
    joined.paste(left, (0, 0))
    joined.paste(right, (left.width + _GAP, 0))
    data = io.BytesIO()
    joined.save(data, "PNG")
    return data.getvalue()
