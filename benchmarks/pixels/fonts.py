"""Which fonts draw which script, and a line of text as a map of how much of each pixel is ink."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, features

from benchmarks.pixels.people import Script
from tests.hostile.chance import Chance

Ink = NDArray[np.float32]

FOLDER = Path("/usr/share/fonts")
_GENERAL = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "DejaVuSansCondensed",
    "LiberationSans-Regular", "LiberationSans-Bold", "LiberationMono-Regular", "LiberationSerif-Regular",
    "LiberationSansNarrow-Regular", "FreeSans", "FreeMono", "FreeSerif",
    "NotoSans-Regular", "NotoSerif-Regular", "NotoSans-Bold",
)  # fmt: skip
_CJK = ("NotoSansCJK-Regular", "NotoSansCJK-Bold", "NotoSerifCJK-Regular")
_FAMILIES: dict[Script, tuple[str, ...]] = {
    Script.LATIN: _GENERAL,
    Script.DIACRITICS: (
        "DejaVuSans",
        "DejaVuSerif",
        "NotoSans-Regular",
        "NotoSerif-Regular",
        "NotoSans-Bold",
    ),
    Script.GREEK: ("DejaVuSans", "DejaVuSerif", "LiberationSans-Regular", "FreeSans", "NotoSerif-Regular"),
    Script.CYRILLIC: ("DejaVuSans", "DejaVuSansMono", "LiberationSans-Regular", "FreeSerif", "NotoSans-Bold"),
    Script.HAN: _CJK,
    Script.KANA: _CJK,
    Script.HANGUL: _CJK,
    Script.ARABIC: ("NotoNaskhArabic-Regular", "NotoSansArabic-Regular", "DejaVuSans"),
    Script.HEBREW: ("NotoSansHebrew-Regular", "NotoSerifHebrew-Regular", "DejaVuSans"),
    Script.VERTICAL: _CJK,
}
_HERSHEY = {
    "Hershey simplex": cv2.FONT_HERSHEY_SIMPLEX,
    "Hershey plain": cv2.FONT_HERSHEY_PLAIN,
    "Hershey duplex": cv2.FONT_HERSHEY_DUPLEX,
    "Hershey complex": cv2.FONT_HERSHEY_COMPLEX,
    "Hershey triplex": cv2.FONT_HERSHEY_TRIPLEX,
}
_HERSHEY_SHARE = 0.35
_SMALLEST_HERSHEY = 10  # below it the strokes run together


@cache
def _files() -> dict[str, Path]:
    return {
        path.stem: path for suffix in ("ttf", "ttc", "otf") for path in sorted(FOLDER.rglob(f"*.{suffix}"))
    }


def families(script: Script) -> tuple[str, ...]:
    """Fonts of this script that are installed; Arabic needs a shaper as well."""
    if script is Script.ARABIC and not features.check("raqm"):
        return ()
    return tuple(name for name in _FAMILIES[script] if name in _files())


def scripts() -> tuple[Script, ...]:
    """The scripts that can be drawn here; Latin always can."""
    return tuple(one for one in Script if one is Script.LATIN or families(one))


def told() -> str:
    """What can be drawn here, in one line."""
    installed = {name for script in Script for name in families(script)}
    known = {name for names in _FAMILIES.values() for name in names}
    missing = [str(one) for one in Script if one not in scripts()]
    left_out = f"; left out: {', '.join(missing)}" if missing else ""
    drawn = f"{len(installed)} of {len(known)} fonts and {len(_HERSHEY)} of strokes"
    return f"{drawn}, {len(scripts())} scripts{left_out}"


def choose(chance: Chance, script: Script, text: str, height: int) -> str:
    """A font for a text, by name."""
    drawn = families(script)
    strokes = script is Script.LATIN and text.isascii() and height >= _SMALLEST_HERSHEY
    if not drawn or (strokes and chance.random() < _HERSHEY_SHARE):
        return chance.choice(tuple(_HERSHEY))
    return chance.choice(drawn)


def ink(text: str, font: str, height: int, *, smooth: bool, vertical: bool, weight: int = 1) -> Ink:
    """A line as rows x columns of 0-1, cut to the ink.

    Args:
        text: The line.
        font: By name, of `choose`.
        height: From the top of a capital to the bottom of a `g`; of Han and kana the whole character.
        smooth: With softened edges.
        vertical: From top to bottom.
        weight: Of Hershey strokes, in pixels.
    """
    if font in _HERSHEY:
        return _hershey(text, _HERSHEY[font], height, smooth=smooth, weight=weight)
    loaded = _sized(font, height)
    direction = "ttb" if vertical and features.check("raqm") else None
    if vertical and direction is None:
        text = "\n".join(text.replace(" ", ""))
    mode = "L" if smooth else "1"
    box = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), text, loaded, direction=direction)
    left, top, right, bottom = (round(corner) for corner in box)
    picture = Image.new(mode, (right - left + 4, bottom - top + 4), 0)
    ImageDraw.Draw(picture).text(
        (2 - left, 2 - top), text, fill=255 if smooth else 1, font=loaded, direction=direction
    )
    levels = np.asarray(picture, dtype=np.float32) / (255 if smooth else 1)
    return _cut(np.asarray(levels, np.float32))


@cache
def _sized(font: str, height: int) -> ImageFont.FreeTypeFont:
    """The font at the size at which its line is `height` pixels high."""
    path = str(_files()[font])
    tried = ImageFont.truetype(path, 100)
    _, top, _, bottom = tried.getbbox("国" if "CJK" in font else "Hg")
    return ImageFont.truetype(path, max(4, round(100 * height / (bottom - top))))


def _hershey(text: str, face: int, height: int, *, smooth: bool, weight: int) -> Ink:
    (_, high), below = cv2.getTextSize("Hg", face, 1.0, 1)
    scale = height / (high + below * 0.6)
    (width, high), below = cv2.getTextSize(text, face, scale, weight)
    canvas = np.zeros((high + 2 * below + 8, width + 16), np.uint8)
    line = cv2.LINE_AA if smooth else cv2.LINE_8
    cv2.putText(canvas, text, (8, high + 4), face, scale, 255, weight, line)
    return _cut(np.asarray(canvas / 255, np.float32))


def _cut(levels: Ink) -> Ink:
    rows, columns = np.flatnonzero(levels.any(axis=1)), np.flatnonzero(levels.any(axis=0))
    if not len(rows):
        return np.zeros((1, 1), np.float32)
    return np.ascontiguousarray(levels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def turned(levels: Ink, angle: float) -> Ink:
    """Turned counter-clockwise by degrees; quarter turns exactly."""
    if angle % 90 == 0:
        return np.ascontiguousarray(np.rot90(levels, int(angle) // 90))
    picture = Image.fromarray(np.rint(levels * 255).astype(np.uint8), "L")
    whole = np.asarray(picture.rotate(angle, Image.Resampling.BICUBIC, expand=True))
    return _cut(np.asarray(whole / 255, np.float32))
