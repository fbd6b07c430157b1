"""The DICOM intake: C-STORE (PS3.4 B) whose Success means durable, C-ECHO, and notices of other systems.

    listener thread per port → thread per connection → spool

Our own data plane (`exchange.dimse.pdu`): a data set goes from the socket's buffer into the spool.
"""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Thread

import structlog

from exchange.dicomio.limits import Limits
from exchange.dimse.wire import Wire
from exchange.intake.acceptance import Acceptance, OnArrival
from exchange.intake.listener import DicomListener, IntakeLimits
from exchange.intake.port import Port
from exchange.intake.room import Room
from exchange.intake.services import OnCommitment, OnNotice, Services
from exchange.intake.session import IdentifyPeer, Session, Watcher
from exchange.spool.store import Spool

_LINGER_SECONDS = 0.25  # at the stop: what a peer has just sent still counts as begun
_LEAST_JOIN_SECONDS = 2.0

_log = structlog.get_logger()


class DicomIntake:
    """Takes instances over DICOM into a spool.

    Everything here runs on threads of its own: one per listener, one per association.

    Attributes:
        ports: The bound port of each listener, in their order, once started.
        acceptance: The door through which everything goes.
    """

    def __init__(  # noqa: PLR0913 - the whole surface of a door
        self,
        listeners: Sequence[DicomListener],
        spool: Spool,
        clock: Callable[[], datetime],
        identify_peer: IdentifyPeer,
        on_arrival: OnArrival,
        *,
        on_notice: OnNotice | None = None,
        on_commitment: OnCommitment | None = None,
        watcher: Watcher | None = None,
        on_refused: Callable[[str], None] | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Prepare; nothing listens before `start`.

        Args:
            listeners: Where to listen. The number of associations and the size of instances are those of
                the first.
            spool: Where instances go.
            clock: Now, timezone-aware UTC.
            identify_peer: From calling AE title, address and certificate fingerprint ("" without TLS) to the
                name of a configured peer, "" when none. Called on association threads.
            on_arrival: Told of each durable arrival before its sender is answered, on the association's
                thread: it must not block. What it raises is logged; custody finds the arrival at the next
                start.
            on_notice: Makes an Instance Availability Notification or MPPS durable before it is answered, on
                the association's thread; what it raises is the answer (`exchange.domain.notices`, else
                0110H). None: these SOP classes are not offered.
            on_commitment: Likewise for storage commitment reports.
            on_refused: Is told the status of each instance that was refused.
            watcher: Is told whose associations are open.
            limits: Structural limits on each data set.
        """
        self.ports: list[int] = []
        self._listeners = tuple(listeners)
        self._identify_peer = identify_peer
        self._watcher = watcher
        bounds = self._listeners[0].limits if self._listeners else IntakeLimits()
        self.acceptance = Acceptance(
            spool,
            clock,
            on_arrival,
            limits,
            instance_bytes=bounds.instance_bytes,
            on_refused=on_refused,
        )
        self._services = Services(self.acceptance, clock, on_notice, on_commitment)
        self._room = Room(bounds.associations)
        self._open_ports: list[Port] = []

    def start(self) -> None:
        """Bind all ports and serve.

        Raises:
            OSError: A port cannot be bound; nothing is left listening.
        """
        try:
            for listener in self._listeners:
                self._open_ports.append(Port(listener, self._room, self._make_session))
        except OSError:
            self._close_ports()
            raise
        self.ports = [port.number for port in self._open_ports]
        for port in self._open_ports:
            port.start()

    def stop(self, grace_seconds: float = 10.0) -> None:
        """Refuse new connections, let running messages end within the grace, abort what is left.

        Every arrival that was answered has been told by then.
        """
        deadline = time.monotonic() + grace_seconds
        self._close_ports()
        sessions = self._room.sessions
        for session in sessions:
            session.stop()
        self._end_idle(sessions, min(_LINGER_SECONDS, grace_seconds))
        for thread in sessions.values():
            thread.join(max(deadline - time.monotonic(), 0.0))
        for session, thread in sessions.items():
            if thread.is_alive():
                _log.warning("intake.cut_off")
                session.cut_off()
        for thread in sessions.values():
            thread.join(_LEAST_JOIN_SECONDS)

    def _end_idle(self, sessions: dict[Session, Thread], linger_seconds: float) -> None:
        """Wait a moment for messages that are on their way, then wake who waits for nothing."""
        end = time.monotonic() + linger_seconds
        for thread in sessions.values():
            thread.join(max(end - time.monotonic(), 0.0))
        for session in sessions:
            if not session.busy:
                session.cut_off()

    def _close_ports(self) -> None:
        for port in self._open_ports:
            port.close()
        self._open_ports.clear()

    def _make_session(self, wire: Wire, listener: DicomListener) -> Session:
        return Session(wire, listener, self._services, self._identify_peer, self._room, self._watcher)
