"""Before/after pictures of what `lockgate clean` removed; they show PHI and go only where asked."""

from collections import defaultdict
from itertools import islice
from pathlib import Path

from agent.pipeline.report import CleanReport, ReportedFile
from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header_at
from exchange.durable import make_folder, write_file
from redact.pixels.boxes import BoxRule, TextBox
from redact.pixels.find import renderings
from redact.pixels.preview import preview
from redact.pixels.render import Picture

_MOST_FRAMES = 4


def write_previews(source: Path, target: Path, report: CleanReport, folder: Path) -> int:
    """Write `<new SOP Instance UID>.<frame>.before.png` and `.after.png` (mode 0600); how many frames.

    Args:
        source: IN of the run.
        target: OUT of the run.
        report: Its report.
        folder: Where the pictures go.

    Raises:
        HeldError: A frame cannot be shown.
        OSError: A picture cannot be written.
    """
    make_folder(folder)
    return sum(_write(source, target, one, folder) for one in report.files if one.boxes and one.output)


def _write(source: Path, target: Path, one: ReportedFile, folder: Path) -> int:
    before = source if source.is_file() else source / one.input
    by_frame: dict[int, list[TextBox]] = defaultdict(list)
    for box in one.boxes:
        by_frame[box.frame].append(
            TextBox(box.frame, box.y0, box.x0, box.y1, box.x1, BoxRule(box.rule), box.confidence)
        )
    frames = list(islice(sorted(by_frame), _MOST_FRAMES))
    pictures, cleaned = _pictures(before, frames), _pictures(target / str(one.output), frames)
    for frame in frames:
        shown = preview(pictures[frame], cleaned[frame], by_frame[frame])
        for name, data in zip(("before", "after"), shown, strict=True):
            write_file(folder / f"{one.sopInstanceUID}.{frame}.{name}.png", data, 0o600)
    return len(frames)


def _pictures(path: Path, frames: list[int]) -> dict[int, Picture]:
    """The first rendering of each wanted frame."""
    layout = examine(path)
    wanted, found = set(frames), {}
    for index, drawn in renderings(path, layout, read_header_at(layout)):
        if index in wanted:
            found[index] = next(iter(drawn.values()))
        if len(found) == len(wanted):
            break
    return found
