"""Pictures written out for looking at: PNGs, and the truth about them in one JSON file."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.pixels.lettering import Line
from benchmarks.pixels.pictures import Lettered, pictures


def draw(folder: Path, seed: int, count: int) -> None:
    """`NAME.png` as shown, `NAME-text.png` (the pixels that are text) and `truth.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    told = []
    for one in pictures(seed, count):
        Image.fromarray(one.shown()).save(folder / f"{one.name}.png")
        Image.fromarray(text_pixels(one)).save(folder / f"{one.name}-text.png")
        told.append(_told(one))
    (folder / "truth.json").write_text(json.dumps(told, ensure_ascii=False, indent=1))


def text_pixels(one: Lettered) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """The pixels of all lines."""
    mask = np.zeros(one.size, bool)
    for line in one.lines:
        x0, y0, x1, y1 = line.box
        mask[y0:y1, x0:x1] |= line.mask
    return mask


def _told(one: Lettered) -> dict[str, object]:
    return {
        "name": one.name,
        "real": one.real,
        "ground": one.ground,
        "form": one.form,
        "rows": one.size[0],
        "columns": one.size[1],
        "original": one.original,
        "lines": [_line(each) for each in one.lines],
    }


def _line(line: Line) -> dict[str, object]:
    return {
        "text": line.text,
        "kind": line.kind,
        "box": line.box,
        "font": line.font,
        "pixels": int(line.mask.sum()),
        "heightPixels": line.height,
        "degrees": line.angle,
        "steps": line.contrast,
        "tags": line.tags(),
    }
