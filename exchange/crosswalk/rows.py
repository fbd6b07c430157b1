"""Rows of the crosswalk: what they hold, and how they are sealed.

Each row has a random 256-bit data key, wrapped under the crosswalk's key (AES key wrap, RFC 3394), and is
sealed with AES-256-GCM. The additional data binds the row's blind indexes, so a sealed row moved into another
row's place does not open. Indexes are HMAC-SHA256 under a key of their own: equal values are found, none can
be guessed, and domains do not match.
"""

import hmac
import json
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from exchange.domain.errors import CustodyError, KeysError
from exchange.keys.domains import KEY_BYTES, derive

_NONCE: Final = 12  # bytes; random, and each data key seals one row only


class RowKind(StrEnum):
    """What a row maps."""

    PATIENT = "patient"
    UID = "uid"
    STUDY = "study"


class Dates(StrEnum):
    """What became of StudyDate when the study was pseudonymised."""

    SHIFTED = "shifted"  # by the patient's days
    KEPT = "kept"
    OTHER = "other"  # removed, or replaced by a rule: it cannot be had back


@dataclass(frozen=True, slots=True)
class PatientEntry:
    """A patient: (issuer, id) to pseudonym.

    Attributes:
        issuer: Whose id it is: IssuerOfPatientID, or the issuer that stands for an absent one.
        patient_id: Normalised, so that one patient has one entry however the id is padded.
        epoch: Of the key that made the pseudonym.
    """

    issuer: str = field(repr=False)
    patient_id: str = field(repr=False)
    pseudonym: str
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class UidEntry:
    """A UID: original to replacement; a re-clean after a delivery is a new revision with a new one.

    A UID that patients share (of a device, say) has one replacement in each key epoch.
    """

    original: str = field(repr=False)
    pseudonym: str
    revision: int = 0
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class StudyEntry:
    """Whose study it is, among pseudonyms alone: a study and its patient, and what became of its date.

    The three together are what the row is found by: a study may be known with several patients (its PatientID
    was corrected) and under several rules, and each is remembered.

    Attributes:
        pseudonym: Of the StudyInstanceUID.
        patient: Pseudonym of the PatientID.
    """

    pseudonym: str
    patient: str
    dates: Dates


Entry = PatientEntry | UidEntry | StudyEntry


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A row as it is stored."""

    by_pseudonym: bytes
    by_original: bytes
    wrapped_key: bytes
    sealed: bytes = field(repr=False)


class RowSealer:
    """Seals and opens rows under one 32-byte key."""

    def __init__(self, key: bytes) -> None:
        """Derive the wrapping and index keys.

        Raises:
            KeysError: The key is not 32 bytes.
        """
        if len(key) != KEY_BYTES:
            raise KeysError(f"cannot use the crosswalk key: it has {len(key)} bytes, not {KEY_BYTES}")
        self._wrapping = derive(key, b"lockgate/crosswalk/wrap/v1")
        self._indexing = derive(key, b"lockgate/crosswalk/index/v1")
        self.check = hmac.digest(self._indexing, b"key check", "sha256")

    def index(self, domain: str, kind: RowKind, side: str, *values: str) -> bytes:
        """The blind index of a value; its parts are framed by their lengths."""
        parts = (domain, kind.value, side, *values)
        framed = (part.encode("utf-8", "surrogatepass") for part in parts)
        message = b"".join(len(part).to_bytes(4, "big") + part for part in framed)
        return hmac.digest(self._indexing, message, "sha256")

    def original_index(self, domain: str, entry: Entry) -> bytes:
        """The blind index of an entry's original; of a study, which has none, another one of the same."""
        if isinstance(entry, StudyEntry):
            return self.index(domain, RowKind.STUDY, "original", *_link(entry))
        if isinstance(entry, PatientEntry):
            return self.index(domain, RowKind.PATIENT, "original", entry.issuer, entry.patient_id)
        epoch = [str(entry.epoch)] if entry.epoch else []  # as before there were epochs
        return self.index(domain, RowKind.UID, "original", entry.original, str(entry.revision), *epoch)

    def pseudonym_index(self, domain: str, entry: Entry) -> bytes:
        """The blind index of an entry's pseudonym."""
        if isinstance(entry, StudyEntry):
            return self.index(domain, RowKind.STUDY, "pseudonym", *_link(entry))
        return self.index(domain, kind_of(entry), "pseudonym", entry.pseudonym)

    def seal(self, domain: str, entry: Entry) -> SealedRow:
        """Encrypt an entry."""
        by_pseudonym = self.pseudonym_index(domain, entry)
        by_original = self.original_index(domain, entry)
        data_key, nonce = secrets.token_bytes(32), secrets.token_bytes(_NONCE)
        sealed = nonce + AESGCM(data_key).encrypt(nonce, _encode(entry), by_pseudonym + by_original)
        return SealedRow(by_pseudonym, by_original, aes_key_wrap(self._wrapping, data_key), sealed)

    def open(self, row: SealedRow) -> Entry:
        """Decrypt a row.

        Raises:
            CustodyError: It was changed, moved, or sealed under another key.
        """
        try:
            data_key = aes_key_unwrap(self._wrapping, row.wrapped_key)
            nonce, body = row.sealed[:_NONCE], row.sealed[_NONCE:]
            plain = AESGCM(data_key).decrypt(nonce, body, row.by_pseudonym + row.by_original)
        except (InvalidUnwrap, InvalidTag, ValueError) as error:
            raise CustodyError(
                "cannot open a crosswalk row: it was changed or is under another key",
                "restore the crosswalk and its key from one backup",
            ) from error
        return _decode(plain)


def kind_of(entry: Entry) -> RowKind:
    """Which kind of row an entry is."""
    if isinstance(entry, StudyEntry):
        return RowKind.STUDY
    return RowKind.PATIENT if isinstance(entry, PatientEntry) else RowKind.UID


def is_older_spelling(known: Entry, entry: Entry) -> bool:
    """Whether a patient is known already, as version 0.2 wrote it: padded, or without the issuer."""
    if not isinstance(known, PatientEntry) or not isinstance(entry, PatientEntry):
        return False
    spelled = (known.issuer.strip() or entry.issuer, known.patient_id.strip(" \0"))
    return spelled == (entry.issuer, entry.patient_id)


def _link(entry: StudyEntry) -> tuple[str, str, str]:
    return entry.pseudonym, entry.patient, entry.dates.value


def _encode(entry: Entry) -> bytes:
    values: list[str | int]
    if isinstance(entry, PatientEntry):
        values = ["patient", entry.issuer, entry.patient_id, entry.pseudonym, entry.epoch]
    elif isinstance(entry, StudyEntry):
        values = ["study", *_link(entry)]
    else:
        values = ["uid", entry.original, entry.pseudonym, entry.revision, entry.epoch]
    return json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _decode(plain: bytes) -> Entry:
    kind, *values = json.loads(plain)
    if kind == RowKind.STUDY:
        pseudonym, patient, dates = values
        return StudyEntry(pseudonym, patient, Dates(dates))
    return PatientEntry(*values) if kind == RowKind.PATIENT else UidEntry(*values)
