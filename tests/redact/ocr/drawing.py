"""Pictures with text for tests, and readers with the real weights."""

from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.inference.readers import open_reader, open_store
from exchange.domain.stage import ModelSession
from redact.ocr.lines import ReadLine
from redact.ocr.reader import TextReader

CATALOGUE = Path(__file__).parents[3] / "config" / "models.yaml"


@cache
def reader(name: str) -> TextReader:
    """The reader `cleaner` or `prover`, one per test process."""
    return open_reader(open_store(CATALOGUE), name, threads=1)[0]


def ground(rows: int = 192, columns: int = 256, level: int = 60) -> NDArray[np.uint8]:
    """A soft grey ground with a bright disc: not flat, not text."""
    y, x = np.mgrid[0:rows, 0:columns]
    waves = level + 20 * np.sin(x / 37.0) * np.cos(y / 29.0)
    disc = 60 * np.exp(-(((x - columns * 0.7) / 30.0) ** 2) - ((y - rows * 0.75) / 25.0) ** 2)
    return np.asarray(waves + disc, dtype=np.uint8)


def write(
    picture: NDArray[Any], text: str, at: tuple[int, int], *, size: float = 0.5, value: Any = 255
) -> tuple[int, int, int, int]:
    """Draw text with its base line at (x, y); x0, y0, x1, y1 of what stands above it."""
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(picture, text, at, font, size, value, 1, cv2.LINE_8)
    (width, height), _ = cv2.getTextSize(text, font, size, 1)
    return at[0], at[1] - height, at[0] + width, at[1]


class Watched:
    """A model session that notes the shapes of what it is given."""

    def __init__(self, session: ModelSession[NDArray[np.float32]]) -> None:
        self._session = session
        self.name, self.version, self.sha256 = session.name, session.version, session.sha256
        self.provider, self.characters = session.provider, session.characters
        self.shapes: list[tuple[int, ...]] = []

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Note, and run."""
        self.shapes.append(batch.shape)
        return self._session.infer(batch)


class Blind(TextReader):
    """A reader that has lost its sight: weights that miss every line."""

    def __init__(self) -> None: ...

    def read(self, picture: NDArray[np.uint8], *_: Any, **__: Any) -> tuple[ReadLine, ...]:  # noqa: ARG002
        """Nothing."""
        return ()
