"""Rows of the tables, and what is asked of Lockgate with what came out."""

from dataclasses import dataclass

_LABEL, _CELL = 38, 17


def row(label: str, cells: list[str]) -> str:
    """A row: the label, and a column for each contestant."""
    return f"  {label[:_LABEL]:{_LABEL}}" + "".join(f"{cell[: _CELL - 1]:>{_CELL}}" for cell in cells)


@dataclass(frozen=True, slots=True)
class Must:
    """One figure that is asked for: at least so much, or at most."""

    what: str
    value: float
    limit: float
    at_most: bool = False

    @property
    def won(self) -> bool:
        """Whether it is as asked."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def line(self) -> str:
        """As text."""
        asked = "at most" if self.at_most else "at least"
        verdict = "WON" if self.won else "LOST"
        return f"  must: {self.what}: {self.value:.6g}   {asked} {self.limit:g}   {verdict}"
