"""From what an instance says to the elements that must stand there instead, the originals beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from exchange.dicomio.getters import items, text, texts, uid
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.splice import Extent, element_value, encode_element, raw_elements, syntax_of
from exchange.dicomio.syntaxes import Encoding
from redact.reconcile import attributes
from redact.reconcile.attributes import Action
from redact.reconcile.history import Coercion, even, recorded
from redact.reconcile.quarantine import (
    ForeignPatient,
    Quarantine,
    is_quarantined,
    quarantined_id,
    stripped,
)


def patient_of(header: Dataset) -> ForeignPatient:
    """Who the partner says it is."""
    issuer = stripped(text(header, "IssuerOfPatientID"))
    if not issuer:
        qualifiers = items(header, "IssuerOfPatientIDQualifiersSequence")
        issuer = stripped(text(qualifiers[0], "UniversalEntityID")) if qualifiers else ""
    return ForeignPatient(stripped(text(header, "PatientID")), issuer, uid(header, "StudyInstanceUID"))


def coerce(
    layout: FileLayout,
    extents: Sequence[Extent],
    header: Dataset,
    quarantine: Quarantine,
    issuers: Mapping[str, str],
) -> Coercion:
    """What must change in this instance.

    Args:
        layout: Of the file.
        extents: Its top-level elements.
        header: Its data set.
        quarantine: Its identity from here on.
        issuers: Of the study: foreign PatientID to the one issuer that other instances name with it.

    Raises:
        InputError: The file cannot be read.
        OSError: It cannot be read.
    """
    present = {one.tag for one in extents}
    replaced = _replaced(header, quarantine, issuers)
    emptied = _emptied(header, present, swept=bool(replaced))
    removed = _removed(present)
    raw = raw_elements(layout, [one for one in extents if one.tag in replaced])
    encoding = syntax_of(layout)
    edits: dict[int, bytes | None] = dict.fromkeys(removed)
    edits |= {tag: _emptied_element(tag, header, encoding) for tag in emptied}
    edits |= {tag: _identity(tag, value, raw, encoding) for tag, value in replaced.items()}
    # The partner may call itself as we call it: then its issuer stays, and is no change.
    made, changed = recorded(layout, extents, header, edits, quarantine.provenance)
    if not changed:
        return Coercion()
    actions = {
        "replaced": sum(tag in replaced for tag in changed),
        "emptied": len(emptied),
        "removed": len(removed),
    }
    return Coercion(made, changed, actions)


def planned_changes(header: Dataset, quarantine: Quarantine) -> dict[int, Action]:
    """What would be done to each top-level element that would change, OriginalAttributesSequence apart."""
    present = {int(tag) for tag in header.keys()}  # noqa: SIM118 - iterating a Dataset gives elements
    replaced = _replaced(header, quarantine, {})
    planned = dict.fromkeys(replaced, Action.REPLACE)
    planned |= dict.fromkeys(_emptied(header, present, swept=bool(replaced)), Action.EMPTY)
    return planned | dict.fromkeys(_removed(present), Action.REMOVE)


def _removed(present: set[int]) -> set[int]:
    return {tag for tag, action in attributes.TABLE.items() if action is Action.REMOVE} & present


@dataclass(frozen=True, slots=True)
class _Value:
    """A new value: `prefix` before the original bytes where these are kept, else `text` (ASCII)."""

    text: str = field(repr=False)
    prefix: str = ""


def _replaced(header: Dataset, quarantine: Quarantine, issuers: Mapping[str, str]) -> dict[int, _Value]:
    foreign = patient_of(header)
    if is_quarantined(text(header, "IssuerOfPatientID"), foreign.patient_id, quarantine):
        return {}
    issuer = foreign.issuer or issuers.get(foreign.patient_id, "")
    if issuer == quarantine.issuer:
        issuer = ""  # the partner calls itself as we call it: its ids need no second name
    foreign = ForeignPatient(foreign.patient_id, issuer, foreign.study_instance_uid)
    written = quarantined_id(quarantine.prefix, foreign)
    kept = foreign.patient_id and written == quarantine.prefix + foreign.patient_id
    return {
        attributes.PATIENT_ID: _Value(written, quarantine.prefix if kept else ""),
        attributes.ISSUER_OF_PATIENT_ID: _Value(quarantine.issuer),
    }


def _emptied(header: Dataset, present: set[int], *, swept: bool) -> set[int]:
    """Elements that must not say what they say: numbers, and text that is the foreign PatientID alone."""
    found = {
        tag
        for tag, action in attributes.TABLE.items()
        if action is Action.EMPTY and tag in present and _values(header, tag)
    }
    numbers = {value for tag in attributes.NUMBERS & present for value in _values(header, tag)}
    if swept and set(_values(header, attributes.STUDY_ID)) & numbers:
        found.add(attributes.STUDY_ID)
    foreign = set(_values(header, attributes.PATIENT_ID)) if swept else set()
    return found | {
        tag
        for tag in present - set(attributes.TABLE)
        if foreign
        and attributes.is_swept(tag)
        and header[tag].VR in attributes.SWEPT_VRS
        and not foreign.isdisjoint(_values(header, tag))
    }


def _values(header: Dataset, tag: int) -> list[str]:
    if tag not in header:
        return []
    keyword = header[tag].keyword
    return [value for each in texts(header, keyword) if (value := stripped(each))] if keyword else []


def _emptied_element(tag: int, header: Dataset, encoding: Encoding) -> bytes:
    return encode_element(tag, str(header[tag].VR), b"", encoding)


def _identity(tag: int, value: _Value, raw: Mapping[int, bytes], encoding: Encoding) -> bytes:
    """PatientID or its issuer.

    An id that is kept to the letter is kept to the byte: its character set is the data set's, and ASCII
    before it is valid in every one (PS3.5 6.1.2).
    """
    new = value.text.encode("ascii") if not value.prefix else value.prefix.encode("ascii")
    if value.prefix:
        new += element_value(raw[tag], encoding).strip(b" \0")
    return encode_element(tag, "LO", even(new), encoding)
