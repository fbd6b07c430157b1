"""What a worker does to bring one frozen file into another transfer syntax, and how it proves it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from agent.workers.child import WorkerContext
from exchange.dicomio.digest import dataset_sha256
from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header_at
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.payloads import CopyPayload, NativePayload, PixelPayload
from exchange.dicomio.transcode import (
    compare_headers,
    encode_unconverted,
    native_copy,
    possible_targets,
    read_unconverted,
)
from exchange.dicomio.write import write_instance
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError, InputError
from exchange.domain.source import Source
from redact.pixels.decode import FrameReader

TRANSCODE = "agent.pipeline.transcoding:transcode_file"


@dataclass(frozen=True, slots=True)
class TranscodeTask:
    """One instance: the frozen file with its digest, where to write, and in which transfer syntax."""

    source: Source
    sha256: str
    target: Path
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Transcoded:
    """What was written, and proved: header and decoded frames are the source's."""

    sha256: str
    byte_count: int


@dataclass(frozen=True, slots=True)
class Untranscoded:
    """Why there is no rendition; free of values."""

    why: str


def transcode_file(task: TranscodeTask, _context: WorkerContext) -> Transcoded | Untranscoded:
    """Write one rendition and prove it; what cannot be proved is not kept."""
    try:
        return _transcode(task)
    except (InputError, HeldError) as error:
        task.target.unlink(missing_ok=True)
        return Untranscoded(error.message)


def _transcode(task: TranscodeTask) -> Transcoded | Untranscoded:
    layout = examine(task.source)
    if task.transfer_syntax_uid not in possible_targets(layout.transfer_syntax_uid):
        return Untranscoded("it is compressed with loss; let the peer accept its transfer syntax")
    if dataset_sha256(task.source) != task.sha256:
        return Untranscoded("the frozen file is not what was attested")
    header = read_header_at(layout)
    payload, updates = _payload(task.source, layout, header)
    ds = read_unconverted(layout)
    for keyword, value in updates.items():
        setattr(ds, keyword, value)
    written = write_instance(task.target, ds, task.transfer_syntax_uid, payload, encode_unconverted)
    problem = _difference(task, layout, frozenset(updates))
    if problem:
        task.target.unlink(missing_ok=True)
        return Untranscoded(problem)
    return Transcoded(written.sha256, written.byte_count)


def _payload(
    source: Source, layout: FileLayout, header: Dataset
) -> tuple[PixelPayload | None, dict[str, str | int]]:
    """The pixels to be written, and what they change in the header (PS3.5 8.2)."""
    if layout.pixels is None:
        return None, {}
    if not layout.pixels.encapsulated:
        return CopyPayload(layout), {}
    frames = FrameReader(source, layout, header)
    form = frames.form
    if form.bits_allocated == 1 and form.rows * form.columns % 8:
        raise InputError(ReasonCode.TRANSFER_SYNTAX, "cannot decompress the frames: they end inside a byte")
    first = frames.frame(0)
    updates: dict[str, str | int] = {}
    if first.photometric != form.photometric:
        updates["PhotometricInterpretation"] = first.photometric
    if form.samples > 1:
        updates["PlanarConfiguration"] = 0
    size = form.rows * form.columns * form.samples * form.bits_allocated // 8
    vr = "OB" if form.bits_allocated <= 8 else "OW"
    return NativePayload(vr, size * frames.count, _decoded(frames)), updates


def _decoded(frames: FrameReader) -> Iterator[bytes]:
    for index in range(frames.count):
        yield frames.frame(index).native(frames.form)


def _difference(task: TranscodeTask, layout: FileLayout, updated: frozenset[str]) -> str:
    """Read both files again; what differs that may not, "" when nothing does."""
    after = examine(task.target)
    problem = compare_headers(layout, after, updated)
    if problem or layout.pixels is None or native_copy(layout, after):
        return problem
    with_before = FrameReader(task.source, layout, read_header_at(layout))
    with_after = FrameReader(task.target, after, read_header_at(after))
    if with_before.count != with_after.count:
        return "the number of frames changed"
    for index in range(with_before.count):
        if not np.array_equal(with_before.frame(index).full(), with_after.frame(index).full()):
            return "decoded frames differ"
    return ""
