"""All wire benchmarks in one run: medians over rounds in turns, the machine described, lost rows kept.

    python -m benchmarks.wire [--full] [--only receive,send,stow,study,memory] [--out FILE] [--dir FOLDER]

Without `--full` fewer and smaller inputs (a few minutes). The exit status is 0 whatever is won or lost; the
table says it.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.wire import machine, memory, receive, send, stow, study
from benchmarks.wire.table import Case
from tests.support import dcmtk, orthanc

_FREE_GB = {False: 10, True: 40}


def main() -> None:
    """Run what is asked for, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="300 instances a study, 2 GB for memory")
    parser.add_argument("--only", default="receive,send,stow,study,memory")
    parser.add_argument("--instances", type=int, help="in each study")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write the table there as well")
    parser.add_argument("--dir", type=Path, help="where everyone stores (default: the temporary folder)")
    options = parser.parse_args()
    if not (dcmtk.available() and orthanc.available(dicomweb=True)):
        raise SystemExit("cannot compare: Orthanc with its DICOMweb plugin and DCMTK are not installed")
    with tempfile.TemporaryDirectory(prefix="lg-wire-", dir=options.dir) as name:
        folder = Path(name)
        free = shutil.disk_usage(folder).free / 1e9
        if free < _FREE_GB[options.full]:
            raise SystemExit(f"cannot measure: {free:.0f} GB free, {_FREE_GB[options.full]} needed (--dir)")
        lines = [
            f"# wire benchmarks, {datetime.now(UTC):%Y-%m-%d}, {options.rounds} rounds in turns, medians"
        ]
        report(lines + machine.describe(folder), options.out, fresh=True)
        run(folder, options)


def run(folder: Path, options: argparse.Namespace) -> None:
    """Each part, and the verdicts together at the end."""
    count = options.instances or (300 if options.full else 60)
    parts: dict[str, Callable[[Path], list[Case]]] = {
        "receive": lambda at: receive.run(at, count, options.rounds),
        "send": lambda at: send.run(at, count, options.rounds),
        "stow": lambda at: stow.run(at, count, options.rounds),
        "study": lambda at: study.run(at, count, options.rounds),
        "memory": lambda at: memory.run(at, (0, 50, 2000) if options.full else (0, 50)),
    }
    lost = won = 0
    for name in options.only.split(","):
        began, at = time.monotonic(), folder / name
        at.mkdir()
        cases = parts[name](at)
        shutil.rmtree(at, ignore_errors=True)
        report(["", *(line for case in cases for line in [*case.lines(), ""])], options.out)
        print(f"({name}: {time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
        lost += sum(len(case.lost) for case in cases)
        won += sum(each.required is not None for case in cases for each in case.comparisons)
    report([f"required ratios: {won - lost} won, {lost} lost"], options.out)


def report(lines: list[str], file: Path | None, *, fresh: bool = False) -> None:
    """Print, and append to the file."""
    text = "\n".join(lines) + "\n"
    print(text, end="", flush=True)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w" if fresh else "a") as out:
            out.write(text)


if __name__ == "__main__":
    main()
