"""What speed is measured on: an anatomy-like frame of any size, a clip, a CT study, long clips."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from benchmarks.pixels import files, grounds_made, grounds_real
from benchmarks.pixels.people import Person, line, person
from benchmarks.pixels.people import Script as _Script
from redact.pixels.render import stretched
from tests.hostile.chance import Chance
from tests.support.corpus import find_corpus

Frame = NDArray[np.uint8]

_SLICE = "wsi-libdicom/ct_brain_single.dcm"
_LINES = 4


def who() -> Person:
    """The person of all these files."""
    return person(Chance("speed"))


def frame(side: int, number: int) -> Frame:
    """Grey, side x side; every second one with four lines in a corner, as high as devices write them."""
    chance = Chance(f"speed/{side}/{number}")
    levels = grounds_made.anatomy(side, side, np.random.default_rng(number), chance)
    picture = np.asarray(np.clip(levels, 0, 255), np.uint8)
    if number % 2:
        _write(picture, chance, max(0.5, side / 2048))
    return picture


def _write(picture: Frame, chance: Chance, scale: float) -> None:
    colour = 235 if picture.ndim == 2 else (235, 235, 120)
    for index in range(_LINES):
        text = line(chance, who(), _Script.LATIN)[1]
        at = 10, round(scale * 2 * (24 + 22 * index))
        thick = max(1, round(scale))
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thick, cv2.LINE_AA)


def clip(count: int, rows: int, columns: int) -> NDArray[np.uint8]:
    """An ultrasound clip in RGB: speckle that moves, lines that stand."""
    chance = Chance("clip")
    noise = np.random.default_rng(3)
    ground = np.clip(grounds_made.sector(rows, columns, noise, chance), 0, 255).astype(np.float32)
    made = np.empty((count, rows, columns, 3), np.uint8)
    inside = cv2.GaussianBlur((ground > 0).astype(np.float32), (0, 0), 5) > 0.6
    overlay = np.zeros((rows, columns, 3), np.uint8)
    _write(overlay, chance, 0.5)
    for number in range(count):
        moved = np.roll(ground, (number % 7) - 3, axis=1) * inside * noise.uniform(0.85, 1.0)
        made[number] = np.where(overlay > 0, overlay, np.clip(moved, 0, 255).astype(np.uint8)[..., None])
    return made


def long_clip(count: int, side: int) -> NDArray[np.uint8]:
    """Grey frames that all differ, with little in them: for memory, not for speed."""
    made = np.empty((count, side, side), np.uint8)
    y, x = np.mgrid[0:side, 0:side]
    for number in range(count):
        at = side * (0.3 + 0.4 * (number % 50) / 50), side * (0.3 + 0.4 * (number // 50 % 20) / 20)
        made[number] = np.clip(150 - 1.2 * np.hypot(x - at[0], y - at[1]), 0, 255)
        made[number, 0, :2] = number % 256, number // 256
    return made


def shown(path: Path) -> NDArray[np.uint8]:
    """A slice by its window."""
    one = grounds_real.ground(path)
    return stretched(one.values, one.window.low, one.window.high)


def ct_study(folder: Path, count: int) -> str:
    """Slices made from a real one: each moved, stretched and with its own noise; says which one."""
    corpus = find_corpus()
    found = corpus / _SLICE if corpus is not None else Path(str(get_testdata_file("693_J2KR.dcm")))
    real = grounds_real.ground(found)
    noise, patient = np.random.default_rng(300), who()
    rows, columns = real.values.shape[:2]
    for number in range(count):
        grown = 1 + 0.1 * np.sin(number / 40)
        turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), 4 * np.sin(number / 25), grown)
        turn = turn + np.pad(noise.uniform(-3, 3, (2, 1)), ((0, 0), (2, 0)))
        moved = cv2.warpAffine(real.values, turn, (columns, rows), borderMode=cv2.BORDER_REPLICATE)
        values = np.clip(np.rint(moved + noise.normal(0, 6, moved.shape)), -32768, 32767).astype(np.int16)
        ds = Dataset()
        ds.SOPClassUID, ds.Modality = CTImageStorage, "CT"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.RescaleIntercept, ds.RescaleSlope = "0", "1"
        ds.WindowCenter = f"{(real.window.low + real.window.high) / 2:.1f}"
        ds.WindowWidth = f"{real.window.high - real.window.low:.1f}"
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness, ds.KVP = [0.5, 0.5], "1", "120"
        ds.FrameOfReferenceUID = "1.2.826.0.1.3680043.8.498.77.9"
        files.describe_pixels(ds, values)
        files.identify(ds, patient, 300)
        ds.InstanceNumber = number + 1
        ds.SOPInstanceUID = f"{ds.SeriesInstanceUID}.{number + 1}"
        files.save(ds, folder / f"{number:05}.dcm")
    return found.name
