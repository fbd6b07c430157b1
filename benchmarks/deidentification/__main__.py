"""De-identification against its peers: one generated set, one run.

    python -m benchmarks.deidentification [--small] [--only accuracy,speed] [--rounds N] [--out FILE]

Peers are installed once into environments of their own (`--cache`); `--peers ''` leaves them out. The exit
status is 0 whatever is won or lost; the table says it.
"""

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import environments
from benchmarks.deidentification import accuracy, speed
from benchmarks.deidentification.contest import Contestant
from benchmarks.wire import machine
from benchmarks.wire.__main__ import report

_PINS = Path(__file__).parent / "peers"
_SCRIPTS = {
    "dicom-anonymizer": "with_dicom_anonymizer.py",
    "dicognito": "with_dicognito.py",
    "deid": "with_deid.py",
    "dcmanon": "with_dcmanon.py",
}


def main() -> None:
    """Run what is asked for, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="accuracy,speed")
    parser.add_argument("--small", action="store_true", help="the set of the tests: fewer and smaller files")
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=40, help="of each kind, for the speed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default=",".join(_SCRIPTS))
    parser.add_argument("--cache", type=Path, default=environments.cache_folder())
    parser.add_argument("--dir", type=Path, help="where everyone writes (default: the temporary folder)")
    parser.add_argument("--out", type=Path, help="write the tables there as well")
    options = parser.parse_args()
    peers = _peers([name for name in options.peers.split(",") if name], options.cache)
    with tempfile.TemporaryDirectory(prefix="lg-deid-", dir=options.dir) as name:
        folder = Path(name)
        versions = ", ".join(
            f"{one.label} {environments.version_of(_PINS / f'{one.label}.txt')}" for one in peers
        )
        title = f"# de-identification, {datetime.now(UTC):%Y-%m-%d}, against {versions or 'nobody'}"
        report([title, *machine.hardware(folder)], options.out, fresh=True)
        run(folder, peers, options)


def run(folder: Path, peers: list[Contestant], options: argparse.Namespace) -> None:
    """The parts that are asked for."""
    only = options.only.split(",")
    ours = [
        Contestant(speed.CLEANING, "with_lockgate.py", options={"proof": False}),
        Contestant(speed.PROVEN, "with_lockgate.py", options={"proof": True}),
    ]
    if "accuracy" in only:
        lines = accuracy.run(
            folder / "accuracy",
            ours + peers,
            seed=options.seed,
            patients=options.patients,
            small=options.small,
        )
        report(["", *lines], options.out)
    if "speed" in only:
        everyone = [*ours, *peers, Contestant(speed.FLOOR, "with_pydicom.py")]
        cases = speed.run(folder / "speed", everyone, files=options.files, rounds=options.rounds)
        lines = [line for case in cases for line in [*case.lines(), ""]]
        report(["", *lines, *speed.milliseconds(cases), *speed.validator(folder / "speed")], options.out)
        lost = sum(len(case.lost) for case in cases)
        asked = sum(one.required is not None for case in cases for one in case.comparisons)
        report(["", f"required ratios: {asked - lost} won, {lost} lost"], options.out)


def _peers(names: list[str], cache: Path) -> list[Contestant]:
    found = []
    for name in names:
        python = environments.python_of(_PINS / f"{name}.txt", cache)
        if python is None:
            print(f"({name} does not install here and is left out)")
        else:
            found.append(Contestant(name, _SCRIPTS[name], python))
    return found


if __name__ == "__main__":
    main()
