"""The TCP side: accept on one thread per port, serve each connection on a thread of its own."""

import contextlib
import socket
from collections.abc import Callable
from threading import Event, Thread

import structlog

from exchange.dimse.wire import Wire
from exchange.intake.listener import DicomListener
from exchange.intake.room import Room
from exchange.intake.session import Session

_BACKLOG = 128
_PAUSE_SECONDS = 0.2  # after an accept that failed, for descriptors to come free

_log = structlog.get_logger()


class Port:
    """One listening socket.

    Attributes:
        number: The bound port.
    """

    def __init__(
        self,
        listener: DicomListener,
        room: Room,
        make_session: Callable[[Wire, DicomListener], Session],
    ) -> None:
        """Bind and listen; nothing is accepted before `start`.

        Raises:
            OSError: It cannot be bound.
        """
        self._listener = listener
        self._room = room
        self._make_session = make_session
        self._closing = Event()
        family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
        self._socket = socket.create_server((listener.host, listener.port), family=family, backlog=_BACKLOG)
        self.number: int = self._socket.getsockname()[1]
        self._thread = Thread(target=self._accept, name="intake-listener", daemon=True)

    def start(self) -> None:
        """Accept connections."""
        self._thread.start()

    def close(self) -> None:
        """Refuse new connections; harmless when repeated."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        if self._thread.ident is not None:
            self._thread.join()
        self._socket.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, address = self._socket.accept()
            except OSError as error:
                if not self._closing.is_set():
                    _log.error("intake.accept_failed", error=type(error).__name__)
                    self._closing.wait(_PAUSE_SECONDS)
                continue
            self._open(connection, str(address[0]))

    def _open(self, connection: socket.socket, address: str) -> None:
        session = self._make_session(Wire(connection, address), self._listener)
        thread = Thread(target=self._run, args=(session,), name="intake-association", daemon=True)
        if self._closing.is_set() or not self._room.admit(session, thread):
            connection.close()
            return
        try:
            thread.start()
        except RuntimeError:  # no more threads
            _log.error("intake.no_thread")
            self._room.leave(session)
            connection.close()

    def _run(self, session: Session) -> None:
        try:
            session.run()
        finally:
            self._room.leave(session)
