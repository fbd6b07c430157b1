"""C-STORE to a DICOM peer (PS3.4 B): the frozen data set's bytes unchanged, an outcome for every instance."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import structlog

from exchange.dimse.association import Association, AssociationLost
from exchange.dimse.echo import echo
from exchange.dimse.frozen import FrozenBytesError, frozen_outcome, frozen_pieces
from exchange.dimse.negotiation import CONTEXTS_MAX, Proposal
from exchange.dimse.peer import DicomPeer
from exchange.dimse.status import store_outcome
from exchange.domain.delivery import DeliveryReport, InstanceOutcome, InstanceState, OutgoingInstance
from exchange.domain.errors import ConfigurationError, PeerRefused, PeerUnavailable
from exchange.domain.uid import is_uid

# One bad instance does not stop the others; a peer that fails this often in a row is itself unwell.
FAILURES_IN_A_ROW = 3

_log = structlog.get_logger()


class DicomDestination:
    """A C-STORE SCP. One association for a batch; a new one when the peer drops it, or beyond 128 contexts.

    Attributes:
        protocol: `dimse`.
    """

    protocol = "dimse"

    def __init__(self, peer: DicomPeer) -> None:
        self._peer = peer

    def send(
        self, instances: Sequence[OutgoingInstance], on_outcome: Callable[[InstanceOutcome], None]
    ) -> DeliveryReport:
        """Send these instances; see `Destination.send`.

        An instance that is missing from the report's outcomes was not tried and stays as it was.
        """
        delivery = _Delivery(self._peer, on_outcome)
        for batch in _batches(delivery.sendable(instances)):
            delivery.send_batch(batch)
        return delivery.report()

    def probe(self, timeout_seconds: float) -> str:
        """C-ECHO; see `exchange.dimse.echo`."""
        return echo(self._peer, timeout_seconds)

    def put_receipt(self, study_instance_uid: str, name: str, bundle: bytes) -> bool:  # noqa: ARG002
        """False: C-STORE carries no receipts."""
        return False


class _Delivery:
    """One attempt: its outcomes so far, and whether it goes on."""

    def __init__(self, peer: DicomPeer, on_outcome: Callable[[InstanceOutcome], None]) -> None:
        self._peer = peer
        self._on_outcome = on_outcome
        self._outcomes: list[InstanceOutcome] = []
        self._facts: dict[str, str] = {}
        self._reachable = False
        self._error = ""
        self._failures = 0

    def sendable(self, instances: Sequence[OutgoingInstance]) -> list[OutgoingInstance]:
        """Those that can be proposed at all; the others are refused here."""
        sendable = []
        for instance in instances:
            uids = (instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid)
            if all(map(is_uid, uids)):
                sendable.append(instance)
            else:
                self._refuse(instance, "cannot propose it: its SOP class, instance or syntax is no UID")
        return sendable

    def send_batch(self, batch: Sequence[OutgoingInstance]) -> None:
        """Send instances that fit into one association's contexts."""
        waiting = deque(batch)
        while waiting and not self._error:
            try:
                association = Association.request(self._peer, _proposals(waiting))
            except (PeerUnavailable, PeerRefused, ConfigurationError) as error:
                self._reachable = self._reachable or isinstance(error, PeerRefused)
                self._error = str(error)
                return
            self._reachable = True
            self._facts = association.facts
            with association:
                alive = True
                while waiting and alive and not self._error:
                    alive = self._store(association, waiting.popleft())

    def report(self) -> DeliveryReport:
        """What was achieved."""
        return DeliveryReport(
            tuple(self._outcomes), self._reachable or not self._error, self._error, dict(self._facts)
        )

    def _store(self, association: Association, instance: OutgoingInstance) -> bool:
        """Send one; False when the association did not survive it."""
        context_id = association.contexts.get((instance.sop_class_uid, instance.transfer_syntax_uid))
        if context_id is None:
            self._refuse(
                instance,
                f"the peer accepts no presentation context for SOP class {instance.sop_class_uid} "
                f"with transfer syntax {instance.transfer_syntax_uid}",
            )
            return True
        uid = instance.sop_instance_uid
        try:
            pieces = frozen_pieces(instance, with_file_meta=False)
            status = association.store(context_id, instance.sop_class_uid, uid, pieces)
        except FrozenBytesError as error:
            self._tell(frozen_outcome(instance, error))
            return False
        except AssociationLost as error:
            state = InstanceState.UNKNOWN if error.may_have_landed else InstanceState.PENDING
            _log.warning("association.lost", may_have_landed=error.may_have_landed)
            self._tell(InstanceOutcome(uid, state, "", error.message), failed=True)
            return False
        outcome = store_outcome(uid, status)
        self._tell(outcome, failed=outcome.state is InstanceState.PENDING)
        return True

    def _refuse(self, instance: OutgoingInstance, detail: str) -> None:
        self._tell(InstanceOutcome(instance.sop_instance_uid, InstanceState.REFUSED, "", detail))

    def _tell(self, outcome: InstanceOutcome, *, failed: bool = False) -> None:
        self._failures = self._failures + 1 if failed else 0
        if self._failures >= FAILURES_IN_A_ROW:
            self._error = f"cannot go on: {self._failures} instances in a row failed, last: {outcome.detail}"
        self._outcomes.append(outcome)
        self._on_outcome(outcome)


def _proposals(instances: Sequence[OutgoingInstance] | deque[OutgoingInstance]) -> list[Proposal]:
    """The (SOP class, transfer syntax) pairs, in order of first use."""
    return list(dict.fromkeys((each.sop_class_uid, each.transfer_syntax_uid) for each in instances))


def _batches(instances: Sequence[OutgoingInstance]) -> Iterator[list[OutgoingInstance]]:
    """Consecutive runs that need at most 128 presentation contexts each."""
    batch: list[OutgoingInstance] = []
    pairs: set[Proposal] = set()
    for instance in instances:
        pair = (instance.sop_class_uid, instance.transfer_syntax_uid)
        if pair not in pairs and len(pairs) == CONTEXTS_MAX:
            yield batch
            batch, pairs = [], set()
        batch.append(instance)
        pairs.add(pair)
    if batch:
        yield batch
