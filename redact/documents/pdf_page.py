"""What a page of a PDF shows, and what it may cost to find out."""

from dataclasses import dataclass, field

from redact.documents.pdf_geometry import Box, Point
from redact.documents.refusals import refused


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of glyphs.

    Attributes:
        x, y: Where its baseline begins, in points.
        angle: Of its baseline, in whole degrees.
        size: Of its letters, in points.
        width: Of the run along its baseline, in points.
    """

    x: float
    y: float
    angle: int
    size: float
    width: float
    text: str = field(repr=False)


@dataclass(slots=True)
class PageContent:
    """What one page shows; its repr shows no text.

    Attributes:
        images: Where pictures stand.
        curves: Corners of curved drawings, from which their box is made.
        drawings: How many paths are painted.
        unknown: Glyphs of which nobody says what they mean.
        glyphs: All glyphs.
    """

    pieces: list[Piece] = field(default_factory=list, repr=False)
    images: list[Box] = field(default_factory=list)
    curves: list[Point] = field(default_factory=list)
    drawings: int = 0
    unknown: int = 0
    glyphs: int = 0


@dataclass(slots=True)
class Budget:
    """What is left of the limits of one document."""

    data: int  # bytes of content streams, each time that they are carried out
    operations: int
    characters: int

    def spend(self, *, data: int = 0, operations: int = 0, characters: int = 0) -> None:
        """Take from it.

        Raises:
            HeldError: Nothing is left.
        """
        self.data -= data
        self.operations -= operations
        self.characters -= characters
        if min(self.data, self.operations, self.characters) < 0:
            raise refused("it has more content than the limit")
