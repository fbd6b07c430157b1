"""Harvesting the identifiers of an instance: what must not survive anywhere in the cleaned study.

Nested sequences are read too, private elements are not: their text is no known identifier, and it is removed
anyway. Harvest every instance of the study (and of the patient's earlier exchanges) and join the results
before the first one is cleaned.
"""

import re
from collections.abc import Iterator

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName

from exchange.dicomio.quiet import quiet
from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.identifiers.pseudonymiser import is_placeholder
from redact.identifiers.uids import is_definition

MAX_DEPTH = 64
_PATIENT_NAMES = (
    "PatientName",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "NameToUse",
)
_KEYWORDS: dict[IdentifierKind, tuple[str, ...]] = {
    IdentifierKind.PATIENT_NAME: _PATIENT_NAMES,
    IdentifierKind.PATIENT_ID: ("PatientID", "OtherPatientIDs", "PatientAlternativeIdentifier"),
    IdentifierKind.INSTITUTION: (
        "InstitutionName", "InstitutionalDepartmentName", "InstitutionCodeSequence", "RequestingService",
        "ClinicalTrialSiteName", "ClinicalTrialCoordinatingCenterName", "ClinicalTrialSponsorName",
        "PatientInstitutionResidence",
    ),
    IdentifierKind.ADDRESS: (
        "InstitutionAddress", "PatientAddress", "ReferringPhysicianAddress", "PersonAddress",
        "RegionOfResidence", "CountryOfResidence", "CurrentPatientLocation", "PatientReligiousPreference",
    ),
    IdentifierKind.PHONE: (
        "PatientTelephoneNumbers", "ReferringPhysicianTelephoneNumbers", "PersonTelephoneNumbers",
        "OrderCallbackPhoneNumber", "PatientTelecomInformation", "PersonTelecomInformation",
    ),
    IdentifierKind.NUMBER: (
        "AccessionNumber", "StudyID", "AdmissionID", "ServiceEpisodeID", "MedicalRecordLocator",
        "IssuerOfPatientID",
        "RequestedProcedureID", "ScheduledProcedureStepID", "PerformedProcedureStepID", "DeviceSerialNumber",
        "PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest", "DeviceUID",
        "PlateID", "DetectorID", "CassetteID", "GantryID", "ContainerIdentifier", "SpecimenIdentifier",
        "ClinicalTrialSubjectID", "ClinicalTrialSubjectReadingID", "MilitaryRank", "SourceSerialNumber",
        "ImagingServiceRequestComments", "InsurancePlanIdentification",
    ),
    IdentifierKind.OTHER: (
        "StationName", "ScheduledStationName", "PerformedStationName", "ScheduledStationAETitle",
        "PerformedStationAETitle", "RetrieveAETitle", "SourceApplicationEntityTitle", "Occupation",
        "PerformedLocation", "PatientBirthPlace",
    ),
}  # fmt: skip
_NOT_VALUES = frozenset(
    {"ImagingServiceRequestComments", "InsurancePlanIdentification", "PatientReligiousPreference"}
)
_KIND_OF: dict[int, IdentifierKind] = {
    tag: kind
    for kind, keywords in _KEYWORDS.items()
    for keyword in keywords
    if keyword not in _NOT_VALUES and (tag := tag_for_keyword(keyword)) is not None
}
_TEXT_VRS = frozenset({"AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"})
_DATE = re.compile(r"(\d{4})[.]?(\d{2})[.]?(\d{2})", re.ASCII)
_SPACE = re.compile(r"\s+")


def harvest(ds: Dataset) -> HarvestedIdentifiers:
    """All identifiers in a data set and its nested sequences.

    Names in each component group (PS3.5 6.2.1.1: alphabetic, ideographic, phonetic), as a whole group and by
    component; patient ids; people; institutions, addresses, telephone numbers; accession and other numbers;
    all dates as `YYYYMMDD`; all UIDs that name no definition.
    """
    with quiet():
        return HarvestedIdentifiers(frozenset(_walk(ds, 0)))


def _walk(ds: Dataset, depth: int) -> Iterator[Identifier]:
    if depth > MAX_DEPTH:
        return
    for tag in ds.keys():  # noqa: SIM118 - iterating a Dataset itself would decode every element
        if tag.is_private:
            continue
        vr = _vr(ds, int(tag))
        if vr == "SQ":
            for item in ds[tag].value or ():
                yield from _walk(item, depth + 1)
        elif vr in {"PN", "DA", "DT", "UI"} or int(tag) in _KIND_OF:
            yield from _of_element(ds, int(tag), vr)


def _vr(ds: Dataset, tag: int) -> str:
    vr = ds.get_item(tag).VR
    if vr in {None, "UN", ""}:
        try:
            return dictionary_VR(tag)
        except KeyError:
            return "UN"
    return str(vr)


def _of_element(ds: Dataset, tag: int, vr: str) -> Iterator[Identifier]:
    source = keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    value = ds[tag].value
    values = value if isinstance(value, (list, MultiValue)) else [value]
    for single in values:
        if not single:
            continue
        if vr == "PN":
            yield from _of_name(single, _KIND_OF.get(tag, IdentifierKind.PERSON), source)
        elif vr in {"DA", "DT"}:
            match = _DATE.match(str(single))
            if match:
                yield Identifier(IdentifierKind.DATE, "".join(match.groups()), source)
        elif vr == "UI":
            uid = str(single).strip(" \0")
            if uid and not is_definition(tag, uid):
                yield Identifier(IdentifierKind.UID, uid, source)
        elif vr in _TEXT_VRS:
            yield from _of_text(str(single), _KIND_OF[tag], source)


def _of_name(value: object, kind: IdentifierKind, source: str) -> Iterator[Identifier]:
    name = value if isinstance(value, PersonName) else PersonName(str(value))
    for group in (name.alphabetic, name.ideographic, name.phonetic):
        text = _SPACE.sub(" ", group.replace("\0", " ")).strip(" ^=")
        if not text or is_placeholder(text):
            continue
        yield Identifier(kind, text, source)
        for component in text.split("^"):
            part = component.strip()
            if part and part != text and not is_placeholder(part):
                yield Identifier(kind, part, source)


def _of_text(value: str, kind: IdentifierKind, source: str) -> Iterator[Identifier]:
    text = _SPACE.sub(" ", value.replace("\0", " ")).strip()
    if text and not (kind in {IdentifierKind.PATIENT_ID, IdentifierKind.NUMBER} and is_placeholder(text)):
        yield Identifier(kind, text, source)
