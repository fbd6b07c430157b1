"""The answer of `doctor` as a table for people."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.doctor.results import DoctorAnswer, Status

_COLOURS = {Status.PASS: "green", Status.WARN: "yellow", Status.FAIL: "red", Status.SKIP: "dim"}


def show(answer: DoctorAnswer, console: Console | None = None) -> None:
    """Print one line a check, the fix below what needs one, and a summary."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for result in answer.checks:
        detail = Text(result.detail)
        if result.fix and result.status in {Status.WARN, Status.FAIL}:
            detail.append(f"\nfix: {result.fix}", style="bold")
        table.add_row(Text(result.status.value, style=_COLOURS[result.status]), result.name, detail)
    console = console or Console(highlight=False)
    console.print(table)
    counts = [f"{sum(one.status is status for one in answer.checks)} {status.value}" for status in Status]
    console.print(f"{len(answer.checks)} checks in {answer.seconds:.1f} s: {', '.join(counts)}")
