"""The bound on connections and associations, all ports of an intake together."""

from threading import Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exchange.intake.session import Session


class Room:
    """How many connections and associations are open, all ports together.

    Up to `associations` are served; as many connections again are kept for a proper rejection; beyond that
    a connection is closed at once.
    """

    def __init__(self, associations: int) -> None:
        self._associations = associations
        self._lock = Lock()
        self._open: dict[Session, Thread] = {}
        self._entered: set[Session] = set()

    @property
    def sessions(self) -> dict["Session", Thread]:
        """What is open now, and its threads."""
        with self._lock:
            return dict(self._open)

    def admit(self, session: "Session", thread: Thread) -> bool:
        """Whether one more connection may be served; it is counted then, until `leave`."""
        with self._lock:
            if len(self._open) >= 2 * self._associations:
                return False
            self._open[session] = thread
            return True

    def enter(self, session: "Session") -> bool:
        """Whether one more association may be accepted."""
        with self._lock:
            if len(self._entered) >= self._associations:
                return False
            self._entered.add(session)
            return True

    def end(self, session: "Session") -> None:
        """This association is over; its connection is still to be closed."""
        with self._lock:
            self._entered.discard(session)

    def leave(self, session: "Session") -> None:
        """This connection is over."""
        with self._lock:
            self._open.pop(session, None)
            self._entered.discard(session)
