"""Every contestant on every picture in turns: what it removes of the text, and of what is none."""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from benchmarks.pixels import files
from benchmarks.pixels.contestants import LOCKGATE, Answer, Contestant
from benchmarks.pixels.pictures import Lettered, pictures
from benchmarks.pixels.scoring import ALL, Score
from benchmarks.pixels.table import Must, row

REAL, MADE = "real", "synthetic"
_DIMENSIONS = ("seen", "height", "angle", "script", "contrast", "style", "ground", "font")
_SEEN = ("seen", "visible")
_RECALL = 0.995

Scores = dict[str, dict[str, Score]]
Watch = Callable[[Lettered, Path, dict[str, Answer]], None]


def run(
    folder: Path, contestants: Sequence[Contestant], *, seed: int, count: int, watch: Watch | None = None
) -> Scores:
    """Draw, let everyone answer, score; scores by origin and contestant.

    Args:
        folder: For the picture at hand.
        contestants: In the order of the table.
        seed: Of the pictures.
        count: How many.
        watch: Told of every picture with its PNG and the answers, while the outputs are still there.
    """
    scores: Scores = {origin: defaultdict(Score) for origin in (REAL, MADE)}
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    for number, one in enumerate(pictures(seed, count)):
        if not one.lines:
            continue
        png, dicom = folder / "picture.png", files.write(one, folder / "picture.dcm")
        Image.fromarray(one.shown()).save(png, compress_level=1)
        answers = {}
        for each in contestants:
            out = folder / f"{each.label.replace(' ', '-')}.dcm"
            out.unlink(missing_ok=True)
            answers[each.label] = each.ask(picture=png, dicom=dicom, out=out)
            scores[REAL if one.real else MADE][each.label].add(one, answers[each.label])
        if watch is not None:
            watch(one, png, answers)
        if number % 20 == 19:
            print(f"({number + 1} of {count}, {time.monotonic() - begun:.0f} s)", file=sys.stderr, flush=True)
    return scores


def table(scores: Scores) -> list[str]:
    """The scores as text: the whole, then by tag."""
    lines = []
    for origin, by_label in scores.items():
        if not by_label:
            continue
        every = list(by_label.values())
        most = max(one.all.lines for one in every)
        lines += [
            f"== accuracy on {origin} grounds: {sum(every[0].statuses.values())} pictures, {most} lines"
        ]
        lines += [
            row("", list(by_label)),
            row("recall of text pixels", [f"{one.all.recall:.4f}" for one in every]),
            row("  of lines that the window shows", [f"{one.tags[_SEEN].recall:.4f}" for one in every]),
            row("  mean over the lines", [f"{one.all.mean:.4f}" for one in every]),
            row(
                "lines lost (less than half covered)", [f"{one.all.lost} of {one.all.lines}" for one in every]
            ),
            row("false area, % of the pictures", [f"{100 * one.false_share:.3f}" for one in every]),
            row("pictures held / crashed", [_kept(one) for one in every]),
            *_reasons(by_label),
            "  by what makes it hard: recall, lines lost of lines",
        ]
        for dimension in _DIMENSIONS:
            values = sorted({tag for one in every for tag in one.tags if tag[0] == dimension}, key=_order)
            lines += [row(f"{dimension}: {tag[1]}", [_cell(one, tag) for one in every]) for tag in values]
        lines.append("")
    return lines


def weakest(scores: Scores, label: str = LOCKGATE, count: int = 15) -> list[str]:
    """The lines of which a contestant left most, for whoever works on the reader."""
    lines = [f"== what {label} left most of"]
    for origin, by_label in scores.items():
        for share, picture, one in by_label[label].weak[:count] if label in by_label else ():
            if share < _RECALL:
                tags = ", ".join(one.tags().values())
                lines.append(f"  {origin:9} {picture} at {one.box}: {share:.2f} covered; {tags}")
    return lines


def musts(scores: Scores) -> list[Must]:
    """What is asked of Lockgate."""
    return [
        Must(f"recall of text pixels, {origin} grounds", by_label[LOCKGATE].all.recall, _RECALL)
        for origin, by_label in scores.items()
        if LOCKGATE in by_label and by_label[LOCKGATE].all.lines
    ]


def _kept(one: Score) -> str:
    return f"{one.statuses['held']} / {one.statuses['crashed']}"


def _reasons(by_label: dict[str, Score]) -> list[str]:
    """Why pictures did not come out."""
    return [
        f"    {label}: " + ", ".join(f"{reason} {count}" for reason, count in one.kept.most_common())
        for label, one in by_label.items()
        if one.kept
    ]


def _cell(one: Score, tag: tuple[str, str]) -> str:
    tally = one.tags.get(tag)
    return f"{tally.recall:.3f} {tally.lost}/{tally.lines}" if tally is not None and tag != ALL else "-"


def _order(tag: tuple[str, str]) -> tuple[int, str]:
    digits = tag[1].split("-")[0].split("+")[0]
    return (int(digits), "") if digits.isdigit() else (1000, tag[1])
