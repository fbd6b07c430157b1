"""Deliveries: one exchange to one destination, with a state per SOP instance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from exchange.domain.exchange import Priority
from exchange.domain.notices import CommitmentReport
from exchange.domain.source import Source


class InstanceState(StrEnum):
    """State of one instance in one delivery. `UNKNOWN`: sent, no answer came; it may have landed."""

    PENDING = "pending"
    SENT = "sent"  # the peer confirmed it
    COMMITTED = "committed"  # the peer answers for its safekeeping (storage commitment, PS3.4 J)
    WARNING = "warning"  # the peer took it with a warning (0xB000, 0xB006, 0xB007, …)
    REFUSED = "refused"
    UNKNOWN = "unknown"


CONFIRMED = frozenset({InstanceState.SENT, InstanceState.WARNING, InstanceState.COMMITTED})
"""The peer has the instance."""


DAMAGED = "damaged"
"""`InstanceOutcome.status` of an instance whose frozen file is gone or is not what was attested."""


@dataclass(frozen=True, slots=True)
class OutgoingInstance:
    """One frozen instance to be sent. `source` gives a Part 10 file; its bytes never change."""

    source: Source
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    sha256: str  # over the data set bytes after the file meta
    byte_count: int
    priority: Priority = Priority.ROUTINE


@dataclass(frozen=True, slots=True)
class InstanceOutcome:
    """What the peer said of one instance.

    Attributes:
        status: Protocol status as text (`0x0000`, `200`), "" when none came; `DAMAGED` of a frozen file that
            a person must bring back.
        detail: PHI-free explanation for a person.
        wanted_syntaxes: Of a refused instance, transfer syntaxes in which the peer would take its SOP class.
    """

    sop_instance_uid: str
    state: InstanceState
    status: str = ""
    detail: str = ""
    wanted_syntaxes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What one attempt achieved.

    Attributes:
        outcomes: One per instance that was tried in this attempt.
        reachable: False when the peer could not be reached at all.
        error: PHI-free reason why the attempt ended early, "" when it did not.
        transport: Facts for the receipt: `tls` version and cipher, `peerSpkiSha256`, …
        commits: Whether the peer offers storage commitment; None when it was not asked.
        retry_after_seconds: How long the peer asked us to wait (HTTP Retry-After); None when it did not.
    """

    outcomes: tuple[InstanceOutcome, ...]
    reachable: bool
    error: str = ""
    transport: dict[str, str] = field(default_factory=dict)
    commits: bool | None = None
    retry_after_seconds: float | None = None


class Destination(Protocol):
    """A place that frozen instances are delivered to."""

    protocol: str  # folder | dimse | stow

    def send(
        self, instances: Sequence[OutgoingInstance], on_outcome: Callable[[InstanceOutcome], None]
    ) -> DeliveryReport:
        """Send these instances, telling each outcome as soon as it is known (it is made durable there).

        Never raises for what a peer does: silence, refusal and resets are outcomes. Blocking; run in a
        thread.
        """

    def probe(self, timeout_seconds: float) -> str:
        """Ask the peer whether it is there (C-ECHO, HTTP OPTIONS, writable folder).

        Returns:
            What answered, for a person.

        Raises:
            DeliveryError: It is not, and why.
        """

    def put_receipt(self, study_instance_uid: str, name: str, bundle: bytes) -> bool:
        """Leave a receipt beside the study where the protocol can carry one; False where it cannot."""


class CommitmentAnswer(StrEnum):
    """What became of a request for storage commitment."""

    REQUESTED = "requested"  # the peer took the request; its report comes now or later
    NOT_OFFERED = "not offered"
    REFUSED = "refused"  # it offers the service and would not take this request
    UNREACHABLE = "unreachable"


@runtime_checkable
class CommittingDestination(Protocol):
    """A destination that may answer for the safekeeping of what it was sent (PS3.4 J)."""

    def request_commitment(
        self,
        transaction_uid: str,
        instances: Sequence[tuple[str, str]],
        on_report: Callable[[CommitmentReport], None],
    ) -> CommitmentAnswer:
        """Ask the peer to commit to these (SOP class, SOP instance) pairs.

        The report may come to `on_report` before this returns, or later to our own listener.

        Never raises for what a peer does. Where `on_report` raises, the peer is answered a failure.
        """
