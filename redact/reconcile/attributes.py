"""Which top-level attributes the quarantine changes, and how: a table, so that nothing else is changed.

After IHE RAD IRWF.b (what an importer coerces when there is no local order) and PS3.3 C.12.1. The previous
value of each goes into OriginalAttributesSequence (0400,0561), byte for byte.

- Patient: PatientID and IssuerOfPatientID are replaced. What qualifies the partner's issuer, or holds further
  ids of the patient that a PACS would match by, is removed: bare, these are the ids of other people here.
- Order and visit: numbers that could be those of a local order, visit or worklist item. AccessionNumber is
  emptied (type 2 in the General Study module), the others are removed (type 3 or 1C there).
- Kept: PatientName, birth date and sex (the person who reconciles needs them), every UID with the sequences
  that refer by UID, the performed procedure step, dates, descriptions, institution, private elements, and
  what is nested in content items or other sequences: no PACS finds a patient or an order by these.
"""

from enum import StrEnum


class Action(StrEnum):
    """What becomes of an attribute; where it is absent, only `REPLACE` does anything."""

    REPLACE = "replace"
    EMPTY = "empty"
    REMOVE = "remove"


PATIENT_ID = 0x00100020
ISSUER_OF_PATIENT_ID = 0x00100021
ACCESSION_NUMBER = 0x00080050
STUDY_ID = 0x00200010
ORIGINAL_ATTRIBUTES = 0x04000561
MODIFIED_ATTRIBUTES = 0x04000550
MODIFICATION_DATE_TIME = 0x04000562
MODIFYING_SYSTEM = 0x04000563
SOURCE_OF_PREVIOUS_VALUES = 0x04000564
REASON_FOR_MODIFICATION = 0x04000565
COERCE = "COERCE"

TABLE: dict[int, Action] = {
    PATIENT_ID: Action.REPLACE,
    ISSUER_OF_PATIENT_ID: Action.REPLACE,
    0x00100024: Action.REMOVE,  # IssuerOfPatientIDQualifiersSequence
    0x00100026: Action.REMOVE,  # SourcePatientGroupIdentificationSequence: nested PatientID
    0x00100027: Action.REMOVE,  # GroupOfPatientsIdentificationSequence: nested PatientID
    0x00101000: Action.REMOVE,  # OtherPatientIDs (retired)
    0x00101002: Action.REMOVE,  # OtherPatientIDsSequence
    0x00101090: Action.REMOVE,  # MedicalRecordLocator (retired)
    ACCESSION_NUMBER: Action.EMPTY,
    0x00080051: Action.REMOVE,  # IssuerOfAccessionNumberSequence
    0x00380010: Action.REMOVE,  # AdmissionID
    0x00380011: Action.REMOVE,  # IssuerOfAdmissionID (retired)
    0x00380014: Action.REMOVE,  # IssuerOfAdmissionIDSequence
    0x00380060: Action.REMOVE,  # ServiceEpisodeID
    0x00380061: Action.REMOVE,  # IssuerOfServiceEpisodeID (retired)
    0x00380064: Action.REMOVE,  # IssuerOfServiceEpisodeIDSequence
    0x00400009: Action.REMOVE,  # ScheduledProcedureStepID
    0x00400026: Action.REMOVE,  # OrderPlacerIdentifierSequence
    0x00400027: Action.REMOVE,  # OrderFillerIdentifierSequence
    0x00400275: Action.REMOVE,  # RequestAttributesSequence
    0x00401001: Action.REMOVE,  # RequestedProcedureID
    0x00402006: Action.REMOVE,  # PlacerOrderNumberImagingServiceRequestRetired
    0x00402007: Action.REMOVE,  # FillerOrderNumberImagingServiceRequestRetired
    0x00402016: Action.REMOVE,  # PlacerOrderNumberImagingServiceRequest
    0x00402017: Action.REMOVE,  # FillerOrderNumberImagingServiceRequest
    0x0040A370: Action.REMOVE,  # ReferencedRequestSequence, of evidence documents
}

NUMBERS = frozenset(
    {PATIENT_ID, ACCESSION_NUMBER, 0x00380010, 0x00400009, 0x00401001, 0x00402016, 0x00402017}
)
"""Foreign numbers that StudyID often repeats; where it does, it is emptied as well."""

SWEPT_GROUPS = frozenset({0x0010, 0x0032, 0x0038, 0x0040})
"""Patient, request, visit and procedure: text in them that is the foreign PatientID alone is emptied."""

SWEPT_VRS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})

NOT_SWEPT = frozenset({0x00400512})
"""ContainerIdentifier: type 1 in the Specimen module, and names a container."""


def may_change(tag: int) -> bool:
    """Whether the quarantine may change this element at all."""
    return tag in TABLE or tag in (STUDY_ID, ORIGINAL_ATTRIBUTES) or is_swept(tag) or is_group_length(tag)


def is_swept(tag: int) -> bool:
    """Whether the element is looked at for the foreign PatientID."""
    return tag >> 16 in SWEPT_GROUPS and tag not in NOT_SWEPT


def is_group_length(tag: int) -> bool:
    """A retired group length (PS3.5 7.2): no longer true, so it is left out; it is no value to be kept."""
    return tag & 0xFFFF == 0
