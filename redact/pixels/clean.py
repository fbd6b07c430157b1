"""Cleaning the pixels of one instance: a reading pass that keeps boxes, a writing pass that streams frames.

What is written, by what was found:

- nothing to remove: the value is copied byte for byte (compressed frames lose comment segments, see
  `segments`; native values lose bytes behind the last frame);
- native pixels: the same layout, byte order and transfer syntax, other bytes only inside the boxes;
- compressed pixels, where `encode_again` can: the same transfer syntax, touched frames compressed again
  without loss, the others as they were;
- other compressed pixels: the whole instance uncompressed in Explicit VR Little Endian. One transfer syntax
  holds for all frames, and compressing anew with loss would change pixels outside the boxes.

Once lossy, always told (PS3.3 C.7.6.1.1.5): LossyImageCompression stays, and is set where only the transfer
syntax that is given up said so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from exchange.dicomio.layout import FileLayout
from exchange.dicomio.payloads import PixelPayload
from exchange.domain.source import Source
from redact.ocr.reader import TextReader
from redact.pixels.boxes import TextBox
from redact.pixels.decode import FrameReader
from redact.pixels.fill import embedded_overlays
from redact.pixels.find import Findings, Look, read_frames
from redact.pixels.judging import Judge, Known
from redact.pixels.policy import PixelPolicy
from redact.pixels.rewrite import Plan, rewritten, unchanged
from redact.pixels.rules import Fill, TextMode


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
    cleared = embedded_overlays(header, frames.form) > 0
    judge = Judge.of(policy, header, identifiers)
    findings = read_frames(frames, header, reader, judge, look=Look(unused_bits=not cleared))
    return _outcome(frames, layout, header, findings, policy.rules.fill)


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
    policy = policy or PixelPolicy()
    findings = Findings(inside, policy.mode(header), frames.count, 0, 0, 0, frames.checking)
    return _outcome(frames, layout, header, findings, policy.rules.fill)


def _outcome(
    frames: FrameReader, layout: FileLayout, header: Dataset, findings: Findings, fill: Fill
) -> PixelOutcome:
    boxes, form = findings.boxes, frames.form
    overlays = embedded_overlays(header, form)
    if boxes or overlays:
        done = rewritten(Plan.of(frames, boxes, mask=overlays > 0, fill=fill), layout, header)
    else:
        done = unchanged(frames, layout, header)
    return PixelOutcome(
        payload=done.payload,
        transfer_syntax_uid=done.transfer_syntax_uid,
        header_updates=done.header_updates,
        boxes=tuple(box.padded(form.rows, form.columns) for box in boxes),
        frames=frames.count,
        touched_frames=len({box.frame for box in boxes}),
        decoder=frames.checking,
        mode=findings.mode,
        reads=_counts(findings, len(boxes), overlays, done.stripped),
    )


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
