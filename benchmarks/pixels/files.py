"""Pictures as DICOM files: ultrasound or a capture in RGB, a capture in grey, a CT in 16 bits."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from benchmarks.pixels.people import Person
from benchmarks.pixels.pictures import Form, Lettered

_ROOT = "1.2.826.0.1.3680043.8.498.77"
_INTERCEPT = -1024
_TWELVE = 12


def write(one: Lettered, path: Path) -> Path:
    """One picture as a study of its own: headers and pixels speak of the same person."""
    number = int(one.name.replace("-", "")) + 1
    if one.form is Form.WIDE:
        ds = _ct(one)
    else:
        ds = _image(one.stored, UltrasoundImageStorage if number % 2 else SecondaryCaptureImageStorage)
    identify(ds, one.person, number)
    return save(ds, path)


def cine(frames: NDArray[np.uint8], who: Person, path: Path) -> Path:
    """An ultrasound clip: frames x rows x columns, or x 3 in RGB."""
    ds = _image(frames[0], UltrasoundMultiFrameImageStorage)
    ds.NumberOfFrames, ds.PixelData = len(frames), frames.tobytes()
    ds.FrameTime = "33"
    ds.FrameIncrementPointer = 0x00181063
    identify(ds, who, 1)
    return save(ds, path)


def save(ds: Dataset, path: Path) -> Path:
    """Explicit VR Little Endian."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if len(ds.PixelData) % 2:
        ds.PixelData += b"\0"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(path, enforce_file_format=True)
    return path


def identify(ds: Dataset, who: Person, number: int) -> None:
    """Everything that a header says of a person, and the UIDs of the n-th study."""
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName, ds.PatientID = who.patient_name, who.patient_id
    ds.PatientBirthDate, ds.PatientSex = f"{who.born:%Y%m%d}", "O"
    ds.AccessionNumber, ds.InstitutionName = who.accession, who.hospital
    ds.ReferringPhysicianName = who.referrer
    ds.PatientTelephoneNumbers = who.phone
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = f"{who.study_day:%Y%m%d}"
    ds.StudyTime = ds.ContentTime = "101500"
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = "1", 1, 1
    ds.StudyInstanceUID = f"{_ROOT}.{number}"
    ds.SeriesInstanceUID = f"{_ROOT}.{number}.1"
    ds.SOPInstanceUID = f"{_ROOT}.{number}.1.1"


def _image(stored: NDArray[np.generic], sop_class: str) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = sop_class
    ds.Modality = "OT" if sop_class == SecondaryCaptureImageStorage else "US"
    ds.ImageType = ["DERIVED", "SECONDARY"] if ds.Modality == "OT" else ["ORIGINAL", "PRIMARY"]
    if ds.Modality == "OT":
        ds.ConversionType = "WSD"
    ds.PatientOrientation = ""
    describe_pixels(ds, stored)
    return ds


def _ct(one: Lettered) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID, ds.Modality = CTImageStorage, "CT"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"] if one.original else ["DERIVED", "PRIMARY", "AXIAL"]
    if not one.original:
        ds.BurnedInAnnotation = "YES"
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = str(_INTERCEPT), "1", "HU"
    ds.WindowCenter = f"{(one.window.low + one.window.high) / 2 + _INTERCEPT:.2f}"
    ds.WindowWidth = f"{one.window.high - one.window.low:.2f}"
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = f"{_ROOT}.9", ""
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness, ds.KVP = [0.5, 0.5], "1", "120"
    describe_pixels(ds, one.stored)
    return ds


def describe_pixels(ds: Dataset, stored: NDArray[np.generic]) -> None:
    """One frame and its attributes (PS3.3 C.7.6.3); 12 bits where they are enough."""
    if stored.dtype.kind == "i" and int(stored.min()) >= 0 and int(stored.max()) < 1 << _TWELVE:
        stored = stored.astype(np.uint16)
    ds.Rows, ds.Columns = stored.shape[:2]
    ds.SamplesPerPixel = 3 if stored.ndim == 3 else 1
    ds.PhotometricInterpretation = "RGB" if stored.ndim == 3 else "MONOCHROME2"
    if stored.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = ds.BitsStored = 8 * stored.dtype.itemsize
    if stored.dtype == np.uint16:
        ds.BitsStored = _TWELVE
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    ds.PixelData = np.ascontiguousarray(stored).tobytes()
