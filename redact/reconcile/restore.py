"""From what a partner made of ours to an object of the patient's own study; the earlier values beside it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from pydicom.dataset import Dataset

from exchange.dicomio.getters import text
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.rewrite import Value
from exchange.dicomio.splice import Extent, encode_element
from exchange.dicomio.transplant import one_text
from exchange.domain.findings import Finding, Severity
from redact.identifiers.dates import shift_date
from redact.reconcile import attributes, restored
from redact.reconcile.attributes import Action
from redact.reconcile.history import Coercion, recorded
from redact.reconcile.instance import TEXT_VRS, Instance, cannot_restore
from redact.reconcile.nested import exchange_pseudonyms
from redact.reconcile.returned import Restoration

_DATE = re.compile(r"(\d{4})(\d\d)?(\d\d)?", re.ASCII)
_EMPTIED_DATE = Finding(
    "reidentify.study-date", Severity.NOTE, "StudyDate could not be told and is empty: the original is gone"
)
_OTHER_DATES = Finding(
    "reidentify.dates",
    Severity.NOTE,
    "dates that may be copies of moved ones stand as they came: LongitudinalTemporalInformationModified",
)
_NOT_SAID = Finding(
    "reidentify.character-set",
    Severity.NOTE,
    "the character set of instances cannot say attributes of the original: they are empty or left out",
)
_DOCUMENT = Finding(
    "reidentify.document", Severity.NOTE, "what stands inside encapsulated documents was not looked at"
)


def restore(
    layout: FileLayout,
    extents: Sequence[Extent],
    header: Dataset,
    restoration: Restoration,
    reference: Dataset | None,
) -> tuple[Coercion, tuple[Finding, ...]]:
    """What must change in this instance.

    Args:
        layout: Of the file.
        extents: Its top-level elements.
        header: Its data set.
        restoration: Whose it is.
        reference: Header of an instance of the original study; of another study of the patient where this one
            is the partner's own; None where none is here any more.

    Raises:
        HeldError: `reidentify`: what must be said cannot be said in this object.
        InputError: The file cannot be read.
        OSError: Likewise.
    """
    one = Instance(layout, extents, header, restoration, reference)
    if layout.sop_instance_uid in restoration.uids:
        raise cannot_restore(
            "it is an instance that left here, and its original is another object", "(0008,0018)"
        )
    edits = _edits(one)
    uids = 0
    for tag, raw in one.raw.items():
        if tag not in edits:
            new, count = exchange_pseudonyms(one, raw)
            uids += count
            if new != raw:
                edits[tag] = new
    made, changed = recorded(layout, extents, header, edits, restoration.provenance)
    if any(each.tag == restored.ENCAPSULATED_DOCUMENT for each in extents):
        one.findings.append(_DOCUMENT)
    actions = {
        "replaced": sum(made[tag] is not None and not one.is_empty(made[tag]) for tag in changed),
        "emptied": sum(made[tag] is not None and one.is_empty(made[tag]) for tag in changed),
        "removed": sum(made[tag] is None for tag in changed),
        "uids": uids,
    }
    return Coercion(made, changed, actions), tuple(dict.fromkeys(one.findings))


def restored_tags(header: Dataset) -> dict[int, Action]:
    """What would be done to the top-level elements of the table, where the patient is known here."""
    present = {int(tag) for tag in header.keys()}  # noqa: SIM118 - iterating a Dataset gives elements
    table = (*restored.OF_PATIENT, *restored.OF_STUDY, attributes.ISSUER_OF_PATIENT_ID)
    planned = dict.fromkeys(
        (attributes.PATIENT_ID, *(tag for tag in table if tag in present)), Action.REPLACE
    )
    gone = {tag: action for tag, action in restored.FOREIGN.items() if tag in present and tag not in planned}
    marks = {tag: Action.REMOVE for tag in (restored.METHOD, restored.METHOD_CODES) if tag in present}
    kept = {tag: Action.REPLACE for tag in restored.MARKS - marks.keys() if tag in present}
    return planned | gone | marks | kept


# The table


def _edits(one: Instance) -> dict[int, bytes | None]:
    edits = _identity(one) | _from_original(one)
    for tag, action in restored.FOREIGN.items():
        if tag not in edits and tag in one.raw:
            edits[tag] = _fallback(one, tag, action)
    return edits | _marks(one, edits)


def _identity(one: Instance) -> dict[int, bytes | None]:
    """PatientID and its issuer, and the character set that they need, which may be another one."""
    wanted = {
        attributes.PATIENT_ID: one_text(attributes.PATIENT_ID, "LO", one.restoration.patient_id),
        attributes.ISSUER_OF_PATIENT_ID: one_text(
            attributes.ISSUER_OF_PATIENT_ID, "LO", one.restoration.issuer
        ),
    }
    edits: dict[int, bytes | None] = {}
    if _needs_utf_8(one, [*wanted.values(), *([one.reference] if one.reference else [])]):
        one.charset = restored.UTF_8
        edits[restored.SPECIFIC_CHARACTER_SET] = one.ascii_element(
            restored.SPECIFIC_CHARACTER_SET, "CS", restored.UTF_8.decode("ascii")
        )
    for tag, source in wanted.items():
        edits[tag] = one.transplanted(source, tag)
        if edits[tag] is None:
            raise cannot_restore(
                "its character set cannot say whose it is", f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
            )
    if not one.restoration.issuer:
        edits[attributes.ISSUER_OF_PATIENT_ID] = None
    return edits


def _needs_utf_8(one: Instance, sources: Sequence[Dataset]) -> bool:
    """Whether the object cannot say something, and is all ASCII, so that it may say so in UTF-8."""
    table = {*restored.OF_PATIENT, *restored.OF_STUDY, restored.DESCRIPTION, *restored.IDENTITY}
    said = all(
        one.transplanted(source, tag) is not None for source in sources for tag in table if tag in source
    )
    return not said and _is_ascii(one)


def _is_ascii(one: Instance) -> bool:
    if b"IR 13" in one.charset and b"IR 138" not in one.charset:
        return False  # Japan's yen sign and overline stand where ASCII has others
    plain = True

    def look(value: Value) -> None:
        nonlocal plain
        if value.vr in TEXT_VRS or value.vr == "PN":
            plain = plain and value.content.isascii() and b"\x1b" not in value.content

    one.visit(look)
    return plain


def _from_original(one: Instance) -> dict[int, bytes | None]:
    """The attributes of patient and study: the original's, or what the table says where it is gone."""
    edits = dict(_restored(one, restored.OF_PATIENT, one.reference))
    if not one.is_of_ours:
        return edits
    edits |= dict(_restored(one, restored.OF_STUDY, one.reference))
    if one.reference is not None and restored.DESCRIPTION in one.reference:
        described = one.transplanted(one.reference, restored.DESCRIPTION)
        if described is not None:
            edits[restored.DESCRIPTION] = described
    if one.reference is None:
        edits |= _dates(one)
    return edits


def _restored(
    one: Instance, table: Mapping[int, Action], reference: Dataset | None
) -> Iterator[tuple[int, bytes | None]]:
    for tag, action in table.items():
        if reference is not None and tag in reference:
            made = one.transplanted(reference, tag)
            if made is None:
                one.findings.append(_NOT_SAID)
                made = _fallback(one, tag, action, str(reference[tag].VR))
            yield tag, made
        elif tag in one.raw:
            yield tag, _fallback(one, tag, action)


def _fallback(one: Instance, tag: int, action: Action, vr: str = "") -> bytes | None:
    if action is Action.REMOVE:
        return None
    return encode_element(tag, vr or str(one.header[tag].VR), b"", one.encoding)


def _dates(one: Instance) -> dict[int, bytes | None]:
    """StudyDate and StudyTime where the original is gone: as sent, moved back."""
    days = one.restoration.shift_days
    came = text(one.header, "StudyDate")
    if days is None or not came:
        if came:
            one.findings.append(_EMPTIED_DATE)
        return {}
    moved = shift_date(came, -days)
    if not moved or moved > one.latest.strftime("%Y%m%d"):
        one.findings.append(_EMPTIED_DATE)
        return {}
    edits: dict[int, bytes | None] = {
        restored.STUDY_DATE: one.ascii_element(restored.STUDY_DATE, "DA", moved)
    }
    if restored.STUDY_TIME in one.raw:
        edits[restored.STUDY_TIME] = one.raw[restored.STUDY_TIME]
    return edits


def _marks(one: Instance, edits: Mapping[int, bytes | None]) -> dict[int, bytes | None]:
    """Nothing says any more that the identity was removed; of dates, what is true now."""
    marks: dict[int, bytes | None] = {
        tag: None for tag in (restored.METHOD, restored.METHOD_CODES) if tag in one.raw
    }
    if restored.IDENTITY_REMOVED in one.raw:
        marks[restored.IDENTITY_REMOVED] = one.ascii_element(restored.IDENTITY_REMOVED, "CS", "NO")
    if restored.DATES_MODIFIED not in one.raw or not one.is_of_ours:
        return marks
    if _has_other_dates(one):
        one.findings.append(_OTHER_DATES)
        return marks
    day = edits.get(restored.STUDY_DATE)
    word = "REMOVED" if day is not None and one.is_empty(day) else "UNMODIFIED"
    marks[restored.DATES_MODIFIED] = one.ascii_element(restored.DATES_MODIFIED, "CS", word)
    return marks


def _has_other_dates(one: Instance) -> bool:
    """Whether there are dates that may be copies of moved ones.

    A moved date was a day of the past, so moved back it is one again. What the partner writes of his own work
    is of these days: moved back it would mostly lie in the future.
    """
    found = False
    days = one.restoration.shift_days

    def look(value: Value) -> None:
        nonlocal found
        if value.vr not in {"DA", "DT"} or (value.tag in restored.CHANGED and "." not in value.path):
            return
        for said in filter(None, (each.strip(" \0") for each in value.content.decode("latin-1").split("\\"))):
            first = _first_day(said)
            may_be = days is None or first is None or first + timedelta(days=days) <= one.latest
            found = found or (may_be and days != 0)

    one.visit(look)
    return found


def _first_day(said: str) -> date | None:
    """The first day that a DA or DT value may mean; None where it is no date."""
    match = _DATE.match(said.replace(".", ""))
    try:
        return date(*(int(part or 1) for part in match.groups())) if match else None
    except ValueError:
        return None
