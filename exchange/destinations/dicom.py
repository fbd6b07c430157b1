"""C-STORE to a DICOM peer (PS3.4 B): the frozen data set's bytes unchanged, an outcome for every instance."""

from collections.abc import Callable, Sequence

from exchange.destinations.lanes import Lanes, Terms
from exchange.destinations.proposals import batches
from exchange.destinations.slots import slots_of
from exchange.dimse.commitment import request_commitment
from exchange.dimse.echo import echo
from exchange.dimse.peer import DicomPeer
from exchange.domain.delivery import CommitmentAnswer, DeliveryReport, InstanceOutcome, OutgoingInstance
from exchange.domain.notices import CommitmentReport
from exchange.domain.uid import is_uid

REPORT_SECONDS = 2.0
"""How long a report is waited for on the association of its request; it may come later on another one."""

_DEFAULTS = Terms()


class DicomDestination:
    """A C-STORE SCP, reached by one association or several at once; a new one when the peer drops one.

    Attributes:
        protocol: `dimse`.
    """

    protocol = "dimse"

    def __init__(self, peer: DicomPeer, terms: Terms = _DEFAULTS) -> None:
        self._peer = peer
        self._terms = terms

    def send(
        self, instances: Sequence[OutgoingInstance], on_outcome: Callable[[InstanceOutcome], None]
    ) -> DeliveryReport:
        """Send these instances; see `Destination.send`. `on_outcome` is called from several threads.

        An instance that is missing from the report's outcomes was not tried and stays as it was.
        """
        lanes = Lanes(self._peer, self._terms, slots_of(self._peer, self._terms.associations), on_outcome)
        sendable = []
        for instance in instances:
            uids = (instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid)
            if all(map(is_uid, uids)):
                sendable.append(instance)
            else:
                lanes.refuse(instance, "cannot propose it: its SOP class, instance or syntax is no UID")
        for batch in batches(sendable, self._terms):
            lanes.send(batch)
        return lanes.report()

    def request_commitment(
        self,
        transaction_uid: str,
        instances: Sequence[tuple[str, str]],
        on_report: Callable[[CommitmentReport], None],
    ) -> CommitmentAnswer:
        """N-ACTION of the Storage Commitment Push Model; see `CommittingDestination`."""
        return request_commitment(self._peer, transaction_uid, instances, on_report, REPORT_SECONDS)

    def probe(self, timeout_seconds: float) -> str:
        """C-ECHO; see `exchange.dimse.echo`."""
        return echo(self._peer, timeout_seconds)

    def put_receipt(self, study_instance_uid: str, name: str, bundle: bytes) -> bool:  # noqa: ARG002
        """False: C-STORE carries no receipts."""
        return False
