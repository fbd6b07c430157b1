"""Lines of identity drawn on a canvas, each with what makes it hard and with the pixels that are its text."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.pixels import fonts
from benchmarks.pixels.people import Person, Script, line
from tests.hostile.chance import Chance

Levels = NDArray[np.float32]
Mask = NDArray[np.bool_]

_LUMINANCE = np.asarray([0.299, 0.587, 0.114], np.float32)
_COLOURS = (
    (255, 255, 0), (0, 255, 0), (0, 255, 255), (255, 160, 0),
    (255, 96, 96), (120, 200, 255), (255, 0, 255), (255, 0, 0),
)  # fmt: skip
_HEIGHTS = ((8, 11), (12, 15), (12, 15), (16, 23), (16, 23), (24, 47), (24, 47), (48, 200))
_CONTRASTS = (20, 40, 40, 80, 80, 80, 160, 160, 160, 235)
_ANGLES = (*(0,) * 14, 90, 180, 270)
_SKEWS = tuple(sign * by for by in (2, 4, 7, 10, 15) for sign in (-1, 1))
_STYLES = ("plain",) * 6 + ("outlined", "coloured", "coloured", "boxed", "shadow")
_SMALLEST = {Script.HAN: 14, Script.KANA: 14, Script.VERTICAL: 14, Script.HANGUL: 13, Script.ARABIC: 14}
_BUSY = 8.0  # standard deviation of the ground below a line
_LEAST, _CLEAR = 18.0, 2.2  # contrast: grey levels, and times the ground's standard deviation
_TEXT = 0.25  # of the contrast: what differs so much from the ground is text
_SEEN = 0.6  # of the ink must differ from the ground: a line that mostly drowns is none
_SHOWN = 0.75  # of the lines that could hide beyond the window do not
_TRIES = 40


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text in a picture.

    Attributes:
        kind: What it tells: name, number, date, place, phone.
        height: Of the line, in pixels, before it is turned.
        angle: Degrees counter-clockwise.
        contrast: Grey steps between text and ground, as shown (of a hidden line: in the full range).
        style: plain, outlined, coloured, boxed or shadow.
        busy: Whether the ground below is.
        hidden: Whether the window shows nothing of it.
        x0, y0: Where `mask` lies.
        mask: The pixels that are its text.
    """

    text: str
    kind: str
    script: Script
    font: str
    height: int
    angle: int
    contrast: float
    style: str
    busy: bool
    hidden: bool
    x0: int
    y0: int
    mask: Mask

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1, half-open."""
        rows, columns = self.mask.shape
        return self.x0, self.y0, self.x0 + columns, self.y0 + rows

    def tags(self) -> dict[str, str]:
        """What it is counted under."""
        return {
            "height": _step(self.height, (8, 12, 16, 24, 48), "px"),
            "angle": str(self.angle) if self.angle in {0, 90, 180, 270} else "skewed",
            "script": str(self.script),
            "contrast": _step(self.contrast, (0, 30, 60, 120), "steps"),
            "style": self.style,
            "ground": "busy" if self.busy else "quiet",
            "font": "Hershey" if self.font.startswith("Hershey") else "outline",
            "seen": "hidden by the window" if self.hidden else "visible",
        }


def _step(value: float, starts: tuple[int, ...], unit: str) -> str:
    index = max(number for number, start in enumerate(starts) if value >= start or number == 0)
    last = index == len(starts) - 1
    return f"{starts[index]}+ {unit}" if last else f"{starts[index]}-{starts[index + 1] - 1} {unit}"


class Canvas:
    """Levels as they are shown (0-255), and which pixels are taken."""

    def __init__(self, levels: Levels, *, beyond: bool) -> None:
        """With `beyond`, values may lie outside the window: text can hide there."""
        self.levels = levels
        self.beyond = beyond
        self.taken: Mask = np.zeros(levels.shape[:2], bool)
        self.range = max(255.0, float(levels.max() - levels.min()))

    @property
    def shape(self) -> tuple[int, int]:
        return self.levels.shape[0], self.levels.shape[1]

    @property
    def coloured(self) -> bool:
        return self.levels.ndim == 3


@dataclass(frozen=True, slots=True)
class _Draft:
    """A line before it has a place."""

    text: str
    kind: str
    script: Script
    font: str
    height: int
    angle: int
    ink: fonts.Ink


def letter(canvas: Canvas, chance: Chance, who: Person) -> list[Line]:
    """Draw one to six lines; as a block in one hand, or each for itself."""
    lines: list[Line] = []
    block = chance.random() < 0.45
    for _ in range(chance.randrange(1, 7)):
        before = lines[-1] if block and lines else None
        for _ in range(_TRIES):
            draft = _draft(canvas, chance, who, before)
            drawn = _draw(canvas, chance, draft, before) if draft is not None else None
            if drawn is not None:
                lines.append(drawn)
                break
            if chance.random() < 0.2:
                before = None
    # The full range grows with hidden text: what is left of its contrast is known at the end.
    share = 255 / max(255.0, float(canvas.levels.max() - canvas.levels.min()))
    return [replace(one, contrast=round(one.contrast * share, 1)) if one.hidden else one for one in lines]


def _draft(canvas: Canvas, chance: Chance, who: Person, before: Line | None) -> _Draft | None:
    rows, columns = canvas.shape
    if before is not None:
        script, height, angle, font = before.script, before.height, before.angle, before.font
    else:
        known = fonts.scripts()
        script = chance.choice(known) if chance.random() < 0.45 else Script.LATIN
        angle = chance.choice(_SKEWS) if chance.random() < 0.16 else chance.choice(_ANGLES)
        height = max(_SMALLEST.get(script, 8), round(chance.uniform(*chance.choice(_HEIGHTS))))
        if script is Script.VERTICAL:
            angle = 0
        if angle % 90:
            height = max(10, height)
        font = ""
    kind, text = line(chance, who, script)
    font = font or fonts.choose(chance, script, text, height)
    smooth, weight = height < 10 or chance.random() < 0.75, 1 + (height > 20 and chance.random() < 0.5)
    drawn = fonts.ink(text, font, height, smooth=smooth, vertical=script is Script.VERTICAL, weight=weight)
    drawn = fonts.turned(drawn, angle)
    if drawn.shape[0] > 0.9 * rows or drawn.shape[1] > 0.94 * columns:
        return None
    return _Draft(text, kind, script, font, height, angle, drawn)


def _place(
    canvas: Canvas, chance: Chance, draft: _Draft, before: Line | None, pad: int
) -> tuple[int, int] | None:
    """Row and column of the ink, `pad` pixels from the edge at least."""
    rows, columns = (whole - part for whole, part in zip(canvas.shape, draft.ink.shape, strict=True))
    if before is not None and before.angle == 0:
        y, x = before.box[3] + chance.randrange(2, 3 + draft.height), before.x0
    else:
        y, x = (chance.randrange(max(1, free)) for free in (rows, columns))
        if chance.random() < 0.5:  # along the edges, as devices write
            y, x = chance.choice((y, 8, rows - 8)), chance.choice((x, 8, columns - 8))
    return (y, x) if pad <= y <= rows - pad and pad <= x <= columns - pad else None


def _draw(canvas: Canvas, chance: Chance, draft: _Draft, before: Line | None) -> Line | None:
    style = chance.choice(_STYLES)
    if style == "coloured" and not canvas.coloured:
        style = "plain"
    pad = 2 + draft.height // 8
    place = _place(canvas, chance, draft, before, pad)
    if place is None:
        return None
    (y, x), (high, wide) = place, draft.ink.shape
    around = slice(y - pad, y + high + pad), slice(x - pad, x + wide + pad)
    if canvas.taken[around].any():
        return None
    ink = np.pad(draft.ink, pad)
    ground = canvas.levels[around].copy()
    if style == "boxed":
        ground[:] = chance.choice((0, 0, 40, 128, 255))
    decided = _hidden(canvas, chance, ground) if canvas.beyond and style == "plain" else None
    hidden = decided is not None
    if decided is None:
        decided = _level(chance, ground, style, draft.height)
    if decided is None:
        return None
    level, contrast = decided
    drawn = _blended(ground, ink, level, style, max(1, draft.height // 16))
    if not hidden:
        drawn = np.where(drawn != ground, np.clip(drawn, 0, 255), ground)
    mask = _differs(ground, drawn) >= _TEXT * contrast
    if mask.sum() < _SEEN * np.count_nonzero(ink >= _TEXT):
        return None
    canvas.levels[around] = drawn
    canvas.taken[around] = True
    where = cv2.boundingRect(mask.astype(np.uint8))
    return Line(
        text=draft.text,
        kind=draft.kind,
        script=draft.script,
        font=draft.font,
        height=draft.height,
        angle=draft.angle,
        contrast=round(float(contrast), 1),
        style=style,
        busy=float(_grey(ground).std()) >= _BUSY and not hidden,
        hidden=hidden,
        x0=x - pad + where[0],
        y0=y - pad + where[1],
        mask=mask[where[1] : where[1] + where[3], where[0] : where[0] + where[2]],
    )


def _hidden(canvas: Canvas, chance: Chance, ground: Levels) -> tuple[Levels, float] | None:
    """A level beyond the window where the ground already lies at or beyond its end."""
    if chance.random() < _SHOWN:
        return None
    below, above = float(ground.max()) <= 0.5, float(ground.min()) >= 254.5
    if not (below or above):
        return None
    contrast = chance.uniform(45, 120)
    step = contrast * canvas.range / 255
    level = float(ground.min()) - step if below else float(ground.max()) + step
    return np.asarray(level, np.float32), step


def _level(chance: Chance, ground: Levels, style: str, height: int) -> tuple[Levels, float] | None:
    """A level, or a colour, at a contrast that a person could read; None where the ground leaves no room."""
    grey = _grey(ground)
    mean, spread = float(np.clip(grey, 0, 255).mean()), float(np.clip(grey, 0, 255).std())
    least = max(_LEAST if height >= 12 else 36.0, _CLEAR * spread)
    if style == "coloured":
        colour = np.asarray(chance.choice(_COLOURS), np.float32)
        contrast = abs(float(colour @ _LUMINANCE) - mean)
        return (colour, contrast) if contrast >= max(least, 60) else None
    wanted = max(least, chance.choice(_CONTRASTS) * chance.uniform(1.0, 1.15))
    signs = [1, -1] if chance.random() < 0.75 else [-1, 1]
    for sign in signs:
        if 0 <= mean + sign * wanted <= 255:
            return np.asarray(mean + sign * wanted, np.float32), wanted
    end = 255.0 if mean < 127.5 else 0.0
    contrast = abs(end - mean)
    return (np.asarray(end, np.float32), contrast) if contrast >= least else None


def _blended(ground: Levels, ink: fonts.Ink, level: Levels, style: str, stroke: int) -> Levels:
    """The ground with outline or shadow, and the text over it."""
    drawn = ground
    opposite = np.asarray(0.0 if float(np.mean(level)) > 127 else 255.0, np.float32)
    if style == "outlined":
        wide = cv2.dilate(ink, np.ones((2 * stroke + 1, 2 * stroke + 1), np.uint8))
        drawn = _over(drawn, np.asarray(wide, np.float32), opposite)
    elif style == "shadow":
        drawn = _over(drawn, np.roll(ink, (stroke, stroke), (0, 1)), opposite)
    return _over(drawn, ink, level)


def _over(ground: Levels, ink: fonts.Ink, level: Levels) -> Levels:
    share = ink[..., None] if ground.ndim == 3 else ink
    return np.asarray(ground * (1 - share) + level * share, np.float32)


def _grey(levels: Levels) -> Levels:
    return np.asarray(levels @ _LUMINANCE, np.float32) if levels.ndim == 3 else levels


def _differs(before: Levels, after: Levels) -> Levels:
    difference = np.abs(after - before)
    return np.asarray(difference.max(axis=2), np.float32) if difference.ndim == 3 else difference
