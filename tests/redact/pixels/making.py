"""Instances made for tests, written as real Part 10 files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.payloads import EncapsulatedPayload, NativePayload
from exchange.dicomio.write import write_instance
from redact.pixels.clean import PixelOutcome
from redact.pixels.decode import FrameReader
from redact.pixels.form import PixelForm

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
CT = "1.2.840.10008.5.1.4.1.1.2"


@dataclass(frozen=True)
class Made:
    """An instance on disk as the stage sees it."""

    path: Path
    layout: FileLayout
    header: Dataset

    def frames(self) -> list[NDArray[Any]]:
        """All frames, decoded (test files are small)."""
        source = FrameReader(self.path, self.layout, self.header)
        return [source.frame(index).full().copy() for index in range(source.count)]


def form_of(rows: int, columns: int, dtype: str = "u1", samples: int = 1, bits: int = 0) -> PixelForm:
    """A form as a header would give it."""
    kind = np.dtype(dtype)
    allocated = bits or kind.itemsize * 8
    photometric = "RGB" if samples > 1 else "MONOCHROME2"
    signed = kind.kind == "i"
    return PixelForm(
        rows, columns, samples, allocated, allocated, allocated - 1, signed, photometric, 0, False, True
    )


def opened(path: Path) -> Made:
    return Made(path, examine(path), read_header(path))


def describe(values: NDArray[Any], photometric: str, **changes: Any) -> Dataset:
    """A data set for frames x rows x columns x samples."""
    frames, rows, columns, samples = values.shape
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = SECONDARY_CAPTURE, "1.2.3.4.5"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    ds.Modality, ds.PatientName, ds.PatientID = "OT", "TEST^PERSON", "T1"
    ds.Rows, ds.Columns, ds.SamplesPerPixel = rows, columns, samples
    ds.PhotometricInterpretation = photometric
    ds.NumberOfFrames = frames
    ds.BitsAllocated = values.dtype.itemsize * 8
    ds.BitsStored, ds.HighBit = ds.BitsAllocated, ds.BitsAllocated - 1
    ds.PixelRepresentation = int(values.dtype.kind == "i")
    if samples > 1:
        ds.PlanarConfiguration = 0
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    return ds


def save(path: Path, ds: Dataset, pixels: bytes, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> Made:
    """Write a data set with a native pixel value."""
    vr = "OB" if ds.BitsAllocated <= 8 else "OW"
    write_instance(path, ds, transfer_syntax_uid, NativePayload(vr, len(pixels), [pixels]))
    return opened(path)


def save_frames(path: Path, ds: Dataset, frames: list[bytes], transfer_syntax_uid: str) -> Made:
    """Write a data set with compressed frames."""
    write_instance(path, ds, transfer_syntax_uid, EncapsulatedPayload([(frame,) for frame in frames]))
    return opened(path)


def native(path: Path, values: NDArray[Any], photometric: str = "MONOCHROME2", **changes: Any) -> Made:
    """An uncompressed instance of frames x rows x columns x samples."""
    return save(path, describe(values, photometric, **changes), values.tobytes())


def written(made: Made, outcome: PixelOutcome, path: Path) -> Made:
    """Carry an outcome out, as the stage does."""
    ds = read_header(made.path)
    for keyword, value in outcome.header_updates.items():
        setattr(ds, keyword, value)
    write_instance(path, ds, outcome.transfer_syntax_uid, outcome.payload)
    return opened(path)


def outside(outcome: PixelOutcome, frame: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """True for every pixel of a frame outside all its boxes."""
    mask = np.ones(shape[:2], dtype=bool)
    for box in outcome.boxes:
        if box.frame == frame:
            mask[box.y0 : box.y1, box.x0 : box.x1] = False
    return mask
