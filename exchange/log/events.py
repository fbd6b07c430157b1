"""Events: what the log can record, and nothing that could name a patient."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from exchange.domain.errors import LogError

MAX_FIELDS = 32
MAX_INTEGER = (1 << 53) - 1  # RFC 8785: beyond it two readers of JSON may differ
_MAX_PRIVATE = 16_384
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}|")
_UID_LIKE = re.compile(r"[0-9]+(\.[0-9]+){4,}")


class EventKind(StrEnum):
    """What happened. Kinds are never renamed, only added."""

    RECEIPT_ISSUED = "receipt.issued"
    RECEIPT_VERIFIED = "receipt.verified"
    INSTANCE_RECEIVED = "instance.received"
    INSTANCE_SENT = "instance.sent"
    INSTANCE_DELETED = "instance.deleted"
    DEID_APPLIED = "deid.applied"
    MODEL_RUN = "model.run"
    MODEL_MODE_CHANGED = "model.mode.changed"
    REVIEW_DECISION = "review.decision"
    POLICY_CHANGED = "policy.changed"
    CONFIG_CHANGED = "config.changed"
    USER_LOGIN = "user.login"
    USER_DENIED = "user.denied"
    ROLE_CHANGED = "role.changed"
    CROSSWALK_OPEN = "crosswalk.open"
    CROSSWALK_DENIED = "crosswalk.denied"
    KEY_CREATED = "key.created"
    KEY_CERTIFIED = "key.certified"  # a CA's certificate was put in use
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    BOOT = "boot"
    SHUTDOWN = "shutdown"
    CLOCK_STEP = "clock.step"
    LOG_RECOVERED = "log.recovered"
    AUDIT_READ = "audit.read"
    AUDIT_EXPORTED = "audit.exported"
    DEGRADED_ENTER = "degraded.enter"
    DEGRADED_LEAVE = "degraded.leave"
    ALERT = "alert"
    EXCHANGE_OPENED = "exchange.opened"
    EXCHANGE_HELD = "exchange.held"
    EXCHANGE_CLOSED = "exchange.closed"
    EXCHANGE_PRIORITISED = "exchange.prioritised"
    EXCHANGE_RESENT = "exchange.resent"  # all or some of its instances came before
    INSTANCE_CONFLICT = "instance.conflict"  # other bytes under one SOP Instance UID
    NOTICE_RECEIVED = "notice.received"  # IAN or MPPS
    ARCHIVE_ASKED = "archive.asked"  # C-FIND: how many instances a study has
    JOURNAL_SEALED = "journal.sealed"  # the journal of an older version, which this log continues
    PRIVATE_ERASED = "private.erased"  # the private part of an earlier leaf


def list_sha256(digests: Iterable[str]) -> str:
    """What stands for a list of instances: SHA-256 over their content digests, sorted, one a line.

    Content digests, never UIDs: a bare hash of an identifier can be guessed.
    """
    return sha256("".join(f"{one}\n" for one in sorted(digests)).encode()).hexdigest()


class Outcome(StrEnum):
    """How it ended."""

    OK = "ok"
    FAILED = "failed"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: What.
        obj: Names to values: integers, or tokens of at most 128 characters (ids, codes, digests). No white
            space and nothing that looks like a DICOM UID, so that neither text nor an identifier fits.
        outcome: How it ended.
        actor: Keyed reference of the person who acted, "" for the appliance itself.
        private: What may name somebody: it never gets into the leaf, which has a commitment to it only, and
            can be erased. Names to texts.

    Raises:
        LogError: A name or value is not of that form; the message does not repeat it.
    """

    kind: EventKind
    obj: Mapping[str, str | int] = field(default_factory=dict)
    outcome: Outcome = Outcome.OK
    actor: str = ""
    private: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if len(self.obj) > MAX_FIELDS:
            raise LogError(f"cannot log {self.kind}: more than {MAX_FIELDS} fields")
        if not all(re.fullmatch(r"[a-z][A-Za-z0-9]{0,40}", name) for name in (*self.obj, *self.private)):
            raise LogError(f"cannot log {self.kind}: a field's name is not camelCase")
        if not all(isinstance(text, str) for text in self.private.values()):
            raise LogError(f"cannot log {self.kind}: a private value is no text")
        if sum(map(len, self.private.values())) > _MAX_PRIVATE:
            raise LogError(f"cannot log {self.kind}: its private part is too long")
        values: dict[str, object] = {**self.obj, "actor": self.actor}
        for name, value in values.items():
            if isinstance(value, str) and _TOKEN.fullmatch(value) and not _UID_LIKE.search(value):
                continue
            if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_INTEGER:
                continue
            raise LogError(
                f"cannot log {self.kind}: the value of {name} is no integer, id, code or digest",
                "log a code or a keyed reference instead",
            )
