"""Synthetic grounds: grey levels 0-255 as floats, without text."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.hostile.chance import Chance

Levels = NDArray[np.float32]
Noise = np.random.Generator


def anatomy(rows: int, columns: int, noise: Noise, chance: Chance) -> Levels:
    """A body of ellipses, organs, bones and noise on black."""
    mesh = _mesh(rows, columns)
    picture = np.zeros((rows, columns), np.float32)
    _ellipse(picture, mesh, (0.5, 0.5), (0.42, 0.34), (chance.uniform(70, 120), 0))
    for _ in range(chance.randrange(8, 20)):
        at = chance.uniform(0.25, 0.75), chance.uniform(0.3, 0.7)
        size = chance.uniform(0.02, 0.14), chance.uniform(0.02, 0.14)
        _ellipse(picture, mesh, at, size, (chance.uniform(30, 235), chance.uniform(0, 3.14)))
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), max(0.6, rows / 500)), np.float32)
    return picture + noise.normal(0, chance.uniform(1, 9), picture.shape).astype(np.float32)


def ramp(rows: int, columns: int, noise: Noise, chance: Chance) -> Levels:
    """Grey running from one side to the other, or outwards."""
    y, x = _mesh(rows, columns)
    angle = chance.uniform(0, 6.28)
    way = np.hypot(x - 0.5, y - 0.5) if chance.random() < 0.4 else np.cos(angle) * x + np.sin(angle) * y
    way = (way - way.min()) / (way.max() - way.min())
    low, high = chance.uniform(0, 80), chance.uniform(120, 250)
    return np.asarray(low + (high - low) * way + noise.normal(0, 2, way.shape), np.float32)


def grain(rows: int, columns: int, noise: Noise, chance: Chance) -> Levels:
    """White or clotted noise."""
    picture = noise.normal(0, 1, (rows, columns)).astype(np.float32)
    if chance.random() < 0.6:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), chance.uniform(1, 6)), np.float32)
    scaled = chance.uniform(40, 200) + picture / picture.std() * chance.uniform(4, 30)
    return np.asarray(scaled, np.float32)


def flat(rows: int, columns: int, _noise: Noise, chance: Chance) -> Levels:
    """One grey, mostly black, as around captures."""
    level = 0.0 if chance.random() < 0.5 else chance.uniform(0, 255)
    return np.full((rows, columns), level, np.float32)


def grid(rows: int, columns: int, _noise: Noise, chance: Chance) -> Levels:
    """Checkers or the lines of a test pattern."""
    step = max(12, rows // chance.randrange(6, 24))
    y, x = np.mgrid[0:rows, 0:columns]
    low, high = chance.uniform(0, 120), chance.uniform(60, 220)
    if chance.random() < 0.5:
        return np.where((y // step + x // step) % 2, np.float32(low), np.float32(high))
    return np.where((y % step < 2) | (x % step < 2), np.float32(high), np.float32(low))


def sector(rows: int, columns: int, noise: Noise, chance: Chance) -> Levels:
    """An ultrasound fan of speckle on black, with a grey bar and a tick scale."""
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    away = np.hypot(x - columns / 2, y - rows * 0.08)
    inside = (np.abs(np.arctan2(x - columns / 2, y - rows * 0.08)) < chance.uniform(0.5, 0.8)) & (
        away < rows * 0.82
    )
    speckle = cv2.GaussianBlur(noise.rayleigh(1.0, (rows, columns)).astype(np.float32), (0, 0), 1.2)
    tissue = cv2.GaussianBlur(noise.normal(0, 1, (rows, columns)).astype(np.float32), (0, 0), rows / 30)
    picture = np.where(inside, 28 * speckle * (1.4 + tissue / max(1e-6, tissue.std()) * 0.8), 0)
    high = rows // 3
    picture[rows // 3 : rows // 3 + high, -columns // 20 : -columns // 40] = np.linspace(255, 0, high)[
        :, None
    ]
    picture[
        rows // 6 : -rows // 6 : max(8, rows // 24), columns // 30 : columns // 30 + max(3, columns // 100)
    ] = 180
    return np.asarray(picture, np.float32)


def radiograph(rows: int, columns: int, noise: Noise, chance: Chance) -> Levels:
    """A collimated field: bright spine, ribs, lungs; black shutters."""
    y, x = _mesh(rows, columns)
    picture = (
        150 - 70 * np.exp(-(((np.abs(x - 0.5) - 0.2) / 0.11) ** 2)) + 60 * np.exp(-(((x - 0.5) / 0.06) ** 2))
    )
    picture += 18 * np.sin(40 * (y - 0.6 * (x - 0.5) ** 2)) * (np.abs(x - 0.5) < 0.35)
    picture += noise.normal(0, chance.uniform(2, 6), picture.shape)
    edge = chance.uniform(0.0, 0.12)
    shutter = (x < edge) | (x > 1 - edge) | (y < edge / 2) | (y > 1 - edge / 2)
    return np.asarray(np.where(shutter, 4, picture), np.float32)


KINDS: dict[str, Callable[[int, int, Noise, Chance], Levels]] = {
    "anatomy": anatomy,
    "ramp": ramp,
    "grain": grain,
    "flat": flat,
    "grid": grid,
    "sector": sector,
    "radiograph": radiograph,
}


def made(chance: Chance, rows: int, columns: int) -> tuple[str, Levels]:
    """A synthetic ground by chance: its kind and its levels."""
    kind = chance.choice(tuple(KINDS))
    noise = np.random.default_rng(chance.randrange(1 << 62))
    return kind, np.clip(KINDS[kind](rows, columns, noise, chance), 0, 255)


def _mesh(rows: int, columns: int) -> tuple[Levels, Levels]:
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    return y / rows, x / columns


def _ellipse(
    picture: Levels,
    mesh: tuple[Levels, Levels],
    at: tuple[float, float],
    size: tuple[float, float],
    look: tuple[float, float],
) -> None:
    """Of a level and turned, `look`; all lengths in shares of the picture."""
    (y, x), (level, turn) = mesh, look
    cosine, sine = np.cos(turn), np.sin(turn)
    across = ((x - at[0]) * cosine + (y - at[1]) * sine) / size[0]
    along = ((y - at[1]) * cosine - (x - at[0]) * sine) / size[1]
    picture[across**2 + along**2 < 1] = level
