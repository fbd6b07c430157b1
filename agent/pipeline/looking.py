"""What is read in the pixels of one file and what would become of it, for the person who asks.

The reading pass of the cleaner itself, with an account of its lines. What comes out holds text of the pixels:
it goes to the terminal of whoever asked, and nowhere else.
"""

from collections import defaultdict
from pathlib import Path

from agent.config.answers import OcrAnswer, OcrLine, OcrRegion
from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header_at
from exchange.domain.errors import ConfigurationError
from exchange.durable import make_folder, write_file
from redact.headers.profile import Option, Profile
from redact.identifiers.harvest import harvest
from redact.ocr.reader import TextReader
from redact.pixels.account import Account, JudgedLine
from redact.pixels.decode import FrameReader
from redact.pixels.find import read_frames
from redact.pixels.judging import Judge, Known
from redact.pixels.patients import OwnTexts
from redact.pixels.policy import PixelPolicy
from redact.pixels.preview import drawn, judged_mark, png
from redact.pixels.view import View


def look(path: Path, profile: Profile, reader: TextReader, frame: int | None = None) -> OcrAnswer:
    """Read the pixels of a file; identifiers are those of its own header.

    Args:
        path: A DICOM file.
        profile: Decides what would become of each line.
        reader: The cleaner's.
        frame: Index of the one to read; None for all.

    Raises:
        InputError: The file cannot be used.
        HeldError: `undecodable-pixels` or `video`.
        ConfigurationError: It has no pixels, or no such frame.
        ModelError: A model failed.
    """
    layout = examine(path)
    if layout.pixels is None:
        raise ConfigurationError("cannot read the pixels: the file has none")
    header = read_header_at(layout)
    frames = FrameReader(path, layout, header)
    if frame is not None and not 0 <= frame < frames.count:
        raise ConfigurationError(f"cannot read frame {frame}: the file has {frames.count}, counted from 0")
    identifiers = harvest(header)
    known: Known = identifiers
    if profile.retains_identity:
        known = OwnTexts(profile, identifiers, hold=True).of(header)
    policy = PixelPolicy(rules=profile.pixels)
    judge, account = Judge.of(policy, header, known), Account(frame)
    found = read_frames(frames, header, reader, judge, account)
    boxes = [box.padded(frames.form.rows, frames.form.columns) for box in found.boxes]
    return OcrAnswer(
        profile=profile.profile_id,
        profileSha256=profile.sha256,
        examined=Option.CLEAN_PIXEL_DATA in profile.options,
        mode=found.mode.value,
        modeReason=policy.choice(header).reason,
        frames=found.frames,
        frame=frame,
        sameAs=account.same_as,
        held=tuple(sorted({one.verdict.code for one in account.lines if one.verdict.code is not None})),
        lines=tuple(map(_line, account.lines)),
        boxes=tuple(
            OcrRegion(
                frame=box.frame, x0=box.x0, y0=box.y0, x1=box.x1, y1=box.y1,
                rule=box.rule, confidence=round(box.confidence, 3),
            )
            for box in boxes
        ),
        pictures=(),
    )  # fmt: skip


def _line(one: JudgedLine) -> OcrLine:
    line, verdict = one.line, one.verdict
    return OcrLine(
        frame=one.frame, x0=line.x0, y0=line.y0, x1=line.x1, y1=line.y1,
        text=line.text,
        confidence=line.confidence,
        rendering=one.rendering,
        negative=line.negative,
        outcome=verdict.outcome.value,
        rule=verdict.rule,
        reason=verdict.reason,
        uncertain=verdict.uncertain,
    )  # fmt: skip


def write_pictures(path: Path, answer: OcrAnswer, folder: Path) -> OcrAnswer:
    """Write `frame-<number>.png` (mode 0600) of each frame in which something was read, with its lines.

    Returns:
        The answer with the names of the pictures.

    Raises:
        HeldError: A frame cannot be shown.
        OSError: A picture cannot be written.
    """
    make_folder(folder)
    by_frame: dict[int, list[OcrLine]] = defaultdict(list)
    for line in answer.lines:
        by_frame[line.frame].append(line)
    view, names = View(path), []
    for frame, lines in by_frame.items():
        names.append(f"frame-{frame:05}.png")
        marks = [
            judged_mark((one.x0, one.y0, one.x1, one.y1), one.outcome, one.rule, one.confidence)
            for one in lines
        ]
        write_file(folder / names[-1], png(drawn(view.frame(frame)[0], marks)), 0o600)
    return answer.model_copy(update={"pictures": tuple(names)})
