"""The quarantine identity: whose it is, and how a foreign PatientID is written in it.

A foreign PatientID says nothing here: the same characters may be another person's id. Under quarantine it is
`<prefix><foreign id>`, issued by the partner, so that no local patient can be meant by it.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from redact.reconcile.history import Provenance

LONGEST = 64  # characters of a value of VR LO (PS3.5 table 6.2-1)
_DIGEST = 16
_SHORTENED = re.compile(rf"~[0-9a-f]{{{_DIGEST}}}\Z")
_UNFIT = re.compile(r"[\\\x00-\x1f\x7f\ufffd]")
_NOT_ASCII = re.compile(r"[^ -\[\]-~]")  # nor the backslash, which separates values


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Under which identity the instances of one study enter the PACS.

    Attributes:
        issuer: IssuerOfPatientID: the partner. Printable ASCII, 1 to 64 characters, no backslash.
        prefix: Before each PatientID; likewise, and short enough to leave room for it.
        modifying_system: Who changed the attributes, for OriginalAttributesSequence.
        modified_at: When, timezone-aware; the same for every attempt at a study, so that its bytes are.
    """

    issuer: str
    prefix: str
    modifying_system: str
    modified_at: datetime

    @property
    def provenance(self) -> Provenance:
        """For the record of what is changed."""
        return Provenance(self.issuer, self.modifying_system, self.modified_at)


@dataclass(frozen=True, slots=True)
class ForeignPatient:
    """Who the partner says it is; the repr shows nothing of it.

    Attributes:
        patient_id: As decoded; several values joined by a backslash.
        issuer: The partner's own issuer, "" when not told.
        study_instance_uid: Tells patients without any id apart.
    """

    patient_id: str = field(repr=False)
    issuer: str = field(repr=False)
    study_instance_uid: str = field(repr=False)


def is_plain(patient_id: str) -> bool:
    """Whether the id is one value that is kept to the letter: no backslash, no control character."""
    return not _UNFIT.search(patient_id) and not _SHORTENED.search(patient_id)


def quarantined_id(prefix: str, foreign: ForeignPatient) -> str:
    """The PatientID under quarantine, at most 64 characters.

    `prefix` and the id where that fits. Two patients never get one: an id that is too long, of several
    values, or only unique together with the partner's own issuer ends in `~` and 16 hex digits of a SHA-256
    over all of it (an id that ends like this already, too); without any id, over the study's UID.
    """
    patient_id = stripped(foreign.patient_id)
    if not patient_id:
        return f"{prefix}unknown~{_digest('study', foreign.study_instance_uid)}"
    whole = prefix + patient_id
    if is_plain(patient_id) and not foreign.issuer and len(whole) <= LONGEST:
        return whole
    head = _NOT_ASCII.sub("", patient_id)[: LONGEST - len(prefix) - _DIGEST - 1]
    return f"{prefix}{head}~{_digest('patient', patient_id, foreign.issuer)}"


def stripped(value: str) -> str:
    """A value without its padding."""
    return value.strip(" \0")


def is_quarantined(issuer: str, patient_id: str, quarantine: Quarantine) -> bool:
    """Whether an identity is of this quarantine already: its issuer, and one id behind its prefix."""
    value = stripped(patient_id)
    fits = len(quarantine.prefix) < len(value) <= LONGEST and not _UNFIT.search(value)
    return fits and value.startswith(quarantine.prefix) and stripped(issuer) == quarantine.issuer


def _digest(*parts: str) -> str:
    state = sha256(b"lockgate-quarantine-v1")
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        state.update(len(encoded).to_bytes(4, "big") + encoded)
    return state.hexdigest()[:_DIGEST]
