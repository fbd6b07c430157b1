"""Places in and around the data set: preamble, file meta, text, items, what others did, dates, UIDs."""

from datetime import timedelta

from pydicom.datadict import dictionary_VR

from tests.hostile.drafts import Draft, Spot, put, tag_of
from tests.hostile.identity import mixed
from tests.hostile.key import PREAMBLE, WHOLE_FILE
from tests.hostile.people import Secret

_DESCRIPTORS = (
    "ProtocolName", "ImageComments", "AdditionalPatientHistory", "DerivationDescription",
    "AcquisitionComments", "AdmittingDiagnosesDescription", "RequestedProcedureDescription",
    "PerformedProcedureStepDescription", "AcquisitionProtocolDescription", "ReasonForStudy",
    "MedicalAlerts", "FrameComments", "VisitComments",
)  # fmt: skip
_REMOVED_TEXT = (
    "PatientComments", "Occupation", "StudyComments", "TextComments", "TextString",
    "PatientMotherBirthName", "PatientBirthName", "OtherPatientIDs", "OtherPatientNames", "MilitaryRank",
    "NamesOfIntendedRecipientsOfResults", "RequestingPhysician", "RequestingService",
    "PatientInstitutionResidence", "CurrentPatientLocation", "PatientReligiousPreference",
    "CountryOfResidence", "SpecialNeeds", "PatientState", "Allergies", "PhysiciansOfRecord",
    "PerformingPhysicianName", "InterpretationText", "ResultsComments", "InstitutionAddress",
    "InstitutionalDepartmentName",
)  # fmt: skip
# Attributes that Table E.1-1 does not list at all.
_UNLISTED_TEXT = (
    "ManufacturerModelName", "Manufacturer", "SoftwareVersions", "SequenceName", "ConvolutionKernel",
    "ContentDescription", "PositionReferenceIndicator", "FilterType", "ReceiveCoilName",
    "DetectorActiveShape", "PixelPresentation", "LossyImageCompressionMethod", "AcquisitionType",
    "WindowCenterWidthExplanation", "LUTExplanation", "ScanOptions",
)  # fmt: skip
_SHORT = frozenset({"SH", "CS", "AE"})


def envelope(draft: Draft) -> None:
    """Preamble, file meta, trailing padding, and bytes after the data set where a reader skips them."""
    patient = draft.patient
    name, number = patient.next_name(), Secret(patient.patient_id, (patient.patient_id,))
    if not draft.answer:
        draft.preamble = draft.charset.encode(f"{name.text} {number.text}")[:128].ljust(128, b"\0")
    draft.region(PREAMBLE, name, number)
    for tag in (0x00020016, 0x00020017, 0x00020018):
        title = Secret(f"WS{patient.digits}", (patient.digits,))
        _meta(draft, tag, "AE", title.text.encode(), title)
    _meta(draft, 0x00020100, "UI", b"1.2.826.0.1.3680043.10.777.1")
    _meta(draft, 0x00020102, "OB", draft.charset.encode(patient.whole_name.text), patient.whole_name)
    padding = f"{patient.whole_name.text} {patient.patient_id}"
    draft.data(draft.top, 0xFFFCFFFC, "OB", draft.charset.encode(padding), patient.whole_name)
    if draft.ds.file_meta.TransferSyntaxUID.is_deflated:
        draft.region(WHOLE_FILE, Secret(padding, (patient.patient_id,)))
        if not draft.answer:
            draft.after = padding.encode()


def _meta(draft: Draft, tag: int, vr: str, data: bytes, *secrets: Secret) -> None:
    draft.region(f"({tag >> 16:04X},{tag & 0xFFFF:04X})", *secrets)
    if not draft.answer:
        draft.meta[tag] = (vr, data)


def free_text(draft: Draft) -> None:
    """Attributes of text at the top: descriptors, what the table removes, and what it does not list."""
    for keyword in draft.chance.sample(_DESCRIPTORS, 8):
        draft.text(draft.top, keyword, *mixed(draft), retain=True)
    for keyword in draft.chance.sample(_REMOVED_TEXT, 16):
        draft.text(draft.top, keyword, draft.patient.anything())
    for keyword in draft.chance.sample(_UNLISTED_TEXT, 8):
        draft.text(draft.top, keyword, *_unlisted(draft, keyword))


def _unlisted(draft: Draft, keyword: str) -> tuple[Secret, ...]:
    if dictionary_VR(tag_of(keyword)) in _SHORT:
        return (Secret(f"R {draft.patient.digits}", (draft.patient.digits,)),)
    return (draft.patient.anything(),)


def spellings(draft: Draft) -> None:
    """Every spelling of everything, each after a clinical word, in items of a sequence."""
    for secret in draft.patient.every_spelling(draft.case.day):
        step = draft.item(draft.top, "RequestAttributesSequence")
        draft.text(step, "ScheduledProcedureStepDescription", "chest ", secret, retain=True)


def nested(draft: Draft) -> None:
    """Sequences of several depths, defined and undefined lengths, with another character set further down."""
    request = draft.item(draft.top, "RequestAttributesSequence", undefined=True)
    draft.text(request, "RequestedProcedureDescription", *mixed(draft), retain=True)
    draft.text(request, "ScheduledProcedureStepDescription", *mixed(draft), retain=True)
    draft.text(request, "ReasonForTheRequestedProcedure", draft.patient.anything())
    draft.text(request, "RequestedProcedureID", _number(draft))
    code = draft.item(request, "ScheduledProtocolCodeSequence")
    _code(draft, code, draft.patient.next_name())
    other = draft.item(draft.top, "OtherPatientIDsSequence")
    draft.text(other, "PatientID", draft.patient.next_id())
    put(other.ds, tag_of("TypeOfPatientID"), "CS", b"TEXT")
    order = draft.item(draft.top, "ReferencedRequestSequence", undefined=True)
    draft.text(order, "AccessionNumber", _number(draft))
    draft.text(order, "PlacerOrderNumberImagingServiceRequest", _number(draft))
    _deep(draft, order, 4)
    _other_charset(draft)


def _deep(draft: Draft, spot: Spot, depth: int) -> None:
    """Items within items: each names somebody."""
    for level in range(depth):
        spot = draft.item(spot, "PurposeOfReferenceCodeSequence", undefined=level % 2 == 0)
        _code(draft, spot, draft.patient.anything())
        draft.text(spot, "PatientComments", draft.patient.anything())


def _other_charset(draft: Draft) -> None:
    """An item that declares a character set of its own (PS3.3 C.12.1.1.2)."""
    spot = draft.item(draft.top, "ReferencedPatientPhotoSequence")
    put(spot.ds, tag_of("SpecificCharacterSet"), "CS", b"ISO_IR 192")
    name = draft.patient.next_name()
    draft.region(spot.path(tag_of("PatientComments")), name)
    if not draft.answer:
        put(spot.ds, tag_of("PatientComments"), "LT", name.text.encode())


def _code(draft: Draft, spot: Spot, secret: Secret) -> None:
    draft.text(spot, "CodeValue", "T-1", vr="SH")
    draft.text(spot, "CodingSchemeDesignator", "99SITE", vr="SH")
    draft.text(spot, "CodeMeaning", "chest ", secret, required="chest")


def _number(draft: Draft) -> Secret:
    digits = draft.patient.digits
    return Secret(f"RP{digits}", (digits,))


def others(draft: Draft) -> None:
    """What earlier systems wrote of their own work: original attributes, contributing equipment, people."""
    patient = draft.patient
    original = draft.item(draft.top, "OriginalAttributesSequence")
    draft.text(original, "ModifyingSystem", Secret(f"PACS {patient.town}", (patient.town,)))
    draft.text(original, "SourceOfPreviousValues", Secret(patient.hospital, (patient.town,)))
    draft.text(original, "ReasonForTheAttributeModification", "CORRECT", vr="CS")
    day = f"{draft.case.day:%Y%m%d}"
    draft.text(original, "AttributeModificationDateTime", Secret(f"{day}101500", (day,), scan=False))
    before = draft.item(original, "ModifiedAttributesSequence")
    draft.text(before, "PatientName", Secret(patient.whole_name.text, patient.whole_name.words))
    draft.text(before, "PatientID", patient.next_id())
    draft.text(before, "AccessionNumber", _number(draft))
    equipment = draft.item(draft.top, "ContributingEquipmentSequence", undefined=True)
    _code(draft, draft.item(equipment, "PurposeOfReferenceCodeSequence"), patient.next_person())
    draft.text(equipment, "InstitutionName", Secret(patient.hospital, (patient.town,)))
    draft.text(equipment, "InstitutionAddress", patient.next_address())
    draft.text(equipment, "StationName", Secret(f"ST{patient.digits}"[:16], (patient.digits,)))
    draft.text(equipment, "OperatorsName", Secret(patient.operator, (patient.operator.split("^")[0],)))
    draft.text(equipment, "ContributionDescription", *mixed(draft))
    draft.text(equipment, "ContributionDateTime", Secret(f"{day}083000", (day,), scan=False))
    person = draft.item(draft.top, "ReferringPhysicianIdentificationSequence")
    draft.text(person, "PersonAddress", patient.next_address())
    draft.text(person, "PersonTelephoneNumbers", patient.next_phone())
    _code(draft, draft.item(person, "PersonIdentificationCodeSequence"), patient.next_person())


def dates(draft: Draft) -> None:
    """Dates and times in every VR that holds them, in words, ages over 89."""
    day, patient = draft.case.day, draft.patient
    draft.date(draft.top, "AcquisitionDateTime", day, "235959.123456+0100")
    draft.date(draft.top, "ScheduledStudyStartDate", day - timedelta(3))
    draft.date(draft.top, "AdmittingDate", day - timedelta(1))
    draft.date(draft.top, "DateOfSecondaryCapture", day + timedelta(2))
    step = draft.item(draft.top, "RequestAttributesSequence")
    draft.date(step, "ScheduledProcedureStepStartDate", day)
    draft.text(draft.top, "PatientAge", Secret("094Y", ("094Y",), scan=False))
    for keyword in ("ImageComments", "AcquisitionComments", "AdditionalPatientHistory", "StudyComments"):
        secret = patient.next_date(draft.chance.choice((patient.born, day)))
        draft.text(draft.top, keyword, "follow up ", secret)
    draft.text(draft.top, "TimezoneOffsetFromUTC", "+0100", vr="SH")


def uids(draft: Draft) -> None:
    """UIDs that hold the patient's number and the day."""
    words = (draft.patient.digits,)
    for keyword in (
        "IrradiationEventUID",
        "DeviceUID",
        "ConcatenationUID",
        "SynchronizationFrameOfReferenceUID",
    ):
        draft.uid(draft.top, keyword, draft.new_uid(), words=words)
    for keyword in ("ReferencedImageSequence", "SourceImageSequence"):
        item = draft.item(draft.top, keyword)
        put(item.ds, tag_of("ReferencedSOPClassUID"), "UI", b"1.2.840.10008.5.1.4.1.1.2")
        draft.uid(item, "ReferencedSOPInstanceUID", draft.new_uid(), words=words)
