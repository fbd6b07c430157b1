"""One attempt at one DICOM peer: associations side by side that take instances from one queue.

The calling thread holds the first association; further ones are threads that come and go with the pace. Each
has one instance in flight and at most one short one read ahead; long ones are read in pieces, so that memory
grows neither with the study nor with an instance.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from exchange.destinations.ahead import ReadAhead, is_short
from exchange.destinations.pace import Pace
from exchange.destinations.proposals import commits, own_pair, proposals, refusal, wanted_syntaxes
from exchange.destinations.slots import AssociationSlots
from exchange.dimse.association import Association, AssociationLost
from exchange.dimse.frozen import FrozenBytesError, frozen_outcome
from exchange.dimse.peer import DicomPeer
from exchange.dimse.status import store_outcome
from exchange.domain.delivery import DeliveryReport, InstanceOutcome, InstanceState, OutgoingInstance
from exchange.domain.errors import ConfigurationError, PeerRefused, PeerUnavailable

# One bad instance does not stop the others; a peer that fails this often in a row is itself unwell.
FAILURES_IN_A_ROW = 3

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Terms:
    """How a peer is to be treated.

    Attributes:
        associations: Open at once at most.
        commitment: Ask whether it offers storage commitment.
        transcode: Ask which uncompressed transfer syntaxes it takes beside those of the instances.
    """

    associations: int = 4
    commitment: bool = False
    transcode: bool = True


class Lanes:
    """The state that the associations of one attempt share; everything in it is behind one lock."""

    def __init__(
        self,
        peer: DicomPeer,
        terms: Terms,
        slots: AssociationSlots,
        on_outcome: Callable[[InstanceOutcome], None],
    ) -> None:
        self._peer = peer
        self._terms = terms
        self._slots = slots
        self._on_outcome = on_outcome
        self._lock = threading.Lock()
        self._waiting: deque[OutgoingInstance] = deque()
        self._aheads: list[ReadAhead] = []
        self._pace = Pace(terms.associations)
        self._report = DeliveryReport((), reachable=False)
        self._outcomes: list[InstanceOutcome] = []
        self._failures = 0
        self._error = ""
        self._broken: BaseException | None = None
        self._live = 0
        self._threads: list[threading.Thread] = []

    def send(self, batch: Sequence[OutgoingInstance]) -> None:
        """Send instances that fit into one association's contexts.

        Raises:
            BaseException: What `on_outcome` raised; nothing more is sent then.
        """
        self._waiting.extend(batch)
        if not batch or self._stopped():
            return
        priority = max(one.priority for one in batch)
        while self._waiting and not self._stopped():  # again, should all lanes have left at one moment
            self._slots.acquire(priority)
            self._live = 1
            self._run(further=False)
            for thread in self._threads:
                thread.join()
            self._threads.clear()
        self._waiting.clear()  # an attempt that ended early: they stay as they were
        if self._broken is not None:
            raise self._broken

    def report(self) -> DeliveryReport:
        """What was achieved."""
        reachable = self._report.reachable or not self._error
        return replace(self._report, outcomes=tuple(self._outcomes), reachable=reachable, error=self._error)

    def refuse(self, instance: OutgoingInstance, detail: str, wanted: tuple[str, ...] = ()) -> None:
        """Tell that an instance cannot be sent as it is."""
        state = InstanceState.REFUSED
        self._tell(InstanceOutcome(instance.sop_instance_uid, state, "", detail, wanted), failed=False)

    def _stopped(self) -> bool:
        return bool(self._error) or self._broken is not None

    def _run(self, *, further: bool) -> None:
        try:
            while self._associate_and_send(further=further):
                pass
        except BaseException as error:  # noqa: BLE001 - raised again by `send`, in the caller's thread
            with self._lock:
                self._broken = self._broken or error
        finally:
            with self._lock:
                self._live -= 1
            self._slots.release()

    def _associate_and_send(self, *, further: bool) -> bool:
        """One association; False when this lane is at its end."""
        with self._lock:
            ahead = list(self._waiting)
            if not ahead or self._stopped():
                return False
        try:
            association = Association.request(self._peer, proposals(ahead, self._terms))
        except (PeerUnavailable, PeerRefused, ConfigurationError) as error:
            self._not_associated(error)
            return False
        with self._lock:
            offered = commits(association.contexts) if self._terms.commitment else None
            self._report = DeliveryReport((), reachable=True, transport=association.facts, commits=offered)
        with association:
            return self._converse(association, further=further)

    def _not_associated(self, error: PeerUnavailable | PeerRefused | ConfigurationError) -> None:
        """The end of the attempt for the last lane; for another the sign that there are enough."""
        with self._lock:
            if self._live > 1:
                self._pace.refused(self._live - 1)
                _log.info("association not added", count=self._live - 1)
                return
            if isinstance(error, PeerRefused):
                self._report = replace(self._report, reachable=True)
            self._error = self._error or str(error)

    def _converse(self, association: Association, *, further: bool) -> bool:
        """Send over one association until it ends; True when this lane wants another one."""
        ahead = ReadAhead()
        with self._lock:
            self._aheads.append(ahead)
        try:
            while instance := self._next(ahead, further=further):
                if not self._store(association, instance, ahead):
                    return True
                self._keep_pace(instance)
                if self._slots.is_wanted(instance.priority, further=further):
                    self._put_back(ahead)
                    return self._give_way(association, instance, further=further)
            return False
        finally:
            self._put_back(ahead)
            with self._lock:
                self._aheads.remove(ahead)

    def _next(self, ahead: ReadAhead, *, further: bool) -> OutgoingInstance | None:
        """What this lane sends next; None when it is at its end."""
        with self._lock:
            if self._stopped() or (further and self._live > self._pace.wanted):
                return None
            if (instance := ahead.give_up()) is not None:
                return instance
            if self._waiting:
                return self._waiting.popleft()
            # Nothing waits behind a peer's slow answer while a lane is free.
            return next(filter(None, (other.give_up() for other in self._aheads)), None)

    def _read_ahead(self, association: Association, ahead: ReadAhead) -> None:
        """Take the next instance and read it, if it is short."""
        with self._lock:
            if self._stopped() or not self._waiting:
                return
            following = self._waiting[0]
            if not is_short(following) or own_pair(following) not in association.contexts:
                return
            ahead.taken = self._waiting.popleft()
        ahead.read(following)

    def _put_back(self, ahead: ReadAhead) -> None:
        with self._lock:
            if (instance := ahead.give_up()) is not None:
                self._waiting.appendleft(instance)

    def _give_way(self, association: Association, instance: OutgoingInstance, *, further: bool) -> bool:
        if further:
            return False
        association.release()
        self._slots.release()
        self._slots.acquire(instance.priority)
        return True

    def _keep_pace(self, instance: OutgoingInstance) -> None:
        with self._lock:
            wanted = self._pace.stored(instance.byte_count, len(self._waiting))
            if wanted <= self._live or not self._waiting or self._stopped():
                return
            if not self._slots.acquire_further():
                self._pace.postponed(self._live)
                return
            self._live += 1
            thread = threading.Thread(
                target=self._run, kwargs={"further": True}, name=f"association-{self._live}", daemon=True
            )
            self._threads.append(thread)
        thread.start()

    def _store(self, association: Association, instance: OutgoingInstance, ahead: ReadAhead) -> bool:
        """Send one; False when the association did not survive it."""
        pair = own_pair(instance)
        context_id = association.contexts.get(pair)
        if context_id is None:
            wanted = wanted_syntaxes(instance, association.contexts)
            self.refuse(instance, refusal(instance, wanted, self._terms), wanted)
            return True
        uid = instance.sop_instance_uid
        try:
            data = ahead.content(instance)
            association.begin_store(context_id, pair[0], uid, data, instance.priority)
            self._read_ahead(association, ahead)
            status = association.finish_store()
        except FrozenBytesError as error:
            self._tell(frozen_outcome(instance, error), failed=False)
            return association.is_open  # nothing has left of one that was checked before
        except AssociationLost as error:
            state = InstanceState.UNKNOWN if error.may_have_landed else InstanceState.PENDING
            _log.warning("association.lost", may_have_landed=error.may_have_landed)
            self._tell(InstanceOutcome(uid, state, "", error.message), failed=True)
            return False
        outcome = store_outcome(uid, status)
        self._tell(outcome, failed=outcome.state is InstanceState.PENDING)
        return True

    def _tell(self, outcome: InstanceOutcome, *, failed: bool) -> None:
        with self._lock:
            self._failures = self._failures + 1 if failed else 0
            if self._failures >= FAILURES_IN_A_ROW and not self._error:
                self._error = f"cannot go on: {self._failures} instances in a row failed, last: "
                self._error += outcome.detail
            self._outcomes.append(outcome)
        self._on_outcome(outcome)
