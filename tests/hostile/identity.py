"""What every instance carries: the patient, the study, its UIDs and dates, and descriptors that mix both."""

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.tag import Tag
from pydicom.uid import UID

from tests.hostile.drafts import Draft, drop, mapped_uid, pseudonym_of, put, tag_of
from tests.hostile.key import FILE_NAME, Action, Check
from tests.hostile.people import Secret, around

# What a base file may say of its own patient, and what nothing here plants.
_OWN = (
    "OtherPatientIDs", "OtherPatientNames", "PatientBirthTime", "PatientAge", "IssuerOfPatientID",
    "PatientComments", "OtherPatientIDsSequence", "RequestAttributesSequence", "AdditionalPatientHistory",
    "EthnicGroup", "FillerOrderNumberProcedure",
)  # fmt: skip
_STUDY_DATES = (
    "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "InstanceCreationDate",
    "PerformedProcedureStepStartDate", "StructureSetDate", "RTPlanDate",
)  # fmt: skip
_TECHNICAL = (
    "SOPClassUID", "Modality", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "SamplesPerPixel", "PhotometricInterpretation", "PixelSpacing",
    "SliceThickness", "KVP", "RescaleSlope", "RescaleIntercept", "WindowCenter", "RepetitionTime",
    "EchoTime", "MagneticFieldStrength", "Units", "DoseUnits", "NumberOfFrames",
    "ImageOrientationPatient", "ImagePositionPatient", "SegmentationType", "ValueType",
)  # fmt: skip
_EXACT = frozenset({"CS", "DS", "IS", "US"})
_PHRASES = (
    "CT CHEST w/o", "chest with contrast", "axial T1", "brain routine", "knee left", "follow up",
    "abdomen pelvis", "lumbar spine", "MR BRAIN w", "portable chest", "right shoulder", "thorax",
)  # fmt: skip


def identify(draft: Draft) -> None:
    """Give the instance its patient and study."""
    top, patient, case, ds = draft.top, draft.patient, draft.case, draft.ds
    for keyword in _OWN:
        drop(ds, tag_of(keyword))
    if draft.charset.terms:
        put(ds, tag_of("SpecificCharacterSet"), "CS", "\\".join(draft.charset.terms).encode())
    else:
        drop(ds, tag_of("SpecificCharacterSet"))
    _patient(draft)
    draft.uid(top, "StudyInstanceUID", case.study_uid)
    draft.uid(top, "SeriesInstanceUID", case.series_uid)
    draft.uid(top, "SOPInstanceUID", case.sop_uid, words=_identifying(draft, case.sop_uid))
    ds.file_meta.MediaStorageSOPInstanceUID = UID(mapped_uid(case.sop_uid) if draft.answer else case.sop_uid)
    if "FrameOfReferenceUID" in ds:
        draft.uid(top, "FrameOfReferenceUID", case.frame_of_reference)
    for keyword in _STUDY_DATES:
        if keyword == "StudyDate" or keyword in ds:
            draft.date(top, keyword, case.day)
    _study(draft)
    draft.region(FILE_NAME, Secret("", (_plain(patient.name.family), patient.digits), scan=False))


def _identifying(draft: Draft, uid: str) -> tuple[str, ...]:
    return (draft.patient.digits,) if draft.patient.digits in uid else ()


def _patient(draft: Draft) -> None:
    top, patient = draft.top, draft.patient
    if draft.answer:
        put(top.ds, tag_of("PatientName"), "PN", pseudonym_of(patient).encode())
        put(top.ds, tag_of("PatientID"), "LO", pseudonym_of(patient).encode())
    else:
        put(top.ds, tag_of("PatientName"), "PN", draft.charset.encode(patient.name.dicom))
        put(top.ds, tag_of("PatientID"), "LO", patient.patient_id.encode())
    draft.region("(0010,0010)", patient.whole_name)
    draft.region("(0010,0020)", Secret(patient.patient_id, (patient.patient_id,)))
    draft.checks.append(Check(Action.PATIENT_ID_CONSISTENT, "(0010,0020)", value=patient.patient_id))
    draft.checks.append(Check(Action.TEXT_NOT_NULL, "(0010,0020)"))
    born = f"{patient.born:%Y%m%d}"
    draft.text(top, "PatientBirthDate", Secret(born, (born,), scan=False))
    draft.text(top, "PatientAddress", patient.next_address())
    # The record has one form of the number, whatever forms the texts have.
    draft.text(top, "PatientTelephoneNumbers", patient.phone_on_record)


def _study(draft: Draft) -> None:
    top, patient, case = draft.top, draft.patient, draft.case
    accession = patient.accession(case.number)
    draft.text(top, "AccessionNumber", Secret(accession, (accession,)))
    draft.text(
        top, "ReferringPhysicianName", Secret(patient.referrer, tuple(patient.referrer.split("^")[:1]))
    )
    draft.text(top, "OperatorsName", Secret(patient.operator, tuple(patient.operator.split("^")[:1])))
    draft.text(top, "InstitutionName", Secret(patient.hospital, (patient.town,)))
    draft.text(top, "StudyDescription", *mixed(draft), retain=True)
    draft.text(top, "SeriesDescription", *mixed(draft), retain=True)


def mixed(draft: Draft) -> tuple[str | Secret, ...]:
    """Clinical words and an identifier in one sentence."""
    patient, phrase = draft.patient, draft.chance.choice(_PHRASES)
    day = patient.next_date(draft.chance.choice((patient.born, draft.case.day)))
    forms: tuple[tuple[str | Secret, ...], ...] = (
        (phrase, around(", pt ", patient.next_name())),
        (around("", patient.next_name(), " - "), phrase),
        (phrase, around(" for ", patient.next_name())),
        (phrase, around(" MRN ", patient.next_id())),
        (phrase, around(" DOB ", day)),
        (phrase, around(", call ", patient.next_phone())),
        (phrase, around(" ref ", patient.next_person())),
        (phrase, around(" at ", Secret(patient.hospital, (patient.town,)))),
    )
    return draft.chance.choice(forms)


def note_technical(draft: Draft) -> None:
    """What of the base must stay: its technical values."""
    for keyword in _TECHNICAL:
        tag = tag_of(keyword)
        if tag not in draft.ds:
            continue
        element: DataElement = draft.ds[Tag(tag)]
        place = draft.top.path(tag)
        draft.checks.append(Check(Action.TAG_RETAINED, place))
        if not element.is_empty:
            draft.checks.append(Check(Action.TEXT_NOT_NULL, place))
        # What compressed pixels are is said by their own bytes, and real files lie about it.
        exact = (
            keyword != "PhotometricInterpretation" or not draft.ds.file_meta.TransferSyntaxUID.is_compressed
        )
        if exact and dictionary_VR(tag) in _EXACT and element.VM == 1:
            draft.checks.append(Check(Action.TEXT_RETAINED, place, value=str(element.value).strip()))


def file_name(draft: Draft, number: int) -> str:
    """The hostile file's path within the set: it names the patient and the study, as exports do."""
    patient = draft.patient
    family = _plain(patient.name.family)
    return f"{family}_{patient.digits}/{draft.case.number}/{draft.instance.modality}-{family}-{number:03}.dcm"


def _plain(text: str) -> str:
    return text.replace("'", "").replace(" ", "")
