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

from exchange.dicomio.elements import KnownElement
from exchange.dicomio.quiet import quiet
from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.documents.cda_reading import people_in_document
from redact.identifiers.pseudonymiser import is_placeholder
from redact.identifiers.readings import utf8_reading
from redact.identifiers.uids import is_definition
from redact.structured.concepts import kind_of
from redact.structured.items import CODE_VALUES, CONCEPT_NAME, NUMERIC_VALUE, VALUE_TYPES, concept_of

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
        "PatientInstitutionResidence", "VerifyingOrganization",
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
_CODE_MEANING = 0x00080104
_NOT_VALUES = frozenset(
    {"ImagingServiceRequestComments", "InsurancePlanIdentification", "PatientReligiousPreference"}
)
_KIND_OF: dict[int, IdentifierKind] = {
    tag: kind
    for kind, keywords in _KEYWORDS.items()
    for keyword in keywords
    if keyword not in _NOT_VALUES and (tag := tag_for_keyword(keyword)) is not None
}
# Codes of which each stands for one person, whatever the scheme.
_PERSON_CODES = frozenset({"PersonIdentificationCodeSequence", "VerifyingObserverIdentificationCodeSequence"})
_PERSON_CODE_TAGS = frozenset(tag_for_keyword(keyword) for keyword in _PERSON_CODES)
_NAMES = frozenset({IdentifierKind.PATIENT_NAME, IdentifierKind.PERSON})
_TEXT_VRS = frozenset({"AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"})
_DATE = re.compile(r"(\d{4})[.]?(\d{2})[.]?(\d{2})", re.ASCII)
_SPACE = re.compile(r"\s+")


class Harvester:
    """Harvests one study's instances; elements that they have in common are read once.

    Holds identifiers: as confidential as the headers.
    """

    def __init__(self) -> None:
        self._known: dict[KnownElement, frozenset[Identifier]] = {}

    def harvest(self, ds: Dataset) -> HarvestedIdentifiers:
        """As `harvest`."""
        with quiet():
            found = set(_of_content_item(ds)) if CONCEPT_NAME in ds else set()
            for key, element in ds.items():
                if not key >> 16 & 1:
                    found |= self._of_top_element(ds, int(key), element)
            return HarvestedIdentifiers(frozenset(found) | people_in_document(ds))

    def _of_top_element(self, ds: Dataset, tag: int, element: object) -> frozenset[Identifier]:
        if not isinstance(element, KnownElement):
            return frozenset(_of_public(ds, tag, ds.get_item(tag).VR, 0))
        known = self._known.get(element)
        if known is None:
            known = self._known[element] = frozenset(_of_public(ds, tag, element.VR, 0))
        return known


def harvest(ds: Dataset) -> HarvestedIdentifiers:
    """All identifiers in a data set and its nested sequences.

    Names in each component group (PS3.5 6.2.1.1: alphabetic, ideographic, phonetic), as a whole group and by
    component; patient ids; people; institutions, addresses, telephone numbers; accession and other numbers;
    all dates as `YYYYMMDD`; all UIDs that name no definition. Of content items (SR, acquisition context) the
    text and numbers under concepts that identify, too, and the codes that stand for a person; of a CDA
    document whom its header and entries name.
    """
    return Harvester().harvest(ds)


def _of_item(item: Dataset, depth: int) -> Iterator[Identifier]:
    if depth > MAX_DEPTH:
        return
    if CONCEPT_NAME in item:
        yield from _of_content_item(item)
    # Iterating a data set itself would decode every element.
    for tag, vr in [(int(key), element.VR) for key, element in item.items() if not key >> 16 & 1]:
        yield from _of_public(item, tag, vr, depth)


def _of_public(ds: Dataset, tag: int, found: str | None, depth: int) -> Iterator[Identifier]:
    vr = _known_vr(tag, found)
    if vr == "SQ":
        for item in ds[tag].value or ():
            yield from _of_item(item, depth + 1)
            if tag in _PERSON_CODE_TAGS:
                yield from _of_person_code(item, keyword_for_tag(tag))
    elif vr in {"PN", "DA", "DT", "UI"} or tag in _KIND_OF:
        yield from _of_element(ds, tag, vr)


def _of_content_item(item: Dataset) -> Iterator[Identifier]:
    concept = concept_of(item)
    kind = kind_of(concept) if concept is not None else None
    if concept is None or kind is None:
        return
    source = f"({concept.value}, {concept.scheme})"
    for tag, value_type in VALUE_TYPES.items():
        if tag in item and (value_type in {"TEXT", "PNAME"} or tag == NUMERIC_VALUE):
            yield from _of_identifying(item, tag, kind, source)
        elif tag in item and _known_vr(tag, item.get_item(tag).VR) == "SQ":
            for inner in item[tag].value or ():
                if NUMERIC_VALUE in inner:
                    yield from _of_identifying(inner, NUMERIC_VALUE, kind, source)


def _of_identifying(ds: Dataset, tag: int, kind: IdentifierKind, source: str) -> Iterator[Identifier]:
    value = ds[tag].value
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value or "")
    if is_placeholder(text):
        return
    if kind in _NAMES:
        yield from _of_name(text, kind, source)
    else:
        yield from _of_text(text, kind, source)


def _of_person_code(code: Dataset, source: str) -> Iterator[Identifier]:
    for tag in CODE_VALUES:
        if tag in code:
            yield from _of_text(str(code[tag].value or ""), IdentifierKind.NUMBER, source)
    if _CODE_MEANING in code and code[_CODE_MEANING].value:
        yield from _of_name(str(code[_CODE_MEANING].value), IdentifierKind.PERSON, source)


def _known_vr(tag: int, vr: str | None) -> str:
    """The VR as it was read; the dictionary's where none was, or UN."""
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
    if meant := utf8_reading(str(value)):
        yield from _of_name(meant, kind, source)
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
    if meant := utf8_reading(value):
        yield from _of_text(meant, kind, source)
    text = _SPACE.sub(" ", value.replace("\0", " ")).strip()
    if text and not (kind in {IdentifierKind.PATIENT_ID, IdentifierKind.NUMBER} and is_placeholder(text)):
        yield Identifier(kind, text, source)
