"""What the control socket answers. Only what is listed here gets out, so no original identifier can.

Two hold what is protected, and are logged first: `reidentify`, and the pictures of a hold. The verbs
print these with `--json`; their schemas are published.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, RootModel

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
from exchange.domain.findings import Severity

Moment = Annotated[
    datetime,
    PlainSerializer(
        lambda moment: moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"), return_type=str
    ),
]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True, extra="ignore")


class ForecastAnswer(_Answer):
    """What will, or may, go wrong, and what to do about it."""

    code: str
    destination: str = Field(description="The peer; empty for the appliance itself.")
    certain: bool
    text: str
    fix: str


class StepAnswer(_Answer):
    """How far a stage of an exchange has come."""

    stage: str
    destination: str
    done: int
    total: int
    bytes: int
    byte_total: int
    instances_per_second: float
    bytes_per_second: float
    eta: Moment | None = Field(description="When it will be done at this rate; null while unknown.")


class UnderWayAnswer(_Answer):
    """One exchange that is being processed, or sent to one peer."""

    exchange_id: str
    route: str
    state: ExchangeState
    priority: str
    instance_count: int
    byte_count: int
    since: Moment
    step: StepAnswer | None = Field(description="Null before the first stage reports.")
    forecasts: tuple[str, ...] = Field(description="Codes; `exchanges show` has the words.")


class PeerAnswer(_Answer):
    """One peer: its circuit and what waits for it."""

    peer: str
    protocol: str
    circuit: str = Field(description="closed, open or half-open.")
    failures: int = Field(description="Attempts in a row that did not reach it.")
    retry_at: Moment | None
    last_error_code: str
    last_success_at: Moment | None
    waiting: int
    oldest_at: Moment | None
    forecasts: tuple[ForecastAnswer, ...]


class QueueAnswer(_Answer):
    """What waits on a route to be processed, or is being processed."""

    route: str
    count: int
    oldest_at: Moment


class StatusAnswer(_Answer):
    """`lockgate status`: the daemon, totals by state, what is under way, and each peer."""

    site: str
    appliance: str
    version: str
    pid: int
    started_at: Moment
    config_sha256: str
    firmware_profile: str
    workers: int
    ports: tuple[int, ...]
    quarantined: int = Field(description="Spool files that were found broken and set aside.")
    exchanges: dict[ExchangeState, int]
    deliveries: dict[DeliveryState, int]
    holds: dict[str, int] = Field(description="Open holds by code.")
    instances: int
    arrivals: int
    bytes: int
    spool_free_bytes: int = 0
    under_way: tuple[UnderWayAnswer, ...] = ()
    queues: tuple[QueueAnswer, ...] = ()
    peers: tuple[PeerAnswer, ...] = ()
    forecasts: tuple[ForecastAnswer, ...] = Field((), description="Of the appliance itself.")


class ExchangeAnswer(_Answer):
    """One exchange; UIDs are those as sent, "" before it is frozen."""

    exchange_id: str
    state: ExchangeState
    route: str | None
    direction: Direction | None
    called_ae: str
    peer: str
    created_at: Moment
    last_arrival_at: Moment
    settled_at: Moment | None
    closed_at: Moment | None
    follows: str | None = Field(description="The exchange that this one comes late to.")
    resend_of: str | None = Field(description="The exchange that brought all of these instances before.")
    evidence: dict[str, Any] = Field(description="Why it is believed complete.")
    profile_id: str
    pseudonym_domain: str
    config_sha256: str
    study_uid_sent: str
    instance_count: int
    byte_count: int
    attempt_count: int
    error_code: str
    priority: int = Field(description="0 routine, 1 high, 2 stat.")
    counts: dict[str, Any] = Field(description="What cleaning did.")


class AttemptAnswer(_Answer):
    """One run of the workflow."""

    number: int
    started_at: Moment
    ended_at: Moment | None
    outcome: str
    recoveries: int


class FindingAnswer(_Answer):
    """What a stage saw."""

    finding_id: str
    severity: Severity
    evidence: str


class HoldAnswer(_Answer):
    """An exchange stopped for a person; element paths and boxes, no values."""

    hold_id: str
    exchange_id: str
    code: str
    path: str
    detail: str
    stage: str
    attempt: int
    opened_at: Moment
    state: HoldState


class HoldPictureAnswer(_Answer):
    """A frame that a hold is about, with the boxes in question; it shows the patient's identity."""

    frame: int = Field(description="Its number, from 0.")
    png: str = Field(repr=False, description="The picture, in base64.")


class HoldPicturesAnswer(_Answer):
    """What a hold is about, as pictures; that they were shown, and to whom, is on record."""

    hold_id: str
    pictures: tuple[HoldPictureAnswer, ...]


class DecisionAnswer(_Answer):
    """What a person decided; free text stays on the site's receipt."""

    hold_id: str
    code: str
    kind: DecisionKind
    by_asserted: str
    local_user: str
    role: Role
    reason_code: DecisionReason
    decided_at: Moment


class DeliveryAnswer(_Answer):
    """One exchange to one destination."""

    delivery_id: str
    destination: str
    state: DeliveryState
    attempts: int
    next_attempt_at: Moment | None
    last_error_code: str
    transport: dict[str, Any]
    closed_at: Moment | None


class InstanceAnswer(_Answer):
    """One instance at one destination."""

    destination: str
    sop_instance_uid: str
    state: InstanceState
    status: str
    detail: str
    attempt: int


class ReceiptAnswer(_Answer):
    """One edition of a receipt; `path` is relative to the state folder."""

    receipt_id: str
    edition: str
    slot: str
    stage: str
    delivery_id: str
    issued_at: Moment
    pae_sha256: str
    previous: str
    path: str


class ExchangeDetailAnswer(ExchangeAnswer):
    """`lockgate exchanges show`."""

    progress: tuple[StepAnswer, ...] = ()
    forecasts: tuple[ForecastAnswer, ...] = ()
    attempts: tuple[AttemptAnswer, ...]
    findings: tuple[FindingAnswer, ...]
    holds: tuple[HoldAnswer, ...]
    decisions: tuple[DecisionAnswer, ...]
    deliveries: tuple[DeliveryAnswer, ...]
    instances: tuple[InstanceAnswer, ...]
    receipts: tuple[ReceiptAnswer, ...]


class ExchangesAnswer(RootModel[tuple[ExchangeAnswer, ...]]):
    """`lockgate exchanges list`."""


class HoldsAnswer(RootModel[tuple[HoldAnswer, ...]]):
    """`lockgate holds list`."""


class RetryAnswer(_Answer):
    """`lockgate exchanges retry`."""

    exchange_id: str
    deliveries: int


class PrioritiseAnswer(_Answer):
    """`lockgate exchanges prioritise`."""

    exchange_id: str
    priority: str
    deliveries: int


class ReidentifyAnswer(_Answer):
    """`lockgate reidentify`: the one answer that holds an original; its opening is in the log."""

    domain: str
    kind: Literal["patient", "uid"]
    pseudonym: str
    issuer: str = Field("", description="IssuerOfPatientID; empty where the object had none.")
    patient_id: str = ""
    uid: str = ""
    revision: int = Field(0, description="Which cleaning gave the UID: 0 for the first.")


class AuditAnswer(_Answer):
    """That somebody reads or exports the log stands in it: the leaf's number."""

    leaf: int


class RotateAnswer(_Answer):
    """`lockgate keys rotate`."""

    key: str
    epoch: int = Field(description="The one that has begun; the first is 0.")


class ReloadAnswer(_Answer):
    """A reload over the socket."""

    config_sha256: str
