"""Can somebody else still read a line? Independent OCR on every line's place, before and after Lockgate.

Each place is cut out with a margin, turned upright, stretched to full contrast and enlarged: an attacker's
reading, not a reader's. A line is read when three fifths of its characters are found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from rapidfuzz import fuzz

from benchmarks.pixels.contestants import LOCKGATE, Answer, Contestant
from benchmarks.pixels.lettering import Line
from benchmarks.pixels.people import Script
from benchmarks.pixels.pictures import Form, Lettered
from benchmarks.pixels.table import Must, row
from redact.pixels.render import Picture, Window, stretched
from redact.pixels.view import View

_SHARE = 60.0  # per cent of the characters
_HEIGHT, _BORDER = 40, 16
_SHORTEST = 2
_LANGUAGES = {  # of Tesseract's data files
    Script.GREEK: "ell", Script.CYRILLIC: "rus", Script.HAN: "chi_sim", Script.KANA: "jpn",
    Script.HANGUL: "kor", Script.ARABIC: "ara", Script.HEBREW: "heb", Script.VERTICAL: "chi_sim_vert",
}  # fmt: skip


@dataclass
class Readings:
    """Counts by reader.

    Attributes:
        lines: Asked about, of pictures that came out.
        before, after: Read, by the reader's label.
        left: The lines read after, by place.
    """

    folder: Path
    readers: Sequence[Contestant]
    lines: int = 0
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    def watch(self, picture: Lettered, _png: Path, answers: dict[str, Answer]) -> None:
        """Read the lines of one picture, as it was and as Lockgate wrote it."""
        answer = answers[LOCKGATE]
        if answer.status != "out" or answer.output is None:
            return
        view = View(answer.output)
        full = _range(picture)
        shown = {False: picture.shown(), True: _full(picture, full)}
        cleaned = {False: view.frame(0, picture.window)[0]}
        cleaned[True] = (
            view.frame(0, full)[0] if any(line.hidden for line in picture.lines) else cleaned[False]
        )
        for line in picture.lines:
            self.lines += 1
            for reader in self.readers:
                read = self._read(reader, shown[line.hidden], line)
                self.before[reader.label] = self.before.get(reader.label, 0) + read
                still = self._read(reader, cleaned[line.hidden], line)
                self.after[reader.label] = self.after.get(reader.label, 0) + still
                if still:
                    self.left.append(f"  {reader.label} still reads {picture.name} at {line.box}")

    def _read(self, reader: Contestant, picture: Picture, line: Line) -> bool:
        place = upright(picture, line)
        if place is None:
            return False
        png = self.folder / "line.png"
        Image.fromarray(place).save(png)
        language = _LANGUAGES.get(line.script, "eng")
        answer = reader.ask(picture=png, line=True, language=language)
        return any(same(line.text, text) for text in answer.texts)


def upright(picture: Picture, line: Line) -> Picture | None:
    """The place of a line, upright and in full contrast; None where it is one grey."""
    by = 2 + line.height // 3
    x0, y0, x1, y1 = line.box
    cut = picture[max(0, y0 - by) : y1 + by, max(0, x0 - by) : x1 + by]
    grey = cut if cut.ndim == 2 else np.asarray(Image.fromarray(cut).convert("L"))
    if cut.ndim == 3 and grey.std() < cut.std(axis=(0, 1)).max():  # colours of like brightness
        grey = cut[:, :, int(cut.std(axis=(0, 1)).argmax())]
    low, high = int(grey.min()), int(grey.max())
    if low == high:
        return None
    ground = int(np.median(stretched(grey, low, high)))
    image = Image.fromarray(stretched(grey, low, high))
    image = image.rotate(-line.angle, Image.Resampling.BICUBIC, expand=True, fillcolor=ground)
    scale = _HEIGHT / line.height
    size = max(8, round(image.width * scale)), max(8, round(image.height * scale))
    image = image.resize(size, Image.Resampling.BICUBIC)
    return np.pad(np.asarray(image), _BORDER, constant_values=ground)


def same(line: str, read: str) -> bool:
    """Whether a reading has three fifths of the line's letters and digits."""
    wanted, found = _plain(line), _plain(read)
    if len(wanted) < _SHORTEST or len(found) < len(wanted) * _SHARE / 100:
        return False
    return fuzz.partial_ratio(wanted, found) >= _SHARE


def table(readings: Readings) -> list[str]:
    """As text."""
    labels = [one.label for one in readings.readers]
    return [
        f"== lines still readable, by readers with other weights: {readings.lines} lines",
        row("", labels),
        row("read before", [str(readings.before.get(one, 0)) for one in labels]),
        row(f"read after {LOCKGATE}", [str(readings.after.get(one, 0)) for one in labels]),
        *readings.left,
    ]


def musts(readings: Readings) -> list[Must]:
    """What is asked of Lockgate."""
    return [
        Must(f"lines still read by {one.label}", readings.after.get(one.label, 0), 0, at_most=True)
        for one in readings.readers
    ]


def _plain(text: str) -> str:
    return "".join(mark for mark in text.casefold() if mark.isalnum())


def _range(picture: Lettered) -> Window:
    values = np.asarray(picture.stored, np.float64)
    return Window(float(values.min()), float(values.max()))


def _full(picture: Lettered, full: Window) -> Picture:
    return stretched(picture.stored, full.low, full.high) if picture.form is Form.WIDE else picture.shown()
