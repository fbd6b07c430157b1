"""From the intake's threads to custody: arrivals are gathered and recorded in groups, and never forgotten."""

import queue
from collections.abc import Callable, Sequence
from itertools import islice
from threading import Event

import structlog

from agent.custody.arrivals import instance_keys, unindexed
from agent.pipeline.appliance import Appliance
from agent.pipeline.indexing import index
from exchange.domain.errors import LockgateError
from exchange.domain.instance import SpooledInstance

log = structlog.get_logger()

_GROUP = 256
_WAIT_SECONDS = 0.2
_GATHER_SECONDS = 0.5
_LEAST_GATHER_SECONDS = 0.1
_AGAIN_SECONDS = 2.0


class ArrivalQueue:
    """Durable arrivals on their way to a custody row.

    An arrival is durable before it gets here, so losing this queue loses nothing: start-up indexes the spool.
    """

    def __init__(self, appliance: Appliance, wake: Callable[[], None]) -> None:
        self._appliance = appliance
        self._wake = wake
        self._waiting: queue.SimpleQueue[SpooledInstance] = queue.SimpleQueue()
        self._closed = Event()
        self._hurried = Event()

    def put(self, instance: SpooledInstance) -> None:
        """Take one arrival from an intake thread; never blocks."""
        self._waiting.put(instance)

    def hurry(self) -> None:
        """No more is to be expected now: what was gathered so far is recorded soon."""
        self._hurried.set()

    def close(self) -> None:
        """Let `run` end once the queue is empty."""
        self._closed.set()
        self._hurried.set()

    def run(self) -> None:
        """Record arrivals in groups until closed; runs in a thread of its own.

        What custody refuses for a passing reason (disk full) is tried again, in order.
        """
        while group := self._group():
            while not self._record(group):
                if self._closed.wait(_AGAIN_SECONDS):
                    return  # start-up will find them in the spool

    def _group(self) -> list[SpooledInstance]:
        """The next arrivals, gathered for a moment: each group costs the disk two fsyncs of its own."""
        group: list[SpooledInstance] = []
        while not group:
            try:
                group.append(self._waiting.get(timeout=_WAIT_SECONDS))
            except queue.Empty:
                if self._closed.is_set():
                    return []
        # Not at once: senders that open an association for each instance would cost a group for each.
        self._closed.wait(_LEAST_GATHER_SECONDS)
        self._hurried.wait(_GATHER_SECONDS - _LEAST_GATHER_SECONDS)
        self._hurried.clear()  # what comes from here on is hurried anew
        while len(group) < _GROUP and not self._waiting.empty():
            group.append(self._waiting.get())
        return group

    def _record(self, group: Sequence[SpooledInstance]) -> bool:
        try:
            index(self._appliance, group)
        except LockgateError as error:
            log.error("arrivals not recorded yet", count=len(group), error_type=type(error).__name__)
            return False
        self._wake()
        return True


def index_spool(appliance: Appliance) -> int:
    """Start-up: hand the whole spool to custody, which passes over what it knows; how many there are."""
    found = 0
    arrivals = appliance.spool.index()
    while group := list(islice(arrivals, _GROUP)):
        found += len(group)
        index(appliance, group)
    _account_for_closed(appliance)
    appliance.spool.rotate()
    return found


def _account_for_closed(appliance: Appliance) -> None:
    """Files that only a row can open: without its row one goes to quarantine, an erased one is deleted."""
    waiting = iter(appliance.spool.closed())
    while group := list(islice(waiting, _GROUP)):
        unknown = set(unindexed(appliance.custody, [one.arrival_id for one in group]))
        keys = instance_keys(appliance.custody, [one.identity for one in group])
        for one in group:
            key = keys.get(one.identity)
            if key is not None and key.deleted_at is not None:
                appliance.spool.delete(one.identity)  # a crash came between its key and its file
            elif one.arrival_id in unknown or key is None or key.wrapped_key is None:
                log.error("spool file without a row", digest=one.identity)
                appliance.spool.quarantine(one)
