"""What custody is given and what it answers: frozen dataclasses, no rows, no SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from exchange.domain.delivery import InstanceState
from exchange.domain.exchange import (
    DecisionKind,
    DecisionReason,
    DeliveryState,
    Direction,
    ExchangeState,
    HoldState,
    Role,
)
from exchange.domain.instance import SpooledInstance


@dataclass(frozen=True, slots=True)
class IndexedArrival:
    """A durable arrival with what its header says.

    Attributes:
        patient_key: Keyed hash of the patient's identity; never the identity.
        unreadable_code: Reason code when the header cannot be read; study and series may then be "".
    """

    instance: SpooledInstance
    study_instance_uid: str
    series_instance_uid: str = ""
    modality: str = ""
    patient_key: str = ""
    unreadable_code: str = ""


@dataclass(frozen=True, slots=True)
class ExchangeRecord:
    """One study on one route. `route` and `direction` are None until it has settled on a route.

    Attributes:
        study_instance_uid: The original; never leaves the site.
        source: The configured peer, else the calling AE title, else the address.
        follows: The earlier exchange of the same study, AE and source that this one comes late to.
        evidence: Why it is believed complete.
        revision: Current revision of the frozen bytes, from 0.
        counts: What cleaning did, as `accept_frozen` was told.
        attempt_count: Attempts begun so far; the next one's number is one more.
        expectation: While open: what archives answered, by peer (`agent.policy.settling.Reply`).
        resend_of: The earlier exchange that brought all of these instances before.
    """

    exchange_id: str
    exchange_group: str
    route: str | None
    direction: Direction | None
    study_instance_uid: str
    called_ae: str
    calling_ae: str
    peer: str
    source: str
    state: ExchangeState
    created_at: datetime
    last_arrival_at: datetime
    settled_at: datetime | None
    closed_at: datetime | None
    follows: str | None
    evidence: Mapping[str, Any]
    config_sha256: str
    profile_id: str
    pseudonym_domain: str
    study_uid_sent: str
    revision: int
    instance_count: int
    byte_count: int
    counts: Mapping[str, Any]
    attempt_count: int
    error_code: str
    priority: int
    expectation: Mapping[str, Any]
    resend_of: str | None


@dataclass(frozen=True, slots=True)
class Member:
    """One instance of an exchange, with the arrival that brought it there first."""

    exchange_id: str
    arrival_id: str
    identity: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    byte_count: int
    study_instance_uid: str
    series_instance_uid: str
    modality: str
    patient_key: str
    unreadable_code: str
    protocol: str
    received_at: datetime
    wrapped_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class InstanceKey:
    """What opens an instance's spool file.

    Attributes:
        wrapped_key: The file's data key under the storage key; None once it is erased.
        deleted_at: When it was erased.
    """

    wrapped_key: bytes | None = field(repr=False)
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class RouteDecision:
    """Where one exchange goes: the matched route and what of it must never change afterwards.

    Attributes:
        on_resend: `redeliver` or `ignore`: what becomes of it when all of it has left before.
    """

    route: str
    direction: Direction
    profile_id: str
    pseudonym_domain: str
    config_sha256: str
    priority: int = 0
    on_resend: str = "redeliver"


@dataclass(frozen=True, slots=True)
class Settlement:
    """The decision that a study is complete.

    Attributes:
        instance_count: Members that the decision was made on; if more have come meanwhile, it is void.
        decisions: First the exchange's own route, then one per `also:`; none means unrouted.
        evidence: e.g. {"rule": "quiet-timer", "quietSeconds": 20, "expected": "unknown"}.
    """

    exchange_id: str
    instance_count: int
    decisions: tuple[RouteDecision, ...]
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of the workflow over an exchange; its token is checked at each effect."""

    exchange_id: str
    number: int
    token: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    recoveries: int

    @property
    def workflow_id(self) -> str:
        """The workflow's id, `exchange/attempt`."""
        return f"{self.exchange_id}/{self.number}"


class Location(StrEnum):
    """Where a frozen instance's file lies."""

    FROZEN = "frozen"  # in the folder of frozen files
    SPOOL = "spool"  # the spool file itself: the bytes leave as they came


@dataclass(frozen=True, slots=True)
class FrozenInstance:
    """One cleaned, durable file. All retries send these bytes.

    Attributes:
        identity: Of the original that it was made from.
        sop_instance_uid: As sent; so are the study's and the series'.
        sha256: Of the data set bytes after the file meta.
        path: Relative to the folder of frozen files; "" for what stays in the spool.
        location: Where the file lies.
        wrapped_key: Of an encrypted file in the frozen folder; None for a plain one.
        boxes, actions, proof: JSON: what was done and shown; codes and counts, no values.
        proved: `prove` passed relative to the profile (a route that cleans nothing has nothing to prove).
    """

    identity: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    sha256: str
    pixel_sha256: str
    byte_count: int
    path: str
    proved: bool
    boxes: Any = field(default_factory=list)
    actions: Any = field(default_factory=dict)
    proof: Any = field(default_factory=dict)
    location: str = Location.FROZEN
    wrapped_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class HoldReason:
    """Why a person must look: published code, element path or box, PHI-free detail, stage.

    Attributes:
        instance: Identity of the instance that shows it, "" where it is about the study. Two that differ in
            nothing else are one reason.
    """

    code: str
    stage: str
    path: str = ""
    detail: str = ""
    instance: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """An exchange stopped for a person."""

    hold_id: str
    exchange_id: str
    code: str
    path: str
    detail: str
    stage: str
    attempt: int
    opened_at: datetime
    state: HoldState
    instance: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person said of a hold.

    Attributes:
        by_asserted: The name given with `--by`.
        local_user: The authenticated user of this box (SO_PEERCRED).
        reason_text: Free text; site edition only.
    """

    kind: DecisionKind
    by_asserted: str
    local_user: str
    role: Role
    reason_code: DecisionReason
    reason_text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A decision as recorded, with the code and path of the hold that it answers."""

    hold_id: str
    exchange_id: str
    code: str
    path: str
    stage: str
    kind: DecisionKind
    by_asserted: str
    local_user: str
    role: Role
    reason_code: DecisionReason
    decided_at: datetime
    reason_text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One exchange to one destination.

    Attributes:
        attempts: Claims so far; the next one's number is one more.
        transport: Facts of the last attempt for the receipt (TLS version, peer key digest).
        commitment_uid: Transaction of the latest request for storage commitment, "" before the first.
        commitment_due_at: When it is asked again, unless it answers before.
    """

    delivery_id: str
    exchange_id: str
    destination: str
    state: DeliveryState
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    last_error_code: str
    transport: Mapping[str, Any]
    closed_at: datetime | None
    route: str
    priority: int
    commitment_uid: str
    commitment_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class PeerHealth:
    """What is known of reaching a destination; its circuit.

    Attributes:
        state: `closed`, or `open`: nothing is sent before `open_until`, and then one delivery as a probe.
        failures: Attempts in a row that did not reach it.
        trips: Openings in a row; the pause doubles with each.
    """

    destination: str
    state: str
    failures: int
    trips: int
    open_until: datetime | None
    last_error_code: str
    updated_at: datetime
    last_success_at: datetime | None


@dataclass(frozen=True, slots=True)
class PeerRefusal:
    """A kind of object that a destination refused when it was last offered it; `status` as it said it."""

    destination: str
    sop_class_uid: str
    transfer_syntax_uid: str
    status: str
    refused_at: datetime


@dataclass(frozen=True, slots=True)
class DeliveryClaim:
    """The right to send one delivery now; the token is checked when an outcome is recorded."""

    delivery_id: str
    exchange_id: str
    destination: str
    number: int
    token: str

    @property
    def workflow_id(self) -> str:
        """The delivery workflow's id, `delivery/attempt`."""
        return f"{self.delivery_id}/{self.number}"


@dataclass(frozen=True, slots=True)
class Effect:
    """The idempotency row of one instance at one destination.

    Attributes:
        rendition_syntax, rendition_sha256: Of what went, where it was not the frozen bytes themselves.
    """

    exchange_id: str
    destination: str
    sop_instance_uid: str
    state: InstanceState
    status: str
    detail: str
    attempt: int
    updated_at: datetime
    rendition_syntax: str = ""
    rendition_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Rendition:
    """A frozen instance in another transfer syntax, made without loss for peers that cannot take its own.

    Attributes:
        sha256: Of the data set bytes after the file meta.
        path: Relative to the folder of renditions.
        wrapped_key: Of an encrypted file; None for a plain one.
    """

    sop_instance_uid: str
    transfer_syntax_uid: str
    sha256: str
    byte_count: int
    path: str
    wrapped_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ReceiptEvent:
    """The one place that a receipt of this kind may take; both editions share its id and time.

    Attributes:
        slot: `R1`, `R2` or `R3`.
        stage: accepted, deidentified, quarantined, reidentified; forwarded, committed, rejected; closed.
        delivery_id: "" except for R2.
    """

    receipt_id: str
    exchange_id: str
    slot: str
    delivery_id: str
    revision: int
    stage: str
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class ReceiptRecord:
    """One edition (`partner` or `site`) of a receipt, durable at `path` (relative to the state folder)."""

    receipt_id: str
    edition: str
    exchange_id: str
    slot: str
    delivery_id: str
    revision: int
    stage: str
    issued_at: datetime
    pae_sha256: str
    previous: str
    path: str


@dataclass(frozen=True, slots=True)
class OwedReceipt:
    """A receipt that the record says must exist and does not yet (a crash came between)."""

    exchange_id: str
    delivery_id: str
    slot: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """One SOP Instance UID under which different bytes came, in the order of their last coming.

    Attributes:
        earlier: Those that an earlier exchange brought.
    """

    sop_instance_uid: str
    identities: tuple[str, ...]
    earlier: frozenset[str] = frozenset()
