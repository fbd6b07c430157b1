"""What a receipt claims: its payload, read strictly, before anyone knows who signed it."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from exchange.receipts.verify.envelope import pae
from exchange.receipts.verify.errors import VerificationError
from exchange.receipts.verify.strictjson import list_of, object_of, parse_canonical, text_of

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:lockgate:exchange-receipt:v1"
SUBJECT_SCOPE: Final = "dicom-dataset-after-file-meta"

R1: Final = frozenset({"accepted", "deidentified", "quarantined", "reidentified"})
R2: Final = frozenset({"forwarded", "committed", "rejected"})
R3: Final = frozenset({"closed"})
_EDITIONS: Final = frozenset({"partner", "site"})
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_UID: Final = re.compile(r"[0-9][0-9.]{0,63}")
_UUID7: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


@dataclass(frozen=True, slots=True)
class Subject:
    """One instance that the receipt covers; digests in lower-case hex, `pixel_sha256` "" without pixels."""

    sop_instance_uid: str
    sha256: str
    transfer_syntax: str
    pixel_sha256: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt's claims; which of them hold is what the verifier finds out."""

    receipt_id: str
    issued_at: datetime
    stage: str
    edition: str
    direction: str
    previous: str
    deliveries: tuple[str, ...]  # PAE hashes of the R2s, in an R3
    agent_id: str
    site: str
    study_instance_uid: str
    subjects: tuple[Subject, ...]
    pae_sha256: str
    predicate: dict[str, Any] = field(repr=False)
    renditions: tuple[Subject, ...] = ()  # in an R2: subjects that went in another transfer syntax


def parse_claims(payload: bytes) -> Receipt:
    """Read a payload.

    Raises:
        VerificationError: `json`, `not-canonical`, `statement`.
    """
    document, is_canonical = parse_canonical(payload, "the receipt")
    if not is_canonical:
        raise VerificationError("not-canonical", "the receipt is not in canonical form (RFC 8785)")
    if document.get("_type") != STATEMENT_TYPE or document.get("predicateType") != PREDICATE_TYPE:
        raise VerificationError("statement", "this statement is not an exchange receipt of version 1")
    predicate = object_of(document, "predicate", "statement")
    group = object_of(predicate, "id", "predicate")
    agent = object_of(predicate, "agent", "predicate")
    receipt = Receipt(
        receipt_id=_match(group, "receiptId", _UUID7),
        issued_at=_time(text_of(group, "issuedAt", "id")),
        stage=_one_of(group, "stage", R1 | R2 | R3),
        edition=_one_of(group, "edition", _EDITIONS),
        direction=_one_of(group, "direction", frozenset({"outbound", "inbound"})),
        previous=_digest_or_none(group),
        deliveries=_deliveries(group),
        agent_id=text_of(agent, "id", "agent"),
        site=text_of(agent, "site", "agent"),
        study_instance_uid=text_of(object_of(predicate, "study", "predicate"), "studyInstanceUID", "study"),
        subjects=_subjects(list_of(document, "subject", "statement")),
        pae_sha256=sha256(pae(payload)).hexdigest(),
        predicate=predicate,
        renditions=_renditions(predicate),
    )
    _check_stage(receipt)
    return receipt


def _check_stage(receipt: Receipt) -> None:
    if receipt.stage in R1 and not receipt.subjects:
        raise VerificationError("statement", f"a receipt of stage {receipt.stage} covers no instance")
    if receipt.stage in R2 and not receipt.previous:
        raise VerificationError("statement", f"a receipt of stage {receipt.stage} follows no other")
    names = {subject.sop_instance_uid for subject in receipt.subjects}
    if receipt.renditions and receipt.stage not in R2:
        raise VerificationError("statement", f"a receipt of stage {receipt.stage} tells of renditions")
    if not {rendition.sop_instance_uid for rendition in receipt.renditions} <= names:
        raise VerificationError("statement", "a rendition is of no subject of the receipt")
    if receipt.deliveries and (receipt.stage not in R3 or receipt.previous not in receipt.deliveries):
        raise VerificationError("statement", "the listed deliveries do not fit what the receipt follows")


def _subjects(items: list[Any]) -> tuple[Subject, ...]:
    subjects = tuple(_subject(item) for item in items)
    names = [subject.sop_instance_uid for subject in subjects]
    if names != sorted(set(names)):
        raise VerificationError("statement", "the subjects are not sorted, or one stands twice")
    return subjects


def _subject(item: object) -> Subject:
    if not isinstance(item, dict):
        raise VerificationError("statement", "a subject is no object")
    annotations = object_of(item, "annotations", "subject")
    if annotations.get("scope") != SUBJECT_SCOPE:
        # A digest over other bytes must not be compared with ours as if it were the same.
        raise VerificationError("statement", "a subject's digest is of another scope")
    pixels = annotations.get("pixelSha256", "")
    if pixels != "":
        pixels = _match(annotations, "pixelSha256", _HEX)
    return Subject(
        sop_instance_uid=_match(item, "name", _UID),
        sha256=_match(object_of(item, "digest", "subject"), "sha256", _HEX),
        transfer_syntax=_match(annotations, "transferSyntax", _UID),
        pixel_sha256=pixels,
    )


def _renditions(predicate: dict[str, Any]) -> tuple[Subject, ...]:
    """What the signer says went instead of a subject's own bytes: the same instance, without loss."""
    delivery = predicate.get("delivery")
    if not isinstance(delivery, dict) or "transcoded" not in delivery:
        return ()
    found: list[Subject] = []
    for item in list_of(object_of(delivery, "transcoded", "delivery"), "instances", "transcoded"):
        if not isinstance(item, dict):
            raise VerificationError("statement", "a rendition is no object")
        found.append(
            Subject(
                sop_instance_uid=_match(item, "sopInstanceUID", _UID),
                sha256=_match(item, "sha256", _HEX),
                transfer_syntax=_match(item, "transferSyntax", _UID),
                pixel_sha256="",
            )
        )
    return tuple(found)


def _deliveries(group: dict[str, Any]) -> tuple[str, ...]:
    found: list[str] = []
    for item in list_of(group, "deliveries", "id") if "deliveries" in group else []:
        if not isinstance(item, dict):
            raise VerificationError("statement", "a delivery is no object")
        _one_of(item, "stage", R2)
        found.append(_match(item, "paeSha256", _HEX))
    if len(set(found)) != len(found):
        raise VerificationError("statement", "a delivery stands twice")
    return tuple(found)


def _digest_or_none(group: dict[str, Any]) -> str:
    return _match(group, "previous", _HEX) if text_of(group, "previous", "id") else ""


def _match(group: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = text_of(group, name, "receipt")
    if not pattern.fullmatch(value):
        raise VerificationError("statement", f"{name} is not of the form that it must have")
    return value


def _one_of(group: dict[str, Any], name: str, allowed: frozenset[str]) -> str:
    value = text_of(group, name, "receipt")
    if value not in allowed:
        raise VerificationError("statement", f"{name} is none of {', '.join(sorted(allowed))}")
    return value


def _time(text: str) -> datetime:
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise VerificationError("statement", "issuedAt is no UTC time with milliseconds") from error
