"""What reading, deciding and proving cost: a frame by its size, a clip, a CT study; and memory by frames."""

import math
import os
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from PIL import Image

from benchmarks.pixels import contestants, files, frames
from benchmarks.pixels.contestants import LOCKGATE, RAPIDOCR, RAPIDOCR_4, READER, Contestant
from benchmarks.pixels.table import Must
from benchmarks.wire.table import Case, Comparison
from tests.hostile.cleaning import clean_folder
from tests.hostile.outcome import Status

_SIZES = {512: 12, 1024: 8, 2048: 4, 4096: 2}
_FASTER, _SECONDS, _GOAL, _SLICES = 5.0, 120.0, 60.0, 300
_FLAT = 1.25
_CLIP, _CLIP_ROWS, _CLIP_COLUMNS = 100, 480, 640
_SAMPLE = 8
_LONG = 3600.0
_ROUNDS = 3


def sizes(folder: Path, peers: Sequence[Contestant]) -> list[Case]:
    """Milliseconds a frame, everyone in turns on each."""
    everyone = [contestants.ours()[1], contestants.prover(), *peers]
    cases = []
    for side, count in _SIZES.items():
        case = Case(f"one frame of {side} x {side}", "ms", smaller_is_better=True)
        pngs = [folder / f"{side}-{number}.png" for number in range(count)]
        for number, png in enumerate(pngs):
            Image.fromarray(frames.frame(side, number)).save(png, compress_level=1)
        for one in everyone:
            one.ask(picture=pngs[-1])  # what is loaded once is no frame's cost
        for png in pngs:
            for one in everyone:
                answer = one.ask(picture=png)
                if answer.status == "out":
                    case.add(one.label, answer.milliseconds)
        case.comparisons = [
            Comparison(
                READER, one.label, _FASTER if side == 512 and one.label in (RAPIDOCR, RAPIDOCR_4) else None
            )
            for one in peers
            if one.label in case.cells
        ]
        cases.append(case)
    contestants.stop(everyone)
    return cases


def box(folder: Path, peers: Sequence[Contestant]) -> Case:
    """Milliseconds a frame of 512 x 512 when all cores work, everyone as it comes.

    Lockgate reads one frame on each core, as its workers do; the peers, whose runtime shares one frame among
    the cores, are not limited to a thread.
    """
    cores = len(os.sched_getaffinity(0))
    case = Case(f"a frame of 512 x 512, {cores} cores, everyone as it comes", "ms", smaller_is_better=True)
    pngs = [folder / f"512-{number}.png" for number in range(_SIZES[512])]
    workers = [contestants.ours()[1] for _ in range(cores)]
    for one in (*workers, *peers):
        one.ask(picture=pngs[-1])
    for _ in range(_ROUNDS):
        case.add(READER, _wall(workers, pngs))
        for one in peers:
            case.add(one.label, _wall([one], pngs))
    contestants.stop([*workers, *peers])
    case.comparisons = [Comparison(READER, one.label, _FASTER) for one in peers]
    return case


def _wall(workers: Sequence[Contestant], pngs: Sequence[Path]) -> float:
    """Milliseconds a picture when the workers share them."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(len(workers)) as threads:
        shares = [
            threads.submit(
                lambda one, share: [one.ask(picture=png) for png in share], one, pngs[at :: len(workers)]
            )
            for at, one in enumerate(workers)
        ]
        answers = [answer for share in shares for answer in share.result()]
    if any(answer.status != "out" for answer in answers):
        return math.inf
    return 1000 * (time.perf_counter() - begun) / len(pngs)


def clip(folder: Path, peers: Sequence[Contestant]) -> Case:
    """Milliseconds a frame of a clip; peers have no notion of one and read a sample of its frames."""
    made = frames.clip(_CLIP, _CLIP_ROWS, _CLIP_COLUMNS)
    dicom = files.cine(made, frames.who(), folder / "clip.dcm")
    title = f"clip of {_CLIP} frames {_CLIP_ROWS} x {_CLIP_COLUMNS} RGB: a frame"
    case = Case(title, "ms", smaller_is_better=True)
    for label, what in (("lockgate cleaning", "pixels"), ("lockgate cleaning and proof", "whole")):
        one = Contestant(label, ("with_lockgate.py", what, "1"), seconds=_LONG)
        answer = one.ask(dicom=dicom, out=folder / "clip-out.dcm")
        if answer.status == "out":
            case.add(label, answer.milliseconds / _CLIP)
        one.stop()
    png = folder / "clip.png"
    for number in range(0, _CLIP, _CLIP // _SAMPLE):
        Image.fromarray(made[number]).save(png, compress_level=1)
        for one in peers:
            answer = one.ask(picture=png)
            if answer.status == "out":
                case.add(one.label, answer.milliseconds)
    contestants.stop(peers)
    found = [one.label for one in peers if one.label in case.cells]
    case.comparisons = [Comparison("lockgate cleaning", name) for name in found]
    return case


def rates(case: Case) -> str:
    """Frames a second."""
    return "  frames a second: " + ", ".join(f"{name} {1000 / case.value(name):.1f}" for name in case.cells)


def study(folder: Path, slices: int, peers: Sequence[Contestant]) -> tuple[list[str], list[Must]]:
    """A CT study by `lockgate clean --jobs 2`, and what of its cost is the proof."""
    inputs = folder / "ct"
    origin = frames.ct_study(inputs, slices)
    begun = time.perf_counter()
    outcomes = clean_folder(inputs, folder / "ct-out", jobs=2)
    seconds = time.perf_counter() - begun
    statuses = Counter(str(one.status) for one in outcomes.values())
    lines = [
        f"== CT of {slices} slices 512 x 512 made from {origin}, cleaned and proved by 2 processes",
        f"  lockgate clean: {seconds:.1f} s, {1000 * seconds / slices:.0f} ms a slice; "
        + ", ".join(f"{status} {count}" for status, count in statuses.items()),
        f"  goal for {_SLICES} slices: {_GOAL:g} s; at this pace: {seconds * _SLICES / slices:.1f} s",
        *_parts(folder, inputs),
    ]
    for one in peers:
        spent = _reading(folder, inputs, one)
        if spent:
            whole = spent * slices / 2000
            lines.append(
                f"  {one.label}, reading only: {spent:.0f} ms a slice; 2 processes would take {whole:.1f} s: "
                f"ratio to all of lockgate clean {whole / seconds:.2f}"
            )
    contestants.stop(peers)
    limit = _SECONDS * slices / _SLICES
    held = sum(one.status is not Status.OUT for one in outcomes.values())
    return lines, [
        Must(f"seconds for {slices} slices, cleaned and proved", seconds, limit, at_most=True),
        Must("slices of it held", held, 0, at_most=True),
    ]


def _parts(folder: Path, inputs: Path) -> list[str]:
    """Milliseconds a slice in one process: reading and deciding, then with cleaning, then with all proofs."""
    labels = {
        "pixels": "reading and deciding",
        "unread": "cleaned and proved, without the second reading",
        "whole": "cleaned and proved",
    }
    spent = {}
    listed = sorted(inputs.iterdir())[: _SAMPLE + 1]
    for what in labels:
        one = Contestant(what, ("with_lockgate.py", what, "1"))
        taken = [one.ask(dicom=path, out=folder / "part.dcm").milliseconds for path in listed]
        spent[what] = median(taken[1:])  # the first compiles what the study's slices share
        one.stop()
    reading = spent["whole"] - spent["unread"]
    share = reading / spent["pixels"]
    return [
        *(f"  {name}, one process: {spent[what]:.0f} ms a slice" for what, name in labels.items()),
        f"  the proof's second reading: {reading:.0f} ms a slice, {share:.2f} times the first's cost",
    ]


def _reading(folder: Path, inputs: Path, one: Contestant) -> float:
    png, taken = folder / "slice.png", []
    for path in sorted(inputs.iterdir())[:_SAMPLE]:
        Image.fromarray(frames.shown(path)).save(png, compress_level=1)
        answer = one.ask(picture=png)
        if answer.status == "out":
            taken.append(answer.milliseconds)
    return median(taken) if taken else 0.0


def memory(folder: Path, counts: Sequence[int]) -> tuple[Case, list[Must]]:
    """Peak memory of a fresh process that cleans and proves so many frames of 512 x 512."""
    case = Case("peak memory, cleaned and proved, frames of 512 x 512", "MiB", smaller_is_better=True)
    for count in counts:
        dicom = files.cine(frames.long_clip(count, 512), frames.who(), folder / "long.dcm")
        one = Contestant(LOCKGATE, ("with_lockgate.py", "whole", "1"), seconds=_LONG)
        answer = one.ask(dicom=dicom, out=folder / "long-out.dcm")
        one.stop()
        label = f"{count} frames"
        case.add(label if answer.status == "out" else f"{label}: {answer.reason}", answer.peak_mib)
    cells = [case.value(name) for name in case.cells]
    what = f"memory of {counts[-1]} frames, times that of {counts[0]}"
    return case, [Must(what, cells[-1] / max(1.0, cells[0]), _FLAT, at_most=True)]
