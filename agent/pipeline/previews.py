"""Pictures of what `lockgate clean` removed, before and after; they show PHI and go only where asked.

Files are named by counters: the number of the input in the report, from 1, and of the frame, from 0.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from agent.pipeline.report import CleanReport, ReportedFile
from exchange.durable import make_folder, write_file
from redact.pixels.boxes import BoxRule, TextBox, boxes_at
from redact.pixels.preview import Pair, drawn, held_mark, marks_of, png, preview, sheets
from redact.pixels.view import View, before_and_after

_MOST_FRAMES = 4


def write_previews(source: Path, target: Path, report: CleanReport, folder: Path) -> int:
    """Write pictures of every file in which something was removed or is in question, and contact sheets.

    - `<file>.<frame>.before.png` and `.after.png`: the first touched frames of a file, with their boxes;
    - `study-<number>.sheet-<page>.png`: all touched frames, before beside after;
    - `<file>.<frame>.held.png`: frames of a held file that a person must look at, with the boxes in question;
    - `held.sheet-<page>.png`: all of these.

    Args:
        source: IN of the run.
        target: OUT of the run.
        report: Its report.
        folder: Where the pictures go, each with mode 0600.

    Returns:
        How many files have pictures.

    Raises:
        HeldError: A frame cannot be shown.
        OSError: A picture cannot be written.
    """
    make_folder(folder)
    studies: dict[str, dict[str, tuple[int, ReportedFile]]] = defaultdict(dict)
    for number, one in enumerate(report.files, start=1):
        if one.boxes and one.output:
            studies[one.output.partition("/")[0]].setdefault(one.output, (number, one))
    for number, files in enumerate(studies.values(), start=1):
        pairs = _pairs(source, target, list(files.values()), folder)
        for page, data in enumerate(sheets(pairs), start=1):
            write_file(folder / f"study-{number:03}.sheet-{page:03}.png", data, 0o600)
    held = [(number, one) for number, one in enumerate(report.files, start=1) if _in_question(one)]
    for page, data in enumerate(sheets(_held_pairs(source, held, folder)), start=1):
        write_file(folder / f"held.sheet-{page:03}.png", data, 0o600)
    return sum(map(len, studies.values())) + len(held)


def _in_question(one: ReportedFile) -> tuple[TextBox, ...]:
    """The boxes for which a file is held."""
    return tuple(
        box for reason in one.reasons for box in boxes_at(reason.path, BoxRule.UNCERTAIN)
        if one.status == "held"
    )  # fmt: skip


def _held_pairs(source: Path, files: Sequence[tuple[int, ReportedFile]], folder: Path) -> Iterator[Pair]:
    """Every frame in question; nothing was written of it."""
    for number, one in files:
        view = View(source if source.is_file() else source / one.input)
        for frame, boxes in groupby(sorted(_in_question(one)), key=lambda box: box.frame):
            marks = [held_mark((box.x0, box.y0, box.x1, box.y1)) for box in boxes]
            shown = view.frame(frame)[0]
            write_file(folder / f"{number:05}.{frame:05}.held.png", png(drawn(shown, marks)), 0o600)
            yield Pair(shown, None, marks, f"file {number}, frame {frame}")


def _pairs(
    source: Path, target: Path, files: Sequence[tuple[int, ReportedFile]], folder: Path
) -> Iterator[Pair]:
    """Every touched frame for the sheet; the first ones of each file are written on the way."""
    for number, one in files:
        before = View(source if source.is_file() else source / one.input)
        after = View(target / str(one.output))
        for count, (frame, boxes) in enumerate(_by_frame(one).items()):
            shown = before_and_after(before, after, frame)
            if count < _MOST_FRAMES:
                for name, data in zip(("before", "after"), preview(*shown, boxes), strict=True):
                    write_file(folder / f"{number:05}.{frame:05}.{name}.png", data, 0o600)
            yield Pair(*shown, marks_of(boxes), f"file {number}, frame {frame}")


def _by_frame(one: ReportedFile) -> Mapping[int, list[TextBox]]:
    by_frame: dict[int, list[TextBox]] = defaultdict(list)
    for box in sorted(one.boxes, key=lambda each: each.frame):
        by_frame[box.frame].append(
            TextBox(box.frame, box.y0, box.x0, box.y1, box.x1, BoxRule(box.rule), box.confidence)
        )
    return by_frame
