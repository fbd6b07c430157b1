"""The reading pass: where in an instance is text that must go? Only boxes are kept, never frames."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from pydicom.dataset import Dataset

from exchange.dicomio.layout import FileLayout
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import HarvestedIdentifiers
from exchange.domain.source import Source
from redact.ocr.lines import ReadLine
from redact.ocr.matching import IdentifierMatcher
from redact.ocr.reader import TextReader
from redact.pixels.boxes import BoxRule, TextBox, merge
from redact.pixels.decode import FrameReader
from redact.pixels.own import OwnText, Whose
from redact.pixels.policy import PixelPolicy, TextMode
from redact.pixels.render import Picture, Renderer

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


def renderings(
    path: Source, layout: FileLayout, header: Dataset
) -> Iterator[tuple[int, tuple[Picture, ...]]]:
    """Each frame's index and its pictures for reading, one frame in memory at a time.

    Raises:
        HeldError: `undecodable-pixels` or `video`.
    """
    frames = FrameReader(path, layout, header)
    renderer = Renderer(frames.form, header)
    for index in range(frames.count):
        yield index, renderer.render(frames.frame(index), index)


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
    *,
    unused_bits: bool = True,
) -> Findings:
    """Read every frame; identical frames (by digest of their encoded bytes) once.

    Args:
        frames: Of the instance.
        header: Decides how hard is read.
        reader: Finds and reads the lines.
        policy: Which lines go.
        matcher: Of the study's identifiers; where identity is retained it is asked before the policy.
        unused_bits: Whether bits that hold no pixel are read, too.

    Raises:
        HeldError: `undecodable-pixels`; `identity-mismatch`, with the box of a line that names somebody else.
        ModelError: A model failed.
    """
    mode = policy.mode(header)
    renderer = Renderer(frames.form, header, unused_bits=unused_bits)
    known: dict[bytes, tuple[TextBox, ...]] = {}
    boxes: list[TextBox] = []
    counts: Counter[str] = Counter()
    for index in range(frames.count):
        encoded = frames.encoded(index)
        digest = sha256(encoded).digest()
        if digest not in known:
            pictures = renderer.render(frames.frame(index, encoded), index)
            judge = _Judge(policy, mode, matcher, index)
            known[digest] = _judged(pictures, reader, judge, counts)
        boxes += [_moved(box, index) for box in known[digest]]
    if mode is TextMode.ALL_TEXT and frames.count > 1:
        boxes += _recurring(boxes, frames.count, policy.recurring_share)
    return Findings(
        boxes=tuple(sorted(boxes)),
        mode=mode,
        frames=frames.count,
        distinct=len(known),
        lines=counts["lines"],
        uncertain=counts["uncertain"],
        checking=frames.checking,
    )


@dataclass(frozen=True, slots=True)
class _Judge:
    """Decides line by line what goes from one frame."""

    policy: PixelPolicy
    mode: TextMode
    matcher: IdentifierMatcher | OwnText
    frame: int

    def rule(self, line: ReadLine, lines: Sequence[ReadLine]) -> BoxRule | None:
        """The rule by which a line among those of its picture goes; None where it stays."""
        if isinstance(self.matcher, IdentifierMatcher):
            return self.policy.judge(line, self.mode, self.matcher)
        whose = self.matcher.whose(line, lines)
        if whose is Whose.OWN:
            return None
        if whose is Whose.ANOTHERS and self.matcher.hold and self.policy.is_read(line):
            raise HeldError(
                ReasonCode.IDENTITY_MISMATCH,
                "cannot keep the identity: the pixels name somebody else than the header",
                f"frame {self.frame}: {line.x0},{line.y0},{line.x1},{line.y1}",
                "look at the image: reject it where it is another's; a release has the text removed",
            )
        return BoxRule.IDENTIFIER if whose is not Whose.UNKNOWN else self.policy.gate(line, self.mode)


def _judged(
    pictures: Sequence[Picture], reader: TextReader, judge: _Judge, counts: Counter[str]
) -> tuple[TextBox, ...]:
    """The boxes of one frame, numbered 0, over all its renderings."""
    boxes: list[TextBox] = []
    for picture in pictures:
        lines = reader.read(picture)
        for line in lines:
            counts["lines"] += 1
            rule = judge.rule(line, lines)
            if rule is not None:
                boxes.append(TextBox(0, line.y0, line.x0, line.y1, line.x1, rule, line.confidence))
            elif judge.mode is TextMode.STRICT and judge.policy.uncertain(line):
                counts["uncertain"] += 1
    return merge(boxes)


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
