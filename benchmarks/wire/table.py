"""The result table: medians, and each comparison with the ratio that is required beside it."""

from dataclasses import dataclass, field
from statistics import median


@dataclass
class Cell:
    """One contestant in one case: a value for every round.

    Attributes:
        values: Instances a second, or seconds, or MiB.
        cpu: CPU seconds a GB (1e9 bytes) of the measured process tree; empty where it is not measured.
    """

    values: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Comparison:
    """`ours` must be `required` times as good as `theirs`; None: shown, nothing required."""

    ours: str
    theirs: str
    required: float | None = None


class Case:
    """One case of the table."""

    def __init__(self, title: str, unit: str, *, smaller_is_better: bool = False) -> None:
        self.title = title
        self.unit = unit
        self.cells: dict[str, Cell] = {}
        self.comparisons: list[Comparison] = []
        self._smaller = smaller_is_better

    def add(self, contestant: str, value: float, cpu: float | None = None) -> None:
        """One round of one contestant."""
        cell = self.cells.setdefault(contestant, Cell())
        cell.values.append(value)
        if cpu is not None:
            cell.cpu.append(cpu)

    def value(self, contestant: str) -> float:
        """The median of a contestant."""
        return median(self.cells[contestant].values)

    def best(self, *contestants: str) -> str:
        """The best of these by median."""
        return (min if self._smaller else max)(contestants, key=self.value)

    def ratio(self, comparison: Comparison) -> float:
        """How many times as good we are."""
        ours, theirs = self.value(comparison.ours), self.value(comparison.theirs)
        return theirs / ours if self._smaller else ours / theirs

    def lines(self) -> list[str]:
        """The case as text."""
        text = [f"== {self.title} [{self.unit}]"]
        for name, cell in self.cells.items():
            spread = " ".join(f"{value:.1f}" for value in cell.values)
            cpu = f"   {median(cell.cpu):5.2f} CPU-s/GB" if cell.cpu else ""
            text.append(f"  {name:44} {median(cell.values):9.1f}{cpu}   ({spread})")
        for one in self.comparisons:
            ratio = self.ratio(one)
            verdict = ""
            if one.required is not None:
                verdict = f"   required {one.required:g}   {'WON' if ratio >= one.required else 'LOST'}"
            text.append(f"  ratio {one.ours} / {one.theirs}: {ratio:.2f}{verdict}")
        return text

    @property
    def lost(self) -> list[Comparison]:
        """The comparisons below what is required."""
        return [each for each in self.comparisons if each.required and self.ratio(each) < each.required]
