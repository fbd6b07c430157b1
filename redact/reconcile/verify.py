"""`verify_quarantine`: an independent re-read of what was written, against what came.

It shares the table with the writer and nothing else: the walk is the proof's own, values are decoded apart,
and what was meant to be changed is not asked for. It shows that

1. the instance stands under the quarantine identity, and the foreign PatientID alone nowhere that counts;
2. nothing but elements of the table differs, pixels included;
3. each original that was changed can be had back, byte for byte, from OriginalAttributesSequence.
"""

from dataclasses import dataclass

from exchange.domain.codes import ReasonCode
from exchange.domain.source import Source
from redact.reconcile import attributes
from redact.reconcile.attributes import Action
from redact.reconcile.quarantine import LONGEST, Quarantine
from redact.reconcile.reading import Reading, different, keeps_originals, same_object
from redact.verify.walk import tag_text

_ALLOWED_TO_HOLD = frozenset({attributes.PATIENT_ID, attributes.ISSUER_OF_PATIENT_ID})


@dataclass(frozen=True, slots=True)
class ShownInstance:
    """What the check learned.

    Attributes:
        pixel_sha256: Of both files; "" without pixels.
        changed: Top-level tags that differ and whose originals are kept.
    """

    pixel_sha256: str
    changed: tuple[int, ...]


def verify_quarantine(original: Source, reconciled: Source, quarantine: Quarantine) -> ShownInstance:
    """Show that a written instance is the original under its quarantine identity.

    Args:
        original: As it came.
        reconciled: As it was written.
        quarantine: Its identity.

    Raises:
        HeldError: `quarantine`, with the path of the first element that is not as it must be.
        InputError: One of the files cannot be read.
        OSError: Likewise.
    """
    before = Reading.of(original, ReasonCode.QUARANTINE)
    after = Reading.of(reconciled, ReasonCode.QUARANTINE)
    digest = same_object(before, after)
    changed = different(before, after)
    for tag in changed:
        if not attributes.may_change(tag):
            raise after.refused("an element outside the table was changed", tag_text(tag))
    _has_quarantine_identity(after, quarantine)
    _says_no_foreign_id(before, after, changed)
    keeps_originals(before, after, changed)
    return ShownInstance(digest, changed)


def _has_quarantine_identity(after: Reading, quarantine: Quarantine) -> None:
    if after.text(attributes.ISSUER_OF_PATIENT_ID) != quarantine.issuer:
        raise after.refused("its issuer is not the partner", tag_text(attributes.ISSUER_OF_PATIENT_ID))
    patient_id = after.text(attributes.PATIENT_ID)
    behind = patient_id.removeprefix(quarantine.prefix)
    if behind == patient_id or not behind or "\\" in patient_id or len(patient_id) > LONGEST:
        raise after.refused("its PatientID is not behind the prefix", tag_text(attributes.PATIENT_ID))
    top = after.top()
    for tag, action in attributes.TABLE.items():
        if action is Action.REMOVE and tag in top:
            raise after.refused("an element that must not be there is there", tag_text(tag))
        if action is Action.EMPTY and after.text(tag):
            raise after.refused("an element that must be empty is not", tag_text(tag))


def _says_no_foreign_id(before: Reading, after: Reading, changed: tuple[int, ...]) -> None:
    """Of what was changed only the identity holds anything, and nothing is the foreign id alone."""
    top = after.top()
    for tag in changed:
        if tag in top and tag not in _ALLOWED_TO_HOLD and after.text(tag):
            raise after.refused("an element was given another value", tag_text(tag))
    if attributes.PATIENT_ID not in changed:
        return  # it came under this quarantine
    foreign = set(_split(before.text(attributes.PATIENT_ID)))
    for one in after.elements:
        looked_at = one.depth == 0 and (attributes.is_swept(one.tag) or one.tag == attributes.STUDY_ID)
        if looked_at and one.vr in attributes.SWEPT_VRS and foreign & set(_split(after.text_of(one))):
            raise after.refused("the foreign PatientID stands in it alone", one.path)


def _split(text: str) -> list[str]:
    return [value for part in text.split("\\") if (value := part.strip(" \0"))]
