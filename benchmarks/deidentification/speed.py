"""Files a second, against pydicom's read and write as the floor: rounds in turns, medians."""

import shutil
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.deidentification import iod
from benchmarks.deidentification.contest import Contestant, play
from benchmarks.wire.table import Case, Comparison
from tests.hostile.outcome import Status
from tests.hostile.series import LARGE, SMALL, series

CLEANING, PROVEN, FLOOR, ANONYMIZER = (
    "lockgate headers",
    "lockgate proven",
    "pydicom read+write",
    "dicom-anonymizer",
)
_REQUIRED = {CLEANING: 2.0, PROVEN: 1.0}


def run(folder: Path, contestants: list[Contestant], *, files: int, rounds: int) -> list[Case]:
    """One case for each kind of file and number of processes."""
    cases = []
    for title, make in (("512x512 CT", LARGE), ("small files", SMALL)):
        inputs = folder / title.replace(" ", "-")
        names, origin = series(inputs, make, files)
        for processes in (1, 2):
            case = Case(f"{title}, {processes} process(es), {files} files ({origin})", "files/s")
            for number in range(rounds):
                # The turn moves on, so that nobody always follows the same neighbour.
                turn = number % len(contestants)
                for contestant in contestants[turn:] + contestants[:turn]:
                    _round(case, contestant, inputs, names, folder / "out", processes)
            case.comparisons = _comparisons(case)
            cases.append(case)
    return cases


def _round(
    case: Case, contestant: Contestant, inputs: Path, names: list[str], out: Path, processes: int
) -> None:
    shutil.rmtree(out, ignore_errors=True)
    done = play(contestant, inputs, names, out, processes)
    lost = sum(one.status is not Status.OUT for one in done.outcomes.values())
    if lost:
        # A tool that refuses files is no faster for it: it takes no part in this case.
        why = {one.reason for one in done.outcomes.values() if one.status is not Status.OUT}
        print(f"({contestant.label}: {lost} of {len(names)} files did not come out: {why})", file=sys.stderr)
    else:
        case.add(contestant.label, len(names) / done.seconds)


def _comparisons(case: Case) -> list[Comparison]:
    ours = [name for name in (CLEANING, PROVEN) if name in case.cells]
    made = [Comparison(name, ANONYMIZER, _REQUIRED[name]) for name in ours if ANONYMIZER in case.cells]
    made += [Comparison(name, FLOOR) for name in ours if FLOOR in case.cells]
    # Shown with no ratio asked for.
    others = [name for name in case.cells if name not in {*ours, FLOOR, ANONYMIZER}]
    return made + [Comparison(CLEANING, name) for name in others if CLEANING in case.cells]


def milliseconds(cases: list[Case]) -> list[str]:
    """Milliseconds a file with one process, and dciodvfy's own in a line of its own."""
    lines = ["== milliseconds a file, 1 process"]
    for case in cases[::2]:
        lines.append(f"  {case.title.split(',')[0]}")
        lines += [f"    {name:28} {1000 / max(case.value(name), 1e-9):8.2f}" for name in case.cells]
    return lines


def validator(folder: Path) -> list[str]:
    """How long dciodvfy takes on one file of each kind."""
    lines = []
    for title in ("512x512-CT", "small-files"):
        first = next((folder / title).rglob("*.dcm"), None)
        if first is not None and iod.available():
            lines.append(f"  dciodvfy on one of {title}: {_timed(first):.1f} ms")
    return lines


def _timed(path: Path) -> float:
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        iod.verify(path)
        taken.append(1000 * (time.perf_counter() - begun))
    return median(taken)
