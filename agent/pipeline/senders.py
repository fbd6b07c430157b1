"""Who has an association open with us: while a sender is connected, more of its study may come."""

from collections import Counter
from collections.abc import Callable
from threading import Lock


class Senders:
    """Open associations, counted by called and calling AE title. Threads may share it; lost at a restart.

    Attributes:
        on_closed: Called after an association ended: a study may be complete by that.
    """

    def __init__(self) -> None:
        self.on_closed: Callable[[], None] = lambda: None
        self._lock = Lock()
        self._open: Counter[tuple[str, str]] = Counter()

    def opened(self, called_ae: str, calling_ae: str) -> None:
        """An association was accepted."""
        with self._lock:
            self._open[called_ae, calling_ae] += 1

    def closed(self, called_ae: str, calling_ae: str) -> None:
        """It ended, in whatever way."""
        with self._lock:
            self._open[called_ae, calling_ae] -= 1
            if self._open[called_ae, calling_ae] <= 0:
                del self._open[called_ae, calling_ae]
        self.on_closed()

    def count(self) -> int:
        """How many associations are open."""
        with self._lock:
            return self._open.total()

    def connected(self, called_ae: str, calling_ae: str) -> bool:
        """Whether this caller has one open to this title."""
        with self._lock:
            return (called_ae, calling_ae) in self._open
