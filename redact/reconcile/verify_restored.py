"""`verify_restored`: an independent re-read of a returned instance as it was written, against what came.

It shares the table and the form of pseudonyms with the writer and nothing else: the walk is the proof's own,
values are decoded apart, dates are reckoned apart. It shows that

1. the patient is exactly the one that the crosswalk names, in every element that says so;
2. of patient and study nothing is said but what the original says, or nothing;
3. no pseudonym that is known is left, in any element at any depth; what else has the form of one is told, so
   that the caller can ask the crosswalk;
4. nothing differs but elements of the table and, elsewhere, pseudonyms that became their originals; pixels
   are the same;
5. each original that was changed can be had back, byte for byte, from OriginalAttributesSequence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import takewhile

from exchange.domain.codes import ReasonCode
from exchange.domain.source import Source
from redact.identifiers.pseudonym_forms import exchanged_text, patients_in, uids_in
from redact.reconcile import attributes, restored
from redact.reconcile.reading import Reading, different, keeps_originals, same_object
from redact.reconcile.restored import NOT_LOOKED_AT
from redact.reconcile.returned import Restoration
from redact.verify.walk import Element, implicit_vr, tag_text

_TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_KEPT_HERE = frozenset({restored.STUDY_DATE, restored.STUDY_TIME})


@dataclass(frozen=True, slots=True)
class ShownRestored:
    """What the check learned.

    Attributes:
        pixel_sha256: Of both files; "" without pixels.
        changed: Top-level tags that differ and whose originals are kept.
        left: What still has the form of a pseudonym, each with the path where it stands first; the crosswalk
            must know none of it.
    """

    pixel_sha256: str
    changed: tuple[int, ...]
    left: Mapping[str, str]


def verify_restored(
    came: Source, written: Source, restoration: Restoration, reference: Source | None
) -> ShownRestored:
    """Show that a written instance is the one that came, as the original patient's.

    Args:
        came: As the partner sent it.
        written: As it is to leave.
        restoration: Whose it is.
        reference: An instance of the original study; None where none is here any more.

    Raises:
        HeldError: `reidentify`, with the path of the first element that is not as it must be.
        InputError: One of the files cannot be read.
        OSError: Likewise.
    """
    before = Reading.of(came, ReasonCode.REIDENTIFY)
    after = Reading.of(written, ReasonCode.REIDENTIFY)
    original = None if reference is None else Reading.of(reference, ReasonCode.REIDENTIFY)
    digest = same_object(before, after)
    changed = different(before, after)
    _is_of_the_patient(after, restoration)
    _says_what_the_original_says(before, after, original, restoration)
    _marks_are_true(after)
    _dates_are_told(before, after, restoration)
    left = _left(after)
    for known in (*restoration.uids, *restoration.pseudonyms):
        if known in left:
            raise after.refused("a pseudonym is left in it", left[known])
    _only_pseudonyms_became_others(before, after, original, restoration)
    keeps_originals(before, after, changed)
    return ShownRestored(digest, changed, left)


def _is_of_the_patient(after: Reading, restoration: Restoration) -> None:
    said = after.text(attributes.PATIENT_ID)
    if not said or said != restoration.patient_id.strip(" \0"):
        raise after.refused("its PatientID is not the original's", tag_text(attributes.PATIENT_ID))
    top = after.top()
    issuer = after.text(attributes.ISSUER_OF_PATIENT_ID)
    if issuer != restoration.issuer.strip(" \0") or (not issuer and attributes.ISSUER_OF_PATIENT_ID in top):
        raise after.refused("its issuer is not the original's", tag_text(attributes.ISSUER_OF_PATIENT_ID))
    study = after.text(restored.STUDY_INSTANCE_UID)
    if restoration.study_instance_uid and study != restoration.study_instance_uid:
        raise after.refused("its study is not the original's", tag_text(restored.STUDY_INSTANCE_UID))


def _says_what_the_original_says(
    before: Reading, after: Reading, original: Reading | None, restoration: Restoration
) -> None:
    """Of patient, study, orders and visits: the original's values, or none."""
    ours = bool(restoration.study_instance_uid)
    of_original = {*restored.OF_PATIENT, *(restored.OF_STUDY if ours else ())}
    for tag in {*restored.OF_PATIENT, *restored.FOREIGN, *(restored.OF_STUDY if ours else ())}:
        said = _said(after, tag)
        if not said or (original is not None and tag in of_original and said == _said(original, tag)):
            continue
        if original is None and tag in _KEPT_HERE and said == _reckoned(before, tag, restoration):
            continue
        raise after.refused("it says of the patient what the original does not say", tag_text(tag))


def _said(reading: Reading, tag: int) -> list[tuple[str, str]]:
    """Everything in a top-level element that says something: path and text, a sequence flattened."""
    found = [
        (one.path, reading.text_of(one))
        for one in _below(reading, tag)
        if one.end > one.start and one.tag != restored.SPECIFIC_CHARACTER_SET
    ]
    return [(path, text) for path, text in found if text]


def _below(reading: Reading, tag: int) -> Iterator[Element]:
    start = tag_text(tag)
    return (one for one in reading.elements if one.path.startswith(start))


def _reckoned(before: Reading, tag: int, restoration: Restoration) -> list[tuple[str, str]]:
    """StudyDate moved back, or StudyTime as it came, where that is how the study left."""
    said = before.text(tag)
    if restoration.shift_days is None or not said:
        return []
    if tag == restored.STUDY_DATE:
        digits = said.replace(".", "")
        try:
            day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
            said = f"{day + timedelta(days=restoration.shift_days):%Y%m%d}"
        except (ValueError, OverflowError):
            return []
    return [(tag_text(tag), said)]


def _marks_are_true(after: Reading) -> None:
    if after.text(restored.IDENTITY_REMOVED) not in {"", "NO"}:
        raise after.refused("it says that its identity was removed", tag_text(restored.IDENTITY_REMOVED))
    top = after.top()
    for tag in (restored.METHOD, restored.METHOD_CODES):
        if tag in top:
            raise after.refused("it says how its identity was removed", tag_text(tag))


def _dates_are_told(before: Reading, after: Reading, restoration: Restoration) -> None:
    """What stands in LongitudinalTemporalInformationModified came so, or is true: no moved date is left."""
    word = after.text(restored.DATES_MODIFIED)
    if word == before.text(restored.DATES_MODIFIED):
        return
    dates = (
        (one, said.strip(" \0"))
        for one in _looked_at(after)
        if _vr(one) in {"DA", "DT"} and (one.depth or one.tag not in restored.CHANGED)
        for said in after.text_of(one).split("\\")
    )
    doubtful = any(said and _may_be_moved(said, restoration) for _, said in dates)
    empty = not after.text(restored.STUDY_DATE)
    if doubtful or word != ("REMOVED" if empty else "UNMODIFIED"):
        raise after.refused("what it says of its dates is not true", tag_text(restored.DATES_MODIFIED))


def _may_be_moved(said: str, restoration: Restoration) -> bool:
    """Whether a date, moved back, would be one of the past; whatever is no date may be one."""
    days = restoration.shift_days
    if days is None:
        return True
    digits = "".join(takewhile(str.isdigit, said.replace(".", "")))[:8]
    day = digits + {4: "0101", 6: "01"}.get(len(digits), "")
    try:
        moved = date(int(day[:4]), int(day[4:6]), int(day[6:8])) + timedelta(days=days)
    except (ValueError, OverflowError):
        return days != 0
    return days != 0 and moved <= (restoration.provenance.modified_at + timedelta(days=1)).date()


def _left(after: Reading) -> dict[str, str]:
    """What has the form of a pseudonym, with its path; the record of earlier values and documents apart."""
    found: dict[str, str] = {}
    for one in _looked_at(after):
        value = after.data[one.start : one.end]
        for each in (*uids_in(value), *patients_in(value)):
            found.setdefault(each, one.path)
    return found


def _looked_at(after: Reading) -> Iterator[Element]:
    passed = tuple(tag_text(tag) for tag in NOT_LOOKED_AT)
    return (one for one in after.elements if not one.path.startswith(passed))


def _vr(element: Element) -> str:
    """The VR as written; the dictionary's where it is UN."""
    return implicit_vr(element.tag) if element.vr == "UN" else element.vr


def _only_pseudonyms_became_others(
    before: Reading, after: Reading, original: Reading | None, restoration: Restoration
) -> None:
    """Outside the table every element is there as before, and says the same with the originals in it."""
    names = _Names.of(original, restoration)
    ours = bool(restoration.study_instance_uid)
    came, written = list(_outside(before, ours=ours)), list(_outside(after, ours=ours))
    if [(one.path, one.vr) for one in came] != [(one.path, one.vr) for one in written]:
        raise after.refused("an element outside the table was added or removed", "")
    for one, other in zip(came, written, strict=True):
        same = before.data[one.start : one.end] == after.data[other.start : other.end]
        if not same and after.text_of(other) not in names.of_what(_vr(one), before.text_of(one)):
            raise after.refused("an element outside the table was changed", other.path)
    described = before.text(restored.DESCRIPTION), after.text(restored.DESCRIPTION)
    theirs = original.text(restored.DESCRIPTION) if original is not None and ours else described[1]
    if described[1] not in {theirs, *names.of_what("LO", described[0])}:
        raise after.refused("it says of the study what the original does not say", "(0008,1030)")
    charset = after.text(restored.SPECIFIC_CHARACTER_SET)
    to_utf_8 = charset == restored.UTF_8.decode("ascii") and _is_ascii(before)
    if charset != before.text(restored.SPECIFIC_CHARACTER_SET) and not to_utf_8:
        raise after.refused("its character set was changed", tag_text(restored.SPECIFIC_CHARACTER_SET))


@dataclass(frozen=True, slots=True)
class _Names:
    """What may stand where a pseudonym stood; a name may be left out where it cannot be said."""

    ids: Mapping[str, str] = field(repr=False)
    names: tuple[Mapping[str, str], ...] = field(repr=False)

    @classmethod
    def of(cls, original: Reading | None, restoration: Restoration) -> "_Names":
        name = "" if original is None else original.text(restored.PATIENT_NAME)
        patient = (restoration.patient_id.strip(" \0"), name, "")
        ids, *names = ({**restoration.uids, **dict.fromkeys(restoration.pseudonyms, one)} for one in patient)
        return cls(ids, tuple(names))

    def of_what(self, vr: str, said: str) -> tuple[str, ...]:
        """What a value of this VR may say now; nothing where values of this VR may not change."""
        if vr == "PN":
            return tuple(exchanged_text(said, one).strip(" \0") for one in self.names)
        return (exchanged_text(said, self.ids).strip(" \0"),) if vr == "UI" or vr in _TEXT_VRS else ()


def _outside(reading: Reading, *, ours: bool) -> Iterator[Element]:
    table = (
        restored.CHANGED if ours else restored.CHANGED - (restored.OF_STUDY.keys() - restored.FOREIGN.keys())
    )
    passed = tuple(tag_text(tag) for tag in (*table, attributes.ORIGINAL_ATTRIBUTES))
    for one in reading.elements:
        if not one.path.startswith(passed) and not (one.depth == 0 and attributes.is_group_length(one.tag)):
            yield one


def _is_ascii(reading: Reading) -> bool:
    values = (reading.data[one.start : one.end] for one in reading.elements if one.vr in _TEXT_VRS)
    return all(value.isascii() and b"\x1b" not in value for value in values)
