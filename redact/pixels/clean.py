"""Cleaning the pixels of one instance: a reading pass that keeps boxes, a writing pass that streams frames.

What is written, by what was found:

- nothing to remove: the value is copied byte for byte (compressed frames lose comment segments, see
  `segments`; native values lose bytes behind the last frame);
- native pixels: the same layout, byte order and transfer syntax, other bytes only inside the boxes;
- compressed pixels: the whole instance uncompressed in Explicit VR Little Endian. One transfer syntax holds
  for all frames, and compressing anew with loss would change pixels outside the boxes. LossyImageCompression
  stays as it is: once lossy, always told (PS3.3 C.7.6.1.1.5).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from exchange.dicomio.layout import FileLayout, PixelElement
from exchange.dicomio.payloads import CopyPayload, EncapsulatedPayload, NativePayload, PixelPayload
from exchange.dicomio.syntaxes import EXPLICIT_LITTLE
from exchange.domain.source import Source
from redact.ocr.reader import TextReader
from redact.pixels.boxes import TextBox
from redact.pixels.decode import Frame, FrameReader
from redact.pixels.fill import clear_unused_bits, embedded_overlays, remove
from redact.pixels.find import Findings, read_frames
from redact.pixels.form import PixelForm, undecodable
from redact.pixels.judging import Judge, Known
from redact.pixels.policy import PixelPolicy
from redact.pixels.rules import TextMode
from redact.pixels.segments import has_comments, without_comments


@dataclass(frozen=True, slots=True)
class PixelOutcome:
    """What was decided about an instance's pixels, and the payload that carries it out.

    Attributes:
        payload: For `exchange.dicomio.write.write_instance`; decodes again while it is written.
        transfer_syntax_uid: To write with.
        header_updates: Keyword → value that the payload makes true (photometric interpretation, …).
        boxes: Removed, with their margin, clipped to the frame.
        frames: Frames of the instance.
        touched_frames: Of them, those with at least one box.
        decoder: `native`, `single` or `cross-checked`.
        mode: How hard it was read.
        reads: Counts for receipt and report: `frames`, `distinct`, `lines`, `boxes`, `uncertain`,
            `overlayPlanes` (embedded in pixel bits and cleared), `commentSegments` (frames stripped of them).
    """

    payload: PixelPayload
    transfer_syntax_uid: str
    header_updates: Mapping[str, str | int]
    boxes: tuple[TextBox, ...]
    frames: int
    touched_frames: int
    decoder: str
    mode: TextMode
    reads: Mapping[str, int] = field(default_factory=dict)


def clean_pixels(
    path: Source,
    layout: FileLayout,
    header: Dataset,
    reader: TextReader,
    policy: PixelPolicy,
    identifiers: Known,
) -> PixelOutcome:
    """Find the text of one instance and prepare its clean pixels.

    Args:
        path: The file (`layout.source`); it must stay until the payload is written.
        layout: What `examine` found; it has pixels.
        header: The *original* header.
        reader: The cleaner's reader.
        policy: What the profile says.
        identifiers: Of the patient, harvested over the study; with the identity apart where it is retained.

    Raises:
        HeldError: `undecodable-pixels` or `video`; `identity-mismatch`; `uncertain-text`.
        ModelError: A model failed.
    """
    frames = FrameReader(path, layout, header)
    findings = read_frames(frames, header, reader, Judge.of(policy, header, identifiers))
    return _outcome(frames, layout, header, findings)


def remove_boxes(
    path: Source,
    layout: FileLayout,
    header: Dataset,
    boxes: Sequence[TextBox],
    policy: PixelPolicy | None = None,
) -> PixelOutcome:
    """Prepare clean pixels with exactly these boxes removed, without reading anything.

    For boxes that a person, the device catalogue or the proof ordered; a repair passes the boxes of the first
    outcome and those of the proof.

    Raises:
        HeldError: `undecodable-pixels` or `video`.
    """
    frames = FrameReader(path, layout, header)
    inside = tuple(sorted(box for box in boxes if 0 <= box.frame < frames.count))
    mode = (policy or PixelPolicy()).mode(header)
    return _outcome(frames, layout, header, Findings(inside, mode, frames.count, 0, 0, 0, frames.checking))


def _outcome(frames: FrameReader, layout: FileLayout, header: Dataset, findings: Findings) -> PixelOutcome:
    boxes = findings.boxes
    overlays = embedded_overlays(header, frames.form) if not frames.encapsulated else 0
    plan = _Plan(frames, boxes, mask=overlays > 0)
    rewritten = _rewritten(plan, layout) if boxes or overlays else _unchanged(frames, layout)
    form = frames.form
    return PixelOutcome(
        payload=rewritten.payload,
        transfer_syntax_uid=rewritten.transfer_syntax_uid,
        header_updates=rewritten.header_updates,
        boxes=tuple(box.padded(form.rows, form.columns) for box in boxes),
        frames=frames.count,
        touched_frames=len({box.frame for box in boxes}),
        decoder=findings.checking,
        mode=findings.mode,
        reads=_counts(findings, len(boxes), overlays, rewritten.stripped),
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the writing pass does."""

    frames: FrameReader
    boxes: tuple[TextBox, ...]
    mask: bool

    def frame(self, index: int) -> Frame:
        """One frame, decoded again and cleaned."""
        frame = self.frames.frame(index)
        if self.mask:
            clear_unused_bits(frame, self.frames.form)
        remove(frame, (box for box in self.boxes if box.frame == index), self.frames.form)
        return frame


@dataclass(frozen=True, slots=True)
class _Rewritten:
    """A payload and what it makes true; `stripped` counts frames that lost comments."""

    payload: PixelPayload
    transfer_syntax_uid: str
    header_updates: Mapping[str, str | int] = field(default_factory=dict)
    stripped: int = 0


def _rewritten(plan: _Plan, layout: FileLayout) -> _Rewritten:
    frames, form = plan.frames, plan.frames.form
    pixels = _element(layout)
    if form.bits_allocated == 1:
        length = -(-form.rows * form.columns * frames.count // 8)
        return _Rewritten(NativePayload("OB", length, _packed_bits(plan)), EXPLICIT_LITTLE)
    if frames.encapsulated:
        size = form.rows * form.columns * form.samples * form.dtype.itemsize
        vr = "OB" if form.bits_allocated == 8 else "OW"
        chunks = (plan.frame(index).native(form) for index in range(frames.count))
        updates = _decoded_updates(frames.frame(0), form)
        return _Rewritten(NativePayload(vr, size * frames.count, chunks), EXPLICIT_LITTLE, updates)
    length = frames.source.frame_length * frames.count
    payload = NativePayload(pixels.vr, length, _native_chunks(plan), pixels.tag)
    return _Rewritten(payload, layout.transfer_syntax_uid)


def _element(layout: FileLayout) -> PixelElement:
    if layout.pixels is None:
        raise undecodable("the instance has none")
    return layout.pixels


def _native_chunks(plan: _Plan) -> Iterator[bytes]:
    touched = {box.frame for box in plan.boxes}
    for index in range(plan.frames.count):
        if plan.mask or index in touched:
            yield plan.frames.stored(plan.frame(index))
        else:
            yield plan.frames.encoded(index)


def _packed_bits(plan: _Plan) -> Iterator[bytes]:
    """Single bits of all frames without gaps between frames (PS3.5 8.1.1): a frame may end inside a byte."""
    size = plan.frames.form.rows * plan.frames.form.columns
    rest, width = 0, 0
    for index in range(plan.frames.count):
        bits = int.from_bytes(plan.frame(index).native(plan.frames.form), "little") & ((1 << size) - 1)
        rest, width = rest | bits << width, width + size
        whole = width // 8
        yield (rest & ((1 << whole * 8) - 1)).to_bytes(whole, "little")
        rest, width = rest >> whole * 8, width - whole * 8
    if width:
        yield rest.to_bytes(1, "little")


def _decoded_updates(frame: Frame, form: PixelForm) -> dict[str, str | int]:
    """What decoding changed about the pixels (PS3.5 8.2: the header describes what is sent)."""
    updates: dict[str, str | int] = {}
    if frame.photometric != form.photometric:
        updates["PhotometricInterpretation"] = frame.photometric
    if form.samples > 1:
        updates["PlanarConfiguration"] = 0
    return updates


def _unchanged(frames: FrameReader, layout: FileLayout) -> _Rewritten:
    """The source's bytes, without what hides beside the pixels."""
    syntax = layout.transfer_syntax_uid
    copy = _Rewritten(CopyPayload(layout), syntax)
    if not frames.encapsulated:
        if not frames.source.surplus or frames.form.bits_allocated == 1:
            return copy
        pixels = _element(layout)
        length = frames.source.frame_length * frames.count
        chunks = (frames.encoded(index) for index in range(frames.count))
        return _Rewritten(NativePayload(pixels.vr, length, chunks, pixels.tag), syntax)
    stripped = sum(has_comments(frames.encoded(index), syntax) for index in range(frames.count))
    if not stripped:
        return copy
    bare = ((without_comments(frames.encoded(index), syntax),) for index in range(frames.count))
    return _Rewritten(EncapsulatedPayload(bare), syntax, stripped=stripped)


def _counts(findings: Findings, boxes: int, overlays: int, stripped: int) -> dict[str, int]:
    return {
        "frames": findings.frames,
        "distinct": findings.distinct,
        "lines": findings.lines,
        "boxes": boxes,
        "uncertain": findings.uncertain,
        "overlayPlanes": overlays,
        "commentSegments": stripped,
    }
