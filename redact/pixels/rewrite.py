"""The writing pass: payloads of clean pixels that stream frames, and what they make true in the header."""

import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile

import numpy as np
from pydicom.dataset import Dataset

from exchange.dicomio.layout import FileLayout, PixelElement
from exchange.dicomio.limits import MIB
from exchange.dicomio.payloads import (
    CopyPayload,
    EncapsulatedPayload,
    NativePayload,
    OffsetTable,
    PixelPayload,
)
from exchange.dicomio.syntaxes import EXPLICIT_LITTLE
from redact.pixels.boxes import TextBox
from redact.pixels.decode import Frame, FrameReader
from redact.pixels.encode import can_encode, encode_again
from redact.pixels.fill import clear_unused_bits, remove
from redact.pixels.form import PixelForm, undecodable
from redact.pixels.history import lossy_history
from redact.pixels.rules import Fill
from redact.pixels.segments import without_comments


@dataclass(frozen=True, slots=True)
class Plan:
    """What the writing pass does.

    Attributes:
        frames: Of the instance.
        boxes: To be removed, unpadded, by frame.
        mask: Whether bits that hold no pixel are cleared.
        fill: What takes the place of what goes.
    """

    frames: FrameReader
    boxes: Mapping[int, Sequence[TextBox]]
    mask: bool
    fill: Fill = Fill.BACKGROUND

    @classmethod
    def of(
        cls, frames: FrameReader, boxes: Iterable[TextBox], *, mask: bool, fill: Fill = Fill.BACKGROUND
    ) -> "Plan":
        """With boxes in any order."""
        by_frame: dict[int, list[TextBox]] = {}
        for box in boxes:
            by_frame.setdefault(box.frame, []).append(box)
        return cls(frames, by_frame, mask, fill)

    @property
    def touched(self) -> Collection[int]:
        """Frames that may become others, in ascending order."""
        return range(self.frames.count) if self.mask else sorted(self.boxes)

    def frame(self, index: int) -> tuple[Frame, bool]:
        """One frame, decoded again and cleaned, and whether it is another than before."""
        frame = self.frames.frame(index)
        masked = self.mask and clear_unused_bits(frame, self.frames.form)
        boxes = self.boxes.get(index, ())
        remove(frame, boxes, self.frames.form, self.fill)
        return frame, masked or bool(boxes)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A payload and what it makes true; `stripped` counts frames that lost comments."""

    payload: PixelPayload
    transfer_syntax_uid: str
    header_updates: Mapping[str, str | int] = field(default_factory=dict)
    stripped: int = 0


def rewritten(plan: Plan, layout: FileLayout, header: Dataset) -> Rewritten:
    """Clean pixels where something is to be removed.

    Raises:
        HeldError: `undecodable-pixels`.
    """
    frames, form = plan.frames, plan.frames.form
    if frames.encapsulated:
        return _compressed(plan, layout, header) or _uncompressed(plan, layout, header)
    pixels = _element(layout)
    if form.bits_allocated == 1:
        length = -(-form.rows * form.columns * frames.count // 8)
        # Bytes of bits are in order only where no words are swapped (PS3.5 8.1.1).
        ordered = layout.little_endian or pixels.vr == "OB"
        syntax = layout.transfer_syntax_uid if ordered else EXPLICIT_LITTLE
        return Rewritten(NativePayload(pixels.vr, length, _packed_bits(plan), pixels.tag), syntax)
    length = frames.source.frame_length * frames.count
    payload = NativePayload(pixels.vr, length, _native_chunks(plan), pixels.tag)
    return Rewritten(payload, layout.transfer_syntax_uid)


def unchanged(frames: FrameReader, layout: FileLayout, header: Dataset) -> Rewritten:
    """The source's bytes, without what hides beside the pixels.

    Raises:
        HeldError: `undecodable-pixels`.
    """
    syntax = layout.transfer_syntax_uid
    copy = Rewritten(CopyPayload(layout), syntax)
    if not frames.encapsulated:
        if not frames.source.surplus:
            return copy
        if frames.form.bits_allocated == 1:
            return rewritten(Plan.of(frames, (), mask=False), layout, header)
        pixels = _element(layout)
        length = frames.source.frame_length * frames.count
        chunks = (frames.encoded(index) for index in range(frames.count))
        return Rewritten(NativePayload(pixels.vr, length, chunks, pixels.tag), syntax)
    stripped = sum(_stripped(frames, index, syntax)[1] for index in range(frames.count))
    if not stripped and not frames.source.surplus:
        return copy
    bare = ((_bare(frames, index, syntax),) for index in range(frames.count))
    return Rewritten(EncapsulatedPayload(bare, _table(header)), syntax, stripped=stripped)


def _element(layout: FileLayout) -> PixelElement:
    if layout.pixels is None:
        raise undecodable("the instance has none")
    return layout.pixels


def _bare(frames: FrameReader, index: int, syntax: str) -> bytes:
    """A frame's bytes without comments.

    Raises:
        HeldError: `undecodable-pixels`: without them it is another picture.
    """
    bare, stripped = _stripped(frames, index, syntax)
    if not stripped:
        return bare
    before, after = frames.frame(index), frames.frame(index, bare)
    if before.photometric != after.photometric or not np.array_equal(before.pixels, after.pixels):
        raise undecodable("a frame decodes to other values without its comments", f"frame {index}")
    return bare


def _stripped(frames: FrameReader, index: int, syntax: str) -> tuple[bytes, bool]:
    """A frame's bytes without comments, and whether it had any."""
    encoded = frames.encoded(index)
    try:
        bare = without_comments(encoded, syntax, frames.form)
        return bare, bare != encoded
    except ValueError as error:
        raise undecodable("a frame is damaged", f"frame {index}") from error


def _table(header: Dataset) -> OffsetTable:
    return OffsetTable.EXTENDED if header.get("ExtendedOffsetTable") else OffsetTable.BASIC


class _Recompressed:
    """Touched frames in the source's transfer syntax, on the side: in memory while few."""

    def __init__(self) -> None:
        self._stage = SpooledTemporaryFile(max_size=16 * MIB)  # noqa: SIM115 - see `_close`
        self._close = weakref.finalize(self, self._stage.close)
        self._places: dict[int, tuple[int, int]] = {}

    def add(self, index: int, stream: bytes) -> None:
        self._places[index] = (self._stage.seek(0, 2), len(stream))
        self._stage.write(stream)

    def get(self, index: int) -> bytes | None:
        if index not in self._places:
            return None
        offset, length = self._places[index]
        self._stage.seek(offset)
        return self._stage.read(length)


def _compressed(plan: Plan, layout: FileLayout, header: Dataset) -> Rewritten | None:
    """Touched frames compressed again without loss, the others as they were; None where one cannot be."""
    frames, syntax = plan.frames, layout.transfer_syntax_uid
    if not can_encode(syntax, frames.form):
        return None
    again = _Recompressed()
    for index in plan.touched:
        frame, changed = plan.frame(index)
        if not changed:
            continue
        stream = encode_again(syntax, frame, frames.encoded(index), frames.form, frames.decoders)
        if stream is None:
            return None
        again.add(index, stream)
    chunks = ((again.get(index) or _bare(frames, index, syntax),) for index in range(frames.count))
    return Rewritten(EncapsulatedPayload(chunks, _table(header)), syntax)


def _uncompressed(plan: Plan, layout: FileLayout, header: Dataset) -> Rewritten:
    frames, form = plan.frames, plan.frames.form
    if form.bits_allocated == 1:
        length = -(-form.rows * form.columns * frames.count // 8)
        return Rewritten(NativePayload("OB", length, _packed_bits(plan)), EXPLICIT_LITTLE)
    size = form.rows * form.columns * form.samples * form.dtype.itemsize
    vr = "OB" if form.bits_allocated == 8 else "OW"
    chunks = (plan.frame(index)[0].native(form) for index in range(frames.count))
    updates = _decoded_updates(frames.photometric, form)
    updates |= lossy_history(layout, header, frames.encoded(0), size * frames.count)
    return Rewritten(NativePayload(vr, size * frames.count, chunks), EXPLICIT_LITTLE, updates)


def _native_chunks(plan: Plan) -> Iterator[bytes]:
    touched = frozenset(plan.touched)
    for index in range(plan.frames.count):
        if index in touched:
            yield plan.frames.stored(plan.frame(index)[0])
        else:
            yield plan.frames.encoded(index)


def _packed_bits(plan: Plan) -> Iterator[bytes]:
    """Single bits of all frames without gaps between frames (PS3.5 8.1.1): a frame may end inside a byte."""
    size = plan.frames.form.rows * plan.frames.form.columns
    rest, width = 0, 0
    for index in range(plan.frames.count):
        bits = int.from_bytes(plan.frame(index)[0].native(plan.frames.form), "little") & ((1 << size) - 1)
        rest, width = rest | bits << width, width + size
        whole = width // 8
        yield (rest & ((1 << whole * 8) - 1)).to_bytes(whole, "little")
        rest, width = rest >> whole * 8, width - whole * 8
    if width:
        yield rest.to_bytes(1, "little")


def _decoded_updates(photometric: str, form: PixelForm) -> dict[str, str | int]:
    """What decoding changed about the pixels (PS3.5 8.2: the header describes what is sent)."""
    updates: dict[str, str | int] = {}
    if photometric != form.photometric:
        updates["PhotometricInterpretation"] = photometric
    if form.samples > 1:
        updates["PlanarConfiguration"] = 0
    return updates
