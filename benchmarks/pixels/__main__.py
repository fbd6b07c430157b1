"""Text in pixels against peers: what is removed, what stays readable, what it costs, in one run.

    python -m benchmarks.pixels [--only accuracy,speed] [--seed N] [--pictures K] [--out FILE]
    python -m benchmarks.pixels --draw DIR [--seed N] [--pictures K]

With `--draw` the pictures are only written out, with the truth about them. The default seed is held out:
while the reader is worked on, use seeds below 1000. Peers are installed once into environments of their own
(`--cache`); `--peers ''` leaves them out. The exit status is 0 whatever is won or lost; the table says it.
"""

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import environments
from benchmarks.pixels import accuracy, contestants, drawn, fonts, originals, readability, speed
from benchmarks.pixels.contestants import Contestant
from benchmarks.pixels.table import Must
from benchmarks.wire import machine
from benchmarks.wire.__main__ import report

HELD_OUT = 20261207
ALL_CORES = -1  # of onnxruntime's threads: as the peers come
_READERS = (contestants.TESSERACT, contestants.RAPIDOCR_4)
_PEERS = (contestants.RAPIDOCR, contestants.RAPIDOCR_4, contestants.TESSERACT, contestants.PRESIDIO)

_HEAD = (
    "# everyone as it comes, but with one thread; presidio with spaCy's small English model, its large one",
    "# being on no package index; held pictures count as held, not as removed",
)


def main() -> None:
    """Run what is asked for, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="accuracy,speed")
    parser.add_argument(
        "--draw", type=Path, help="write the pictures and their truth there, and nothing else"
    )
    parser.add_argument("--seed", type=int, default=HELD_OUT)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--originals", type=int, default=200, help="at most so many images without text")
    parser.add_argument("--slices", type=int, default=300, help="of the CT study")
    parser.add_argument("--frames", default="10,100,1000", help="of the clips whose memory is measured")
    parser.add_argument("--peers", default=",".join(_PEERS))
    parser.add_argument("--cache", type=Path, default=environments.cache_folder())
    parser.add_argument("--dir", type=Path, help="where everyone writes (default: the temporary folder)")
    parser.add_argument("--out", type=Path, help="write the tables there as well")
    options = parser.parse_args()
    if options.draw is not None:
        drawn.draw(options.draw, options.seed, options.pictures)
        return
    names = [name for name in options.peers.split(",") if name]
    unknown = sorted(set(names) - set(_PEERS))
    if unknown:
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(_PEERS)}")
    with tempfile.TemporaryDirectory(prefix="lg-pixels-", dir=options.dir) as name:
        folder = Path(name)
        versions = ", ".join(contestants.version(one) for one in names)
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        title = f"# text in pixels, {today}, seed {options.seed}, against {versions or 'nobody'}"
        report([title, *_HEAD, f"# {fonts.told()}", *machine.hardware(folder)], options.out, fresh=True)
        run(folder, names, options)


def run(folder: Path, names: list[str], options: argparse.Namespace) -> None:
    """The parts that are asked for."""
    only = options.only.split(",")
    peers = [one for one in (contestants.peer(name, options.cache) for name in names) if one is not None]
    musts: list[Must] = []
    if "accuracy" in only:
        musts += _accuracy(folder, [*contestants.ours(), *peers], options)
    if "speed" in only:
        musts += _speed(folder, [one for one in peers if one.label != contestants.PRESIDIO], options)
    lost = sum(not one.won for one in musts)
    summary = f"required: {len(musts) - lost} won, {lost} lost"
    report(["", *(one.line() for one in musts), summary], options.out)


def _accuracy(folder: Path, everyone: list[Contestant], options: argparse.Namespace) -> list[Must]:
    """What is removed, what stays readable, and what is removed of images without text."""
    names = _READERS if options.peers else ()
    readers = [one for one in (contestants.peer(name, options.cache) for name in names) if one is not None]
    try:
        seen = readability.Readings(folder, readers)
        scores = accuracy.run(
            folder, everyone, seed=options.seed, count=options.pictures, watch=seen.watch if readers else None
        )
        report(["", *accuracy.table(scores), *accuracy.weakest(scores)], options.out)
        if readers:
            report(["", *readability.table(seen)], options.out)
        # The reader alone takes all text, whatever the image: it has no place among originals.
        cleaning = [one for one in everyone if one.label != contestants.READER]
        tallies = originals.run(folder, cleaning, options.originals)
        report(["", *originals.table(tallies)], options.out)
    finally:
        contestants.stop([*everyone, *readers])
    return [*accuracy.musts(scores), *readability.musts(seen), *originals.musts(tallies)]


def _speed(folder: Path, peers: list[Contestant], options: argparse.Namespace) -> list[Must]:
    """What it costs; one thread each, but where the box is measured. Presidio reads no pictures: not here."""
    try:
        cases = speed.sizes(folder, peers)
        free = [contestants.peer(one.label, options.cache, threads=ALL_CORES) for one in peers]
        cases.append(speed.box(folder, [one for one in free if one is not None]))
        cases.append(speed.clip(folder, peers))
        report(
            ["", *(line for case in cases for line in [*case.lines(), speed.rates(case), ""])], options.out
        )
        lines, musts = speed.study(folder, options.slices, peers)
        report(lines, options.out)
    finally:
        contestants.stop(peers)
    case, flat = speed.memory(folder, [int(count) for count in options.frames.split(",")])
    report(["", *case.lines()], options.out)
    faster = [
        Must(f"{one.ours}: times faster than {one.theirs}: {case.title}", case.ratio(one), one.required)
        for case in cases
        for one in case.comparisons
        if one.required
    ]
    return faster + musts + flat


if __name__ == "__main__":
    main()
