"""From the intake's threads to custody: arrivals are gathered and recorded in groups, and never forgotten."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from threading import Condition, Event

import structlog

from agent.custody.arrivals import instance_keys, unindexed
from agent.pipeline.appliance import Appliance
from agent.pipeline.indexing import index
from exchange.domain.errors import LockgateError
from exchange.domain.instance import SpooledInstance

log = structlog.get_logger()

_GROUP = 256
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
        self._waiting: deque[SpooledInstance] = deque()  # until it is recorded
        self._change = Condition()
        self._closed = Event()
        self._hurried = Event()

    def put(self, instance: SpooledInstance) -> None:
        """Take one arrival from an intake thread; never blocks."""
        with self._change:
            self._waiting.append(instance)
            self._change.notify()

    def oldest(self) -> datetime | None:
        """When the first of those came that are not recorded yet; None when all are."""
        with self._change:
            return self._waiting[0].arrival.received_at if self._waiting else None

    def hurry(self) -> None:
        """No more is to be expected now: what was gathered so far is recorded soon."""
        self._hurried.set()

    def close(self) -> None:
        """Let `run` end once the queue is empty."""
        self._closed.set()
        self._hurried.set()
        with self._change:
            self._change.notify()

    def run(self) -> None:
        """Record arrivals in groups until closed; runs in a thread of its own.

        What custody refuses for a passing reason (disk full) is tried again, in order.
        """
        while group := self._group():
            while not self._record(group):
                if self._closed.wait(_AGAIN_SECONDS):
                    return  # start-up will find them in the spool
            with self._change:
                for _ in group:
                    self._waiting.popleft()
            self._wake()  # only now: a study may be quiet as soon as nothing of it waits here

    def _group(self) -> list[SpooledInstance]:
        """The next arrivals, gathered for a moment: each group costs the disk two fsyncs of its own."""
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._closed.is_set())
            if not self._waiting:
                return []
        # Not at once: senders that open an association for each instance would cost a group for each.
        self._closed.wait(_LEAST_GATHER_SECONDS)
        self._hurried.wait(_GATHER_SECONDS - _LEAST_GATHER_SECONDS)
        self._hurried.clear()  # what comes from here on is hurried anew
        with self._change:
            return list(islice(self._waiting, _GROUP))

    def _record(self, group: Sequence[SpooledInstance]) -> bool:
        try:
            index(self._appliance, group)
        except LockgateError as error:
            log.error("arrivals not recorded yet", count=len(group), error_type=type(error).__name__)
            return False
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
