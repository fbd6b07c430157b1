"""CT files of clinical size, made quickly: one encoded template, UIDs of fixed length put into it.

Pixels are noise (a different stretch of it in each file), so that nothing compresses or deduplicates them.
"""

from io import BytesIO
from itertools import count
from pathlib import Path

import numpy as np
import pydicom.data
from pydicom import Dataset, dcmread  # noqa: TID251 - tests build their input; the product uses dicomio
from pydicom.uid import UID

SIDE = 512
_FRAME = SIDE * SIDE * 2
_PAD = b"\x5a\xa5" * 64  # marks the pixels in the encoded template
_STUDY, _SERIES, _INSTANCE = ("2.25.1" + f"{number}" * 30 for number in (1, 2, 3))
_numbers = count(1)  # every UID of a run is new


class CtFiles:
    """Writes studies of square 16 bit CTs, 512 x 512 by default (0.53 MB each)."""

    def __init__(self, side: int = SIDE) -> None:
        self._samples = side * side
        self._frame = 2 * self._samples
        self._noise = np.random.default_rng(1).integers(0, 4096, self._frame, dtype=np.uint16).tobytes()
        ds = template()
        ds.Rows = ds.Columns = side
        ds.PixelData = _PAD + bytes(self._frame - len(_PAD))
        encoded = BytesIO()
        ds.save_as(encoded)
        self._head, _, _ = encoded.getvalue().partition(_PAD)

    def study(self, folder: Path, instances: int) -> list[Path]:
        """A new study of so many instances, in a folder that must not exist."""
        folder.mkdir(parents=True)
        number = next(_numbers)
        return [self._write(folder / f"{index:05}.dcm", number, index) for index in range(instances)]

    def _write(self, path: Path, study: int, index: int) -> Path:
        head = self._head
        for placeholder, value in (
            (_STUDY, f"2.25.1{study:030}"),
            (_SERIES, f"2.25.2{study:030}"),
            (_INSTANCE, f"2.25.3{study:024}{index:06}"),
        ):
            head = head.replace(placeholder.encode(), value.encode())
        start = 2 * (index * 997 % self._samples)
        with path.open("wb") as file:
            file.write(head)
            file.write(self._noise[start : start + self._frame])
        return path


def template() -> Dataset:
    """A CT header as scanners write it, 512 x 512, its UIDs placeholders."""
    ds = dcmread(str(pydicom.data.get_testdata_file("CT_small.dcm")))
    del ds[0xFFFCFFFC]  # DataSetTrailingPadding: the pixels are to be last
    ds.Rows = ds.Columns = SIDE
    ds.StudyInstanceUID, ds.SeriesInstanceUID = UID(_STUDY), UID(_SERIES)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(_INSTANCE)
    return ds


def giant(path: Path, megabytes: int) -> Path:
    """One multi-frame instance of about so many MB, written in pieces: memory does not grow with it."""
    frames = max(1, megabytes * 1_000_000 // _FRAME)
    ds = template()
    number = next(_numbers)
    ds.StudyInstanceUID, ds.SeriesInstanceUID = UID(f"2.25.1{number:030}"), UID(f"2.25.2{number:030}")
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"2.25.3{number:030}")
    ds.NumberOfFrames = frames
    ds.PixelData = b"\0\0"
    encoded = BytesIO()
    ds.save_as(encoded)
    head = encoded.getvalue()[:-6] + (frames * _FRAME).to_bytes(4, "little")
    noise = np.random.default_rng(number).integers(0, 4096, SIDE * SIDE, dtype=np.uint16).tobytes()
    with path.open("wb") as file:
        file.write(head)
        for frame in range(frames):
            turn = 2 * (frame % 1000)
            file.write(noise[turn:] + noise[:turn])
    return path
