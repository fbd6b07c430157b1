"""Keyed pseudonyms of one domain: UIDs, patients, date shifts and references to the source.

Everything is an HMAC-SHA-256 under the domain's key over a framed, labelled message: the same original gives
the same pseudonym, two domains cannot be linked, and without the key nothing can be tried out. Not linked to
the cleaner on purpose: the proof uses these functions to state what it expects.
"""

import hmac
import re
import unicodedata
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from redact.identifiers.uids import is_standard_uid

MAX_SHIFT_DAYS = 3650
_KEY_BYTES = 32
_PLACEHOLDER = re.compile(
    r"0+|9{4,}|X+|[-_.?*/#\s]+|N/?A|N\.A\.|NIL|NONE|NULL|NAN|UNK|UNKNOWN|UNBEKANNT|INCONNU"
    r"|DESCONOCIDO|NO[ _-]?(?:ID|NAME|PID)"
    r"|ANON[A-Z]*[ _-]*0*|DE-?IDENTIFIED|REMOVED|REDACTED"
    r"|EMPTY|BLANK|DUMMY|TEST|TEMP|PATIENT|PATIENT[ _-]?ID|ID|PID|MRN",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PatientPseudonym:
    """What one patient is called in one domain.

    Attributes:
        patient_id: New PatientID.
        patient_name: New PatientName.
        shift_days: Whole days, 1 to 3650, by which every date moves into the past.
        key_ref: Opaque reference to the patient's key, for the crosswalk; not reversible without the key.
        placeholder: True when the PatientID named nobody, so that the pseudonym holds for one study only.
    """

    patient_id: str
    patient_name: str
    shift_days: int
    key_ref: str
    placeholder: bool


def normalised_patient_id(patient_id: str) -> str:
    """The PatientID without what does not distinguish patients: padding and Unicode form (PS3.5 6.2, LO).

    Case and leading zeros are kept: two patients may differ in them, and merging two is the worse mistake.
    """
    return unicodedata.normalize("NFC", patient_id.replace("\0", " ")).strip()


def is_placeholder(patient_id: str) -> bool:
    """Whether a PatientID names nobody: empty, all zeros, `UNKNOWN`, `ANONYMOUS` and the like."""
    cleaned = normalised_patient_id(patient_id)
    return not cleaned or _PLACEHOLDER.fullmatch(cleaned) is not None


@dataclass(frozen=True)
class Pseudonymiser:
    """Pseudonyms of one domain.

    Attributes:
        domain_key: 32 secret bytes of the pseudonym domain; never shown.
        issuer: The route's issuer, used where IssuerOfPatientID is absent.
        revision: 0 for the first cleaning; a re-clean after a delivery counts up and gets new UIDs.
    """

    domain_key: bytes = field(repr=False)
    issuer: str
    revision: int = 0
    _uids: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.domain_key) < _KEY_BYTES:
            raise ValueError("cannot pseudonymise: the domain key has less than 32 bytes")
        if self.revision < 0:
            raise ValueError("cannot pseudonymise: the revision is negative")

    def uid(self, original: str) -> str:
        """The pseudonym of a UID: `2.25.` and a UUIDv8 (RFC 9562 5.8) of the HMAC, at most 44 characters.

        A UID of the DICOM standard (SOP classes, transfer syntaxes, coding schemes) is returned as it is. An
        invalid UID is mapped as the opaque string that it is. Padding (trailing NUL or space) is ignored.
        """
        stripped = original.strip(" \0")
        if not stripped or is_standard_uid(stripped):
            return stripped
        known = self._uids.get(stripped)
        if known is None:
            digest = self._hmac("uid", self.revision.to_bytes(8, "big"), _encoded(stripped))
            known = f"2.25.{_uuid8(digest).int}"
            self._uids[stripped] = known
        return known

    def patient(self, issuer: str, patient_id: str, study_uid: str) -> PatientPseudonym:
        """The pseudonym of a patient.

        Args:
            issuer: IssuerOfPatientID, "" where absent (then the route's issuer counts).
            patient_id: PatientID as it stands in the data set.
            study_uid: StudyInstanceUID; the key of a patient whose id is a placeholder.
        """
        placeholder = is_placeholder(patient_id)
        if placeholder:
            key = self._hmac("patient-of-study", _encoded(study_uid.strip(" \0")))
        else:
            key = self._hmac("patient", *map(_encoded, self.original(issuer, patient_id)))
        name = "LG" + base32(hmac.digest(key, b"pseudonym", sha256))[:16]
        shift = 1 + int.from_bytes(hmac.digest(key, b"date-shift", sha256)[:16], "big") % MAX_SHIFT_DAYS
        return PatientPseudonym(
            name, name, shift, hmac.digest(key, b"key-ref", sha256).hex()[:32], placeholder
        )

    def original(self, issuer: str, patient_id: str) -> tuple[str, str]:
        """Issuer and PatientID as they tell patients apart: one pair, one pseudonym."""
        return normalised_patient_id(issuer) or self.issuer, normalised_patient_id(patient_id)

    def source_ref(self, kind: str, *parts: str) -> str:
        """A reference to something of the source (a UID, a digest) that only holders of the key can check.

        Returns:
            64 lower-case hex digits.
        """
        return self._hmac("source-ref", kind.encode(), *(_encoded(part) for part in parts)).hex()

    def digest_of_value(self, value: str) -> bytes:
        """32 bytes that stand for a value in this domain, the same at every revision."""
        return self._hmac("value", _encoded(value))

    def _hmac(self, label: str, *parts: bytes) -> bytes:
        # Each part is framed by its length, so that no two lists of parts give the same message.
        framed = b"".join(len(part).to_bytes(4, "big") + part for part in (label.encode(), *parts))
        return hmac.digest(self.domain_key, b"lockgate-pseudonym-v1" + framed, sha256)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _uuid8(digest: bytes) -> UUID:
    value = int.from_bytes(digest[:16], "big")
    value = value & ~(0xF << 76) | (0x8 << 76)  # version 8
    value = value & ~(0x3 << 62) | (0x2 << 62)  # variant 10
    return UUID(int=value)


def base32(digest: bytes) -> str:
    """The first 16 bytes of a digest as 25 letters and digits."""
    # Crockford's alphabet: no letter I, L, O or U, hence no accidental words or misread digits.
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    value = int.from_bytes(digest[:16], "big")
    return "".join(alphabet[value >> shift & 31] for shift in range(120, -1, -5))
