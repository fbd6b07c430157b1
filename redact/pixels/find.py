"""The reading pass: where in an instance is text that must go? Only boxes are kept, never frames."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from pydicom.dataset import Dataset

from exchange.dicomio.layout import FileLayout
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.source import Source
from redact.ocr.following import FollowingReader
from redact.ocr.lines import BOTH, View
from redact.ocr.reader import TextReader
from redact.pixels.account import Account, JudgedLine
from redact.pixels.boxes import BoxRule, TextBox, merge, place
from redact.pixels.decode import FrameReader
from redact.pixels.judging import Judge
from redact.pixels.render import Picture, Renderer
from redact.pixels.rules import TextMode
from redact.pixels.verdict import kept

_SAME_TEXT = 0.7  # of an uncertain line, inside a box that goes


@dataclass(frozen=True, slots=True)
class Findings:
    """What the reading pass saw.

    Attributes:
        boxes: To be removed, unpadded, in the order of frames.
        mode: How the instance was read.
        frames: Frames of the instance.
        distinct: Frames that were read; identical ones are read once.
        lines: Lines that the reader reported.
        uncertain: Lines of the band between the gates that stay (`strict` mode only).
        checking: How the decoding was checked: `native`, `cross-checked` or `single`.
    """

    boxes: tuple[TextBox, ...]
    mode: TextMode
    frames: int
    distinct: int
    lines: int
    uncertain: int
    checking: str


@dataclass(frozen=True, slots=True)
class Look:
    """How thoroughly frames are read.

    Attributes:
        unused_bits: Whether bits that hold no pixel are read, too.
        in_turns: Where a frame is shown by its window and in full range, one is read as it is and of the
            other the negative, and not each as both: half the work, for a second opinion on images that
            hardly ever show text.
        turned: Whether each picture is looked at turned, too.
    """

    unused_bits: bool = True
    in_turns: bool = False
    turned: bool = False

    def views(self, pictures: Collection[str]) -> Mapping[str, Sequence[View]]:
        """How to look at each picture of a frame, by its name."""
        if self.in_turns and len(pictures) == 2 and "full range" in pictures:
            return {name: (View.NEGATIVE if name == "full range" else View.AS_IS,) for name in pictures}
        return dict.fromkeys(pictures, (*BOTH, View.TURNED) if self.turned else BOTH)


def find_text(
    path: Source, layout: FileLayout, header: Dataset, reader: TextReader, judge: Judge
) -> tuple[TextBox, ...]:
    """The boxes that must not be there: the proof asks this of the cleaned file with other weights.

    Args:
        path: The cleaned file.
        layout: What `examine` found of it.
        header: Its own.
        reader: With other weights than the cleaner's.
        judge: Of `policy.for_proof()`, and of the mode that the *original's* header leads to.

    Raises:
        HeldError: `undecodable-pixels` or `video`; `identity-mismatch`.
        ModelError: A model failed.
    """
    strict = judge.mode is TextMode.STRICT
    look = Look(in_turns=strict, turned=not strict)
    return read_frames(FrameReader(path, layout, header), header, reader, judge, look=look).boxes


def read_frames(
    frames: FrameReader,
    header: Dataset,
    reader: TextReader,
    judge: Judge,
    account: Account | None = None,
    look: Look = Look(),
) -> Findings:
    """Read every frame; identical frames (by digest of their encoded bytes) once.

    Args:
        frames: Of the instance.
        header: Says how it is rendered.
        reader: Finds and reads the lines.
        judge: Decides of each line.
        account: Takes down each line, of one frame where it says so; what would hold the instance is taken
            down, too, and not raised.
        look: How thoroughly.

    Raises:
        HeldError: `undecodable-pixels`; `identity-mismatch` or `uncertain-text`, with the boxes of the lines.
        ModelError: A model failed.
    """
    mode, only = judge.mode, account.only if account is not None else None
    renderer = Renderer(frames.form, header, unused_bits=look.unused_bits)
    reading = _Pass(FollowingReader(reader), judge, account, look)
    known: dict[bytes, tuple[int, tuple[TextBox, ...]]] = {}
    boxes: list[TextBox] = []
    for index in range(frames.count) if only is None else (only,):
        encoded = frames.encoded(index)
        digest = sha256(encoded).digest()
        if digest not in known:
            pictures = renderer.render(frames.frame(index, encoded), index)
            known[digest] = index, reading.boxes(pictures, index)
            if account is None:
                reading.stop_for(ReasonCode.IDENTITY_MISMATCH)  # at once: it holds whatever follows
        elif account is not None:
            account.same_as[index] = known[digest][0]
        boxes += [_moved(box, index) for box in known[digest][1]]
    if account is None:
        reading.stop_for(ReasonCode.UNCERTAIN_TEXT)
    if mode is TextMode.ALL_TEXT and frames.count > 1 and only is None:
        boxes += _recurring(boxes, frames.count, judge.policy.recurring_share)
    return Findings(
        boxes=tuple(sorted(boxes)),
        mode=mode,
        frames=frames.count,
        distinct=len(known),
        lines=reading.counts["lines"],
        uncertain=reading.counts["uncertain"],
        checking=frames.checking,
    )


_HELD = {
    ReasonCode.IDENTITY_MISMATCH: (
        "cannot keep the identity: the pixels name somebody else than the header",
        "look at the image: reject it where it is another's; a release has the text removed",
    ),
    ReasonCode.UNCERTAIN_TEXT: (
        "cannot tell whether there is text in the pixels or anatomy",
        "look at the image: redact the hold to have it removed, release it to let it stay",
    ),
}


@dataclass(slots=True)
class _Pass:
    """One reading of an instance: the judge's verdicts, counted and, where somebody asks, taken down."""

    reader: FollowingReader
    judge: Judge
    account: Account | None
    look: Look
    counts: Counter[str] = field(default_factory=Counter)
    held: list[tuple[ReasonCode, TextBox]] = field(default_factory=list)

    def boxes(self, pictures: Mapping[str, Picture], frame: int) -> tuple[TextBox, ...]:
        """Those to be removed from one frame, over all its renderings."""
        judged: list[JudgedLine] = []
        views = self.look.views(pictures)
        for name, picture in pictures.items():
            lines = self.reader.read(name, picture, views[name])
            judged += (JudgedLine(frame, name, one, self.judge.verdict(one, lines)) for one in lines)
        found = [_box_of(one, one.verdict.rule) for one in judged if one.verdict.rule is not None]
        judged = [_settled(one, found) for one in judged]
        self.counts["lines"] += len(judged)
        self.counts["uncertain"] += sum(one.verdict.uncertain and one.verdict.rule is None for one in judged)
        self.held += ((one.verdict.code, _box_of(one)) for one in judged if one.verdict.code is not None)
        if self.account is not None:
            self.account.lines += judged
        return merge(found)

    def stop_for(self, code: ReasonCode) -> None:
        """Stop for a person where lines are held for this, with all the places at which to look."""
        boxes = merge(box for why, box in self.held if why is code)
        if boxes:
            message, hint = _HELD[code]
            raise HeldError(code, message, place(boxes), hint)


def _box_of(one: JudgedLine, rule: BoxRule = BoxRule.UNCERTAIN) -> TextBox:
    """Where a line is."""
    line = one.line
    return TextBox(one.frame, line.y0, line.x0, line.y1, line.x1, rule, line.confidence)


def _settled(one: JudgedLine, going: Sequence[TextBox]) -> JudgedLine:
    """The line; no longer uncertain where another picture of the frame shows text that goes anyhow."""
    verdict = one.verdict
    if not verdict.uncertain or verdict.rule is not None:
        return one
    if not any(box.covers(_box_of(one), _SAME_TEXT) for box in going):
        return one
    return replace(one, verdict=kept(f"{verdict.reason}; its place is removed"))


def _recurring(boxes: Sequence[TextBox], frames: int, share: float) -> list[TextBox]:
    """Boxes for the frames in which a standing annotation was missed."""
    groups: list[tuple[TextBox, set[int]]] = []
    for box in boxes:
        for first, seen in groups:
            if first.overlaps(box, 0.5):
                seen.add(box.frame)
                break
        else:
            groups.append((box, {box.frame}))
    needed = max(2, share * frames)
    return [
        TextBox(frame, box.y0, box.x0, box.y1, box.x1, BoxRule.RECURRING, box.confidence)
        for box, seen in groups
        if len(seen) >= needed
        for frame in range(frames)
        if frame not in seen
    ]


def _moved(box: TextBox, frame: int) -> TextBox:
    return TextBox(frame, box.y0, box.x0, box.y1, box.x1, box.rule, box.confidence)
