"""Small studies for tests that are about the appliance, and a sender that says what was answered.

The images are 64x64, 16 bit; the person is invented and written into every header the same.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID
from pynetdicom import AE, evt

from exchange.dimse.requesting import keep_responses
from tests.support.asking import only_asks
from tests.support.ports import HOST, listens

CT = "1.2.840.10008.5.1.4.1.1.2"
BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
BASIC_VOICE = "1.2.840.10008.5.1.4.1.1.9.4.1"
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
PATIENT = ("Wendelgard", "Ulfberta", "LG-90210-7")
"""Family name, given name, patient id: must be nowhere outside."""

# A peer that is away is what these tests are about; pynetdicom would fill a failing test's report with it.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)  # noqa: TID251 - theirs, to be silenced

_ROOT = "2.25.7700"
_SIDE = 64


def study_uid(study: int) -> str:
    """The original Study Instance UID of study number `study`."""
    return f"{_ROOT}{study:04d}"


def instance_uid(study: int, number: int) -> str:
    """The original SOP Instance UID of instance `number` of study `study`."""
    return f"{study_uid(study)}.1.{number + 1}"


def make_instance(study: int, number: int = 0, sop_class: str = CT, syntax: str = EXPLICIT) -> Dataset:
    """One CT slice; the same arguments give the same bytes."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = UID(sop_class)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = UID(instance_uid(study, number))
    family, given, patient_id = PATIENT
    ds.StudyInstanceUID, ds.SeriesInstanceUID = UID(study_uid(study)), UID(f"{study_uid(study)}.1")
    ds.FrameOfReferenceUID = UID(f"{study_uid(study)}.9")
    ds.PatientName, ds.PatientID = f"{family}^{given}", patient_id
    ds.PatientBirthDate, ds.PatientSex = "19510204", "F"
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = ds.AcquisitionDate = "20260105"
    ds.StudyTime = ds.ContentTime = "101500"
    ds.Modality, ds.Manufacturer = "CT", "LGTEST"
    ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "1", "", ""
    ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = 1, number + 1, 1
    _add_image(ds, study * 1000 + number)
    return ds


def _add_image(ds: Dataset, seed: int) -> None:
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.PositionReferenceIndicator, ds.KVP = "", "120"
    ds.ImagePositionPatient = [0, 0, float(ds.InstanceNumber)]
    ds.ImageOrientationPatient, ds.PixelSpacing, ds.SliceThickness = [1, 0, 0, 0, 1, 0], [1, 1], 1
    ds.Rows = ds.Columns = _SIDE
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = -1024, 1, "HU"
    noise = np.random.default_rng(seed).integers(900, 1100, (_SIDE, _SIDE), dtype=np.uint16)
    ds.PixelData = noise.tobytes()


def make_study(study: int, count: int = 2) -> list[Dataset]:
    """A study of `count` slices in one series."""
    return [make_instance(study, number) for number in range(count)]


def make_report(study: int, number: int = 0) -> Dataset:
    """A Basic Text SR that says nothing of anybody."""
    ds = make_instance(study, number, BASIC_TEXT_SR)
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "ImageType"):
        del ds[keyword]
    ds.Modality, ds.ValueType, ds.ContinuityOfContent = "SR", "CONTAINER", "SEPARATE"
    ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "UNVERIFIED"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = (
        "18748-4",
        "LN",
        "Diagnostic Imaging Report",
    )
    ds.ConceptNameCodeSequence = [code]
    text = Dataset()
    text.RelationshipType, text.ValueType, text.TextValue = "CONTAINS", "TEXT", "No finding."
    text.ConceptNameCodeSequence = [code]
    ds.ContentSequence = [text]
    return ds


def make_recording(study: int, number: int = 0) -> Dataset:
    """A voice recording, of which no cleaned bytes are made (`structured-content`)."""
    ds = make_instance(study, number, BASIC_VOICE)
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "ImageType"):
        del ds[keyword]
    ds.Modality = "AU"
    sound = Dataset()
    sound.MultiplexGroupTimeOffset, sound.WaveformOriginality = "0", "ORIGINAL"
    sound.NumberOfWaveformChannels, sound.NumberOfWaveformSamples, sound.SamplingFrequency = 1, 8, "8000"
    sound.WaveformBitsAllocated, sound.WaveformSampleInterpretation = 8, "UB"
    sound.WaveformData = bytes(8)
    ds.WaveformSequence = [sound]
    return ds


def make_undecodable(study: int, number: int = 0) -> Dataset:
    """A slice whose pixels say that they are JPEG and are none."""
    from pydicom.encaps import encapsulate

    ds = make_instance(study, number, syntax=JPEG_BASELINE)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.PixelData = encapsulate([b"\xff\xd8" + b"\x00garbage that no codec takes" * 20])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


Answered = Callable[[str, int], None]


def send(
    port: int,
    called_ae: str,
    instances: Sequence[Dataset],
    on_answer: Answered | None = None,
    calling_ae: str = "SENDER",
) -> dict[str, int]:
    """C-STORE over one association; what was answered, by SOP Instance UID.

    What is missing in the answer was not answered: no association, or it was lost on the way.
    """
    if not listens(port):  # asked first: pynetdicom leaves its socket open when nobody does
        return {}
    ae = AE(calling_ae)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = 30
    for pair in _contexts(instances):
        ae.add_requested_context(*pair)
    opened = [(evt.EVT_CONN_OPEN, keep_responses)]
    association = only_asks(ae.associate(HOST, port, ae_title=called_ae, evt_handlers=opened))
    answered: dict[str, int] = {}
    try:
        for ds in instances if association.is_established else ():
            status = _store(association, ds)
            if status is None:
                break
            answered[str(ds.SOPInstanceUID)] = status
            if on_answer is not None:
                on_answer(str(ds.SOPInstanceUID), status)
    finally:
        if association.is_established:
            association.release()
    return answered


def _contexts(instances: Iterable[Dataset]) -> list[tuple[str, str]]:
    pairs = ((str(ds.SOPClassUID), str(ds.file_meta.TransferSyntaxUID)) for ds in instances)
    return list(dict.fromkeys(pairs))


def _store(association: Any, ds: Dataset) -> int | None:
    try:
        answer = association.send_c_store(ds)
    except (RuntimeError, OSError):  # the association was lost before this one could be sent
        return None
    return int(answer.Status) if "Status" in answer else None
