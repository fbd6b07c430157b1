"""Points, boxes and matrices of a PDF page (ISO 32000-1, 8.3)."""

from collections.abc import Iterable, Sequence
from typing import Any

from redact.documents.pdf_fonts import resolved

Matrix = tuple[float, float, float, float, float, float]
Point = tuple[float, float]
Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in points

IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def box_of(points: Iterable[Point]) -> Box:
    """The smallest box around points."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def product(first: Matrix, then: Matrix) -> Matrix:
    """The matrix that carries out `first`, then `then`."""
    a, b, c, d, e, f = first
    g, h, i, j, k, m = then
    return (
        a * g + b * i,
        a * h + b * j,
        c * g + d * i,
        c * h + d * j,
        e * g + f * i + k,
        e * h + f * j + m,
    )


def matrix_of(operands: Sequence[Any]) -> Matrix:
    """The matrix of six numbers.

    Raises:
        ValueError: They are not six, or no numbers.
    """
    a, b, c, d, e, f = (float(resolved(one)) for one in operands)
    return a, b, c, d, e, f
