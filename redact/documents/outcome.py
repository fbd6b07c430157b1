"""What was done to a document."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A document as it is written anew; the repr shows nothing of it.

    Attributes:
        images: Pictures that are gone.
        drawings: Painted paths that are gone.
        unread: Pages of which no text could be read.
        dropped: What else is gone: notes on pages, coded entries, embedded media.
    """

    data: bytes = field(repr=False)
    images: int = 0
    drawings: int = 0
    unread: int = 0
    dropped: int = 0
