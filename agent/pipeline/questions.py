"""Questions to archives under way, beside the schedule: it never waits for an answer."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Condition

import structlog

log = structlog.get_logger()

AT_ONCE = 4
SILENT_SECONDS = 60.0
"""How long a peer that could not be reached is not asked again: a PACS that is down delays no study twice."""


class Questions:
    """What is being asked now, one question for each exchange at a time. Threads may share it."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="question")
        self._changed = Condition()
        self._busy: set[str] = set()
        self._silent_until: dict[str, float] = {}

    def under_way(self) -> frozenset[str]:
        """Exchanges that a question is about now. Who is not among them has its answer recorded already."""
        with self._changed:
            return frozenset(self._busy)

    def begin(self, exchange_id: str, ask: Callable[[], None]) -> None:
        """Run `ask` in a thread, unless a question about the exchange is under way already."""
        with self._changed:
            if exchange_id in self._busy:
                return
            self._busy.add(exchange_id)
        self._threads.submit(self._run, exchange_id, ask)

    def is_silent(self, peer: str) -> bool:
        """Whether this peer could not be reached a moment ago."""
        with self._changed:
            return time.monotonic() < self._silent_until.get(peer, 0.0)

    def note(self, peer: str, *, reached: bool) -> None:
        """Remember whether a peer could be reached."""
        with self._changed:
            self._silent_until[peer] = 0.0 if reached else time.monotonic() + SILENT_SECONDS

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is being asked; False when something still is after so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy, seconds)

    def _run(self, exchange_id: str, ask: Callable[[], None]) -> None:
        try:
            ask()
        except Exception as error:  # noqa: BLE001 - the boundary of the thread: it is asked again, or settles
            log.error("question failed", exchange_id=exchange_id, error_type=type(error).__name__)
        finally:
            with self._changed:
                self._busy.discard(exchange_id)
                self._changed.notify_all()
