"""One PNG of a frame before and after, side by side."""

import io
from pathlib import Path

from PIL import Image

from redact.pixels.preview import png
from redact.pixels.view import View, before_and_after

_GAP = 8


def side_by_side(before: Path, after: Path) -> bytes:
    """The first frame of two files, left and right, as PNG."""
    shown = before_and_after(View(before), View(after), 0)
    left, right = (Image.open(io.BytesIO(png(picture))) for picture in shown)
    joined = Image.new("RGB", (left.width + _GAP + right.width, max(left.height, right.height)), "white")
    joined.paste(left, (0, 0))
    joined.paste(right, (left.width + _GAP, 0))
    data = io.BytesIO()
    joined.save(data, "PNG")
    return data.getvalue()
