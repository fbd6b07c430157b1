"""What a return route changes at the top of an object that a partner made of ours: a table.

The partner's object names the patient by pseudonyms. What the original study says of patient and study stands
in its place; where the original is no longer here, nothing stands there that could be a pseudonym. What the
partner said of his own work (his series, his dates, his findings) is not touched.

- Patient module (PS3.3 C.7.1.1) and General Study module (C.7.2.1): from the original, so that the object
  agrees with the study it joins; else `Action`.
- Marks of de-identification (C.12.1.1.3, C.7.1.1): no longer true.
- Orders, visits and worklist items: the quarantine's table; none of them is of this house.
"""

from redact.reconcile import attributes
from redact.reconcile.attributes import Action

PATIENT_NAME = 0x00100010
STUDY_DATE = 0x00080020
STUDY_TIME = 0x00080030
STUDY_INSTANCE_UID = 0x0020000D
SPECIFIC_CHARACTER_SET = 0x00080005
IDENTITY_REMOVED = 0x00120062
METHOD = 0x00120063
METHOD_CODES = 0x00120064
DATES_MODIFIED = 0x00280303
ENCAPSULATED_DOCUMENT = 0x00420011
UTF_8 = b"ISO_IR 192"

OF_PATIENT: dict[int, Action] = {
    PATIENT_NAME: Action.EMPTY,
    0x00100022: Action.REMOVE,  # TypeOfPatientID
    0x00100024: Action.REMOVE,  # IssuerOfPatientIDQualifiersSequence
    0x00100026: Action.REMOVE,  # SourcePatientGroupIdentificationSequence
    0x00100027: Action.REMOVE,  # GroupOfPatientsIdentificationSequence
    0x00100030: Action.EMPTY,  # PatientBirthDate
    0x00100032: Action.REMOVE,  # PatientBirthTime
    0x00100033: Action.REMOVE,  # PatientBirthDateInAlternativeCalendar
    0x00100034: Action.REMOVE,  # PatientDeathDateInAlternativeCalendar
    0x00100035: Action.REMOVE,  # PatientAlternativeCalendar
    0x00100040: Action.EMPTY,  # PatientSex
    0x00101000: Action.REMOVE,  # OtherPatientIDs (retired)
    0x00101001: Action.REMOVE,  # OtherPatientNames
    0x00101002: Action.REMOVE,  # OtherPatientIDsSequence
    0x00101005: Action.REMOVE,  # PatientBirthName
    0x00101040: Action.REMOVE,  # PatientAddress
    0x00101060: Action.REMOVE,  # PatientMotherBirthName
    0x00101090: Action.REMOVE,  # MedicalRecordLocator (retired)
    0x00102154: Action.REMOVE,  # PatientTelephoneNumbers
}
"""PatientID and its issuer apart, which the crosswalk says; the action where the original is gone."""

OF_STUDY: dict[int, Action] = {
    STUDY_DATE: Action.EMPTY,  # unless it can be reckoned back
    STUDY_TIME: Action.EMPTY,  # unless it was kept
    attributes.ACCESSION_NUMBER: Action.EMPTY,
    0x00080051: Action.REMOVE,  # IssuerOfAccessionNumberSequence
    0x00080090: Action.EMPTY,  # ReferringPhysicianName
    0x00080096: Action.REMOVE,  # ReferringPhysicianIdentificationSequence
    0x00081048: Action.REMOVE,  # PhysiciansOfRecord
    0x00081049: Action.REMOVE,  # PhysiciansOfRecordIdentificationSequence
    0x00101010: Action.REMOVE,  # PatientAge: capped, perhaps
    0x00200010: Action.EMPTY,  # StudyID
    0x00380010: Action.REMOVE,  # AdmissionID
    0x00380014: Action.REMOVE,  # IssuerOfAdmissionIDSequence
    0x00380060: Action.REMOVE,  # ServiceEpisodeID
    0x00380064: Action.REMOVE,  # IssuerOfServiceEpisodeIDSequence
}
"""Of a study that left here; the action where the original is gone."""

DESCRIPTION = 0x00081030
"""StudyDescription: the original's where it is here, else the partner's: cleaned text, and no pseudonym."""

FOREIGN = {tag: action for tag, action in attributes.TABLE.items() if action is not Action.REPLACE}
"""Numbers of orders and visits that are not of this house, where they are not the original's."""

MARKS = frozenset({IDENTITY_REMOVED, METHOD, METHOD_CODES, DATES_MODIFIED})

IDENTITY = frozenset({attributes.PATIENT_ID, attributes.ISSUER_OF_PATIENT_ID})

CHANGED = (
    frozenset({*OF_PATIENT, *OF_STUDY, *FOREIGN, DESCRIPTION, SPECIFIC_CHARACTER_SET}) | MARKS | IDENTITY
)
"""Everything at the top level that is not changed by exchanging pseudonyms in it."""

NOT_LOOKED_AT = frozenset({attributes.ORIGINAL_ATTRIBUTES, ENCAPSULATED_DOCUMENT})
"""What earlier systems recorded stays as it is, and the inside of a document cannot be changed."""
