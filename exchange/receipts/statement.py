"""The in-toto Statement v1 of a receipt, in canonical JSON (RFC 8785)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import rfc8785

from exchange.domain.errors import LockgateError
from exchange.receipts.facts import (
    R1_STAGES,
    AgentFacts,
    DeidentificationFacts,
    Edition,
    Links,
    ReceiptBody,
    Stage,
    Subject,
)

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:lockgate:exchange-receipt:v1"
SUBJECT_SCOPE = "dicom-dataset-after-file-meta"
MAX_SAFE_INTEGER = (1 << 53) - 1  # RFC 8785: numbers are IEEE 754 doubles to other readers

Json = str | int | Mapping[str, "Json"] | Sequence["Json"]

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_HEX = re.compile(r"[0-9a-f]{64}")
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class ReceiptError(LockgateError):
    """A receipt cannot be issued as asked."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What both editions of one event share.

    Attributes:
        receipt_id: UUIDv7, lower-case with hyphens.
        issued_at: RFC 3339, UTC, milliseconds.
    """

    receipt_id: str
    issued_at: str


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and `Z`."""
    if moment.tzinfo is None:
        raise ReceiptError("cannot write a time without a zone", "pass a timezone-aware datetime")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def statement(
    ticket: Ticket,
    selection: tuple[Stage, Edition],
    agent: Mapping[str, Json],
    body: ReceiptBody,
    links: Links,
) -> bytes:
    """The payload to be signed.

    Args:
        ticket: Shared by both editions.
        selection: Stage and edition.
        agent: The `agent` group (`agent_group`).
        body: What is attested.
        links: What it follows.

    Raises:
        ReceiptError: A rule of the format is broken: subjects of one UID, an R1 without subjects, an R2
            without a delivery, a link that is no digest, an unprintable character, an integer over 2^53.
    """
    stage, edition = selection
    _check(ticket, stage, body, links)
    document: dict[str, Json] = {
        "_type": STATEMENT_TYPE,
        "subject": [_subject(subject) for subject in sorted(body.subjects, key=_subject_order)],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "id": _id_group(ticket, selection, body, links),
            "agent": agent,
            **_groups(body, edition),
        },
    }
    return canonical(document)


def canonical(document: Mapping[str, Json]) -> bytes:
    """Canonical JSON (RFC 8785) of strings, integers, lists and objects.

    Raises:
        ReceiptError: Something else is in it.
    """
    _check_values(document)
    return rfc8785.dumps(document)


def agent_group(agent: AgentFacts, key_protection: str) -> dict[str, Json]:
    """The `agent` group, with where the signing key lives."""
    return {**_object(agent, Edition.SITE), "keyProtection": key_protection}


def _subject_order(subject: Subject) -> str:
    return subject.sop_instance_uid


def _subject(subject: Subject) -> dict[str, Json]:
    annotations: dict[str, Json] = {
        "scope": SUBJECT_SCOPE,
        "transferSyntax": subject.transfer_syntax,
        "bytes": subject.byte_count,
        "sopClass": subject.sop_class,
    }
    if subject.pixel_sha256:
        annotations["pixelSha256"] = subject.pixel_sha256
    return {
        "name": subject.sop_instance_uid,
        "digest": {"sha256": subject.sha256},
        "annotations": annotations,
    }


def _id_group(
    ticket: Ticket, selection: tuple[Stage, Edition], body: ReceiptBody, links: Links
) -> dict[str, Json]:
    stage, edition = selection
    group: dict[str, Json] = {
        "receiptId": ticket.receipt_id,
        "issuedAt": ticket.issued_at,
        "stage": stage.value,
        "edition": edition.value,
        "direction": body.direction.value,
        "previous": links.previous,
        "supersedes": links.supersedes,
        "follows": links.follows,
    }
    if stage is Stage.CLOSED:
        group["deliveries"] = [
            {"stage": link.stage.value, "paeSha256": link.pae_sha256} for link in links.deliveries
        ]
    return group


def _groups(body: ReceiptBody, edition: Edition) -> dict[str, Json]:
    groups = _object(body, edition)
    for name in ("subjects", "direction"):
        del groups[name]
    if body.deidentification is not None:
        groups["deidentification"] = _deidentification(body.deidentification, edition)
    if body.minimisation is not None:
        groups["minimisation"] = _deidentification(body.minimisation, edition)
    return groups


def _deidentification(facts: DeidentificationFacts, edition: Edition) -> dict[str, Json]:
    group = _object(facts, edition)
    if facts.pixel is None:
        # Said, not left out: a reader must not take silence for "nothing was found".
        group["pixels"] = "not examined"
    return group


def _object(value: object, edition: Edition) -> dict[str, Json]:
    """A dataclass as an object; what is None or of another edition is left out."""
    assert is_dataclass(value)  # noqa: S101 - narrows for the type checker; callers pass our own types
    return {
        _camel(field.name): _json(item, edition)
        for field in fields(value)
        if (item := getattr(value, field.name)) is not None and _visible(field, edition)
    }


def _visible(field: Field[Any], edition: Edition) -> bool:
    return edition is Edition.SITE or field.metadata.get("edition") != Edition.SITE


def _json(value: object, edition: Edition) -> Json:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return [_json(item, edition) for item in value]
    if is_dataclass(value):
        return _object(value, edition)
    return value  # type: ignore[return-value]  # strings and integers; `_check_values` refuses the rest


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join("UID" if word == "uid" else word.capitalize() for word in rest)


def _check(ticket: Ticket, stage: Stage, body: ReceiptBody, links: Links) -> None:
    if not _UUID7.fullmatch(ticket.receipt_id):
        raise ReceiptError("cannot issue a receipt: its id is no UUIDv7", "take a ticket from the issuer")
    names = {subject.sop_instance_uid for subject in body.subjects}
    if len(names) != len(body.subjects):
        raise ReceiptError("cannot issue a receipt: two subjects have one SOP Instance UID")
    if stage in R1_STAGES and not body.subjects:
        raise ReceiptError(f"cannot issue a receipt of stage {stage}: it covers no instance")
    delivers = stage not in R1_STAGES and stage is not Stage.CLOSED
    if delivers and (body.delivery is None or not links.previous):
        raise ReceiptError(f"cannot issue a receipt of stage {stage}: it needs a delivery and its R1")
    if not delivers and body.delivery is not None:
        # Only R2 is made for one destination; elsewhere a partner would read another partner's name.
        raise ReceiptError(f"cannot issue a receipt of stage {stage}: only R2 names a destination")
    hashes = [links.previous] if links.previous else []
    hashes += [link.pae_sha256 for link in links.deliveries]
    if not all(_HEX.fullmatch(digest) for digest in hashes):
        raise ReceiptError("cannot issue a receipt: a link is no SHA-256 digest")
    if links.deliveries and stage is not Stage.CLOSED:
        raise ReceiptError("cannot issue a receipt: only R3 lists deliveries")


def _check_values(value: object) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _check_values(key)
            _check_values(item)
    elif isinstance(value, list):
        for item in value:
            _check_values(item)
    elif isinstance(value, str):
        if _UNPRINTABLE.search(value):
            raise ReceiptError("cannot issue a receipt: a text has a control character")
    elif type(value) is not int or abs(value) > MAX_SAFE_INTEGER:
        raise ReceiptError("cannot issue a receipt: a value is neither text nor an integer below 2^53")
