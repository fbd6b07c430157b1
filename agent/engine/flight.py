"""Which workflows are in flight: handed over, and not ended in this process."""

import threading
import time
from collections.abc import Mapping


class Flight:
    """A ledger in memory, so that the schedule need not ask the database at each look. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[str, str] = {}
        self._added: dict[str, float] = {}
        self._counted_at = time.monotonic()

    def add(self, workflow_id: str, queue: str) -> None:
        """It was handed over."""
        with self._lock:
            self._queues[workflow_id] = queue
            self._added[workflow_id] = time.monotonic()

    def end(self, workflow_id: str) -> None:
        """It has ended, or never was; harmless when it is not there."""
        with self._lock:
            self._queues.pop(workflow_id, None)
            self._added.pop(workflow_id, None)

    def of(self, queue: str) -> frozenset[str]:
        """Those of a queue."""
        with self._lock:
            return frozenset(one for one, name in self._queues.items() if name == queue)

    def age(self) -> float:
        """Seconds since this was compared with what the database says."""
        with self._lock:
            return time.monotonic() - self._counted_at

    def replace(self, active: Mapping[str, str]) -> None:
        """Take the database's word, except about what was handed over since it was last asked.

        So a workflow that was cancelled behind our back gives its slot back.
        """
        with self._lock:
            recent = {one: name for one, name in self._queues.items() if self._added[one] > self._counted_at}
            now = time.monotonic()
            self._added = {one: self._added.get(one, now) for one in {**active, **recent}}
            self._queues = {**active, **recent}
            self._counted_at = now
