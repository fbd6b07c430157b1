"""The reading pass: where in an instance is text that must go? Only boxes are kept, never frames."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from pydicom.dataset import Dataset

from exchange.dicomio.layout import FileLayout
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import HarvestedIdentifiers
from exchange.domain.source import Source
from redact.ocr.matching import IdentifierMatcher
from redact.ocr.reader import TextReader
from redact.pixels.account import Account, JudgedLine
from redact.pixels.boxes import BoxRule, TextBox, merge, place
from redact.pixels.decode import FrameReader
from redact.pixels.judging import Judge
from redact.pixels.own import OwnText
from redact.pixels.policy import PixelPolicy, TextMode
from redact.pixels.render import Picture, Renderer
from redact.pixels.verdict import Outcome

Known = HarvestedIdentifiers | OwnText
"""Identifiers that must go; or the patient's identity, which stays, apart from those."""


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


def find_text(
    path: Source,
    layout: FileLayout,
    header: Dataset,
    reader: TextReader,
    policy: PixelPolicy,
    identifiers: Known,
) -> tuple[TextBox, ...]:
    """The boxes that must not be there: the proof asks this of the cleaned file with other weights.

    Judged by `policy.for_proof()`. `header` must lead to the mode that the cleaner used: where the cleaned
    header says BurnedInAnnotation NO or dropped ImageType, give it the original's values first.

    Raises:
        HeldError: `undecodable-pixels` or `video`.
        ModelError: A model failed.
    """
    frames = FrameReader(path, layout, header)
    return read_frames(frames, header, reader, policy.for_proof(), matcher_of(identifiers)).boxes


def matcher_of(identifiers: Known) -> IdentifierMatcher | OwnText:
    """What lines are asked of."""
    return identifiers if isinstance(identifiers, OwnText) else IdentifierMatcher(identifiers)


def read_frames(
    frames: FrameReader,
    header: Dataset,
    reader: TextReader,
    policy: PixelPolicy,
    matcher: IdentifierMatcher | OwnText,
    account: Account | None = None,
) -> Findings:
    """Read every frame; identical frames (by digest of their encoded bytes) once.

    Args:
        frames: Of the instance.
        header: Decides how hard is read.
        reader: Finds and reads the lines.
        policy: Which lines go.
        matcher: Of the study's identifiers; where identity is retained it is asked before the policy.
        account: Takes down each line, of one frame where it says so; what would hold the instance is taken
            down, too, and not raised.

    Raises:
        HeldError: `undecodable-pixels`; `identity-mismatch`, with the boxes of lines that name somebody else.
        ModelError: A model failed.
    """
    mode, only = policy.mode(header), account.only if account is not None else None
    renderer = Renderer(frames.form, header)
    reading = _Pass(reader, Judge(policy, mode, matcher), account)
    known: dict[bytes, tuple[int, tuple[TextBox, ...]]] = {}
    boxes: list[TextBox] = []
    for index in range(frames.count) if only is None else (only,):
        encoded = frames.encoded(index)
        digest = sha256(encoded).digest()
        if digest not in known:
            pictures = renderer.render(frames.frame(index, encoded), index)
            known[digest] = index, reading.boxes(pictures, index)
            if account is None:
                reading.raise_held()
        elif account is not None:
            account.same_as[index] = known[digest][0]
        boxes += [_moved(box, index) for box in known[digest][1]]
    if mode is TextMode.ALL_TEXT and frames.count > 1 and only is None:
        boxes += _recurring(boxes, frames.count, policy.recurring_share)
    return Findings(
        boxes=tuple(sorted(boxes)),
        mode=mode,
        frames=frames.count,
        distinct=len(known),
        lines=reading.counts["lines"],
        uncertain=reading.counts["uncertain"],
        checking=frames.checking,
    )


@dataclass(slots=True)
class _Pass:
    """One reading of an instance: the judge's verdicts, counted and, where somebody asks, taken down."""

    reader: TextReader
    judge: Judge
    account: Account | None
    counts: Counter[str] = field(default_factory=Counter)
    held: list[tuple[ReasonCode, TextBox]] = field(default_factory=list)

    def boxes(self, pictures: Mapping[str, Picture], frame: int) -> tuple[TextBox, ...]:
        """Those to be removed from one frame, over all its renderings."""
        found: list[TextBox] = []
        for name, picture in pictures.items():
            lines = self.reader.read(picture)
            for line in lines:
                verdict = self.judge.verdict(line, lines)
                self.counts["lines"] += 1
                self.counts["uncertain"] += verdict.uncertain and verdict.outcome is Outcome.KEPT
                if self.account is not None:
                    self.account.lines.append(JudgedLine(frame, name, line, verdict))
                rule = verdict.rule or BoxRule.ORDERED
                box = TextBox(frame, line.y0, line.x0, line.y1, line.x1, rule, line.confidence)
                if verdict.code is not None:
                    self.held.append((verdict.code, box))
                elif verdict.rule is not None:
                    found.append(box)
        return merge(found)

    def raise_held(self) -> None:
        """Stop for a person, where a line asks for one."""
        mismatched = [box for code, box in self.held if code is ReasonCode.IDENTITY_MISMATCH]
        if mismatched:
            raise HeldError(
                ReasonCode.IDENTITY_MISMATCH,
                "cannot keep the identity: the pixels name somebody else than the header",
                place(mismatched),
                "look at the image: reject it where it is another's; a release has the text removed",
            )


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
