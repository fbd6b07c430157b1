"""Exchanges: one study on one route, the unit of policy, hold, retry and receipt."""

from enum import IntEnum, StrEnum


class Direction(StrEnum):
    """Which way a route looks from the hospital."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


class ExchangeState(StrEnum):
    """Where an exchange stands; custody is the only truth of it."""

    OPEN = "open"  # instances still arrive
    SETTLED = "settled"  # complete by evidence; waits for a workflow
    PROCESSING = "processing"  # an attempt is running
    HELD = "held"  # stopped for a person
    DELIVERING = "delivering"  # frozen, R1 durable, deliveries under way
    CLOSED = "closed"  # R3 written
    REJECTED = "rejected"  # a person refused it; R3 written
    RETIRED = "retired"  # spool deleted by retention


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    ACTIVE = "active"
    WAITING = "waiting"  # backing off
    COMMITTING = "committing"  # all sent; the peer's storage commitment is awaited
    FORWARDED = "forwarded"
    COMMITTED = "committed"  # all sent, and the peer answers for its safekeeping
    REJECTED = "rejected"  # the peer refused at least one instance for good


ENDED_DELIVERIES = frozenset({DeliveryState.FORWARDED, DeliveryState.COMMITTED, DeliveryState.REJECTED})
"""Nothing more is sent; the R2 is written or owed."""


class Priority(IntEnum):
    """How urgent an exchange is: a higher one is processed and delivered first."""

    ROUTINE = 0
    HIGH = 1
    STAT = 2


class HoldState(StrEnum):
    """Whether a hold still stops its exchange."""

    OPEN = "open"
    DECIDED = "decided"


class DecisionKind(StrEnum):
    """What a person may decide about a hold."""

    RELEASE = "release"
    REDACT = "redact"
    CORRECT = "correct"
    REJECT = "reject"


class Role(StrEnum):
    """Roles that `people:` in the site file may give."""

    TECHNOLOGIST = "technologist"
    PRIVACY = "privacy"
    ADMINISTRATOR = "administrator"


class OpeningReason(StrEnum):
    """Why somebody asks whose pseudonym it is: in the log, for the audit."""

    INCIDENTAL_FINDING = "incidental-finding"
    RESULT_RETURN = "result-return"
    PATIENT_REQUEST = "patient-request"
    SAFETY_EVENT = "safety-event"
    QUALITY_AUDIT = "quality-audit"
    LEGAL_ORDER = "legal-order"


class DecisionReason(StrEnum):
    """Reason codes of a decision: on the partner edition, too; free text is on the site edition only."""

    REVIEWED_NO_IDENTITY = "reviewed-no-identity"
    FALSE_ALARM = "false-alarm"
    CLINICAL_URGENCY = "clinical-urgency"
    WRONG_STUDY = "wrong-study"
    WRONG_RECIPIENT = "wrong-recipient"
    IDENTITY_PRESENT = "identity-present"
    QUALITY_INSUFFICIENT = "quality-insufficient"
    RECONCILED = "reconciled"  # the patient has been reconciled in the PACS
    OTHER = "other"
