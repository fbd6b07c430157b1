"""One association from its first byte to its last, on one thread (PS3.8 9.2, as acceptor).

States of PS3.8 table 9-10: Sta2 until the A-ASSOCIATE-RQ came, Sta6 while messages are served, Sta13 while
the peer is given the time to close.
"""

import ssl
from collections.abc import Callable
from threading import Event
from typing import Protocol

import structlog

from exchange.dimse import accepting, commandset
from exchange.dimse.accepting import AssociationRequest, Context
from exchange.dimse.commandset import COMMAND_MAX, parse_request
from exchange.dimse.pdu import (
    A_ABORT,
    A_ASSOCIATE_RQ,
    A_RELEASE_RP_PDU,
    A_RELEASE_RQ,
    AbortReason,
    ControlPdu,
    Fragment,
    PduError,
    PduReader,
    StreamEnded,
    a_abort,
    a_associate_rj,
    command_pdus,
)
from exchange.dimse.wire import Wire
from exchange.domain.errors import InputError
from exchange.intake.listener import DicomListener
from exchange.intake.room import Room
from exchange.intake.services import Caller, Services

_USER, _PROVIDER = 0, 2  # source of an A-ABORT (PS3.8 9.3.8)
_STOPPING_SECONDS = 1.0  # for the peer to close, while we stop

_log = structlog.get_logger()

IdentifyPeer = Callable[[str, str, str], str]


class Watcher(Protocol):
    """Is told, on association threads, whose associations are open; must be quick and raise nothing."""

    def opened(self, called_ae: str, calling_ae: str) -> None:
        """An association was accepted."""

    def closed(self, called_ae: str, calling_ae: str) -> None:
        """It ended, in whatever way."""


class _Ended(Exception):  # noqa: N818 - control flow, not a failure
    """The peer released or aborted the association."""

    def __init__(self, *, released: bool) -> None:
        super().__init__()
        self.released = released


class Session:
    """One accepted connection.

    Attributes:
        busy: Whether a message is being received or answered.
    """

    def __init__(
        self,
        wire: Wire,
        listener: DicomListener,
        services: Services,
        identify_peer: IdentifyPeer,
        room: Room,
        watcher: Watcher | None = None,
    ) -> None:
        """Prepare.

        Args:
            wire: The connection.
            listener: Where it came in.
            services: What can be asked for.
            identify_peer: From calling AE title, address and certificate fingerprint to a peer's name.
            room: Says whether there is room for one more association.
            watcher: Is told of the association's beginning and end.
        """
        self.busy = False
        self._wire = wire
        self._listener = listener
        self._limits = listener.limits
        self._services = services
        self._identify_peer = identify_peer
        self._room = room
        self._watcher = watcher
        self._reader = PduReader(wire.receive)
        self._stopping = Event()
        self._associated = False
        self._contexts: dict[int, Context] = {}
        self._peer_max_pdu = 0
        self._caller: Caller

    def run(self) -> None:
        """Serve until the end; raises nothing."""
        try:
            last_words = self._serve()
        except _Ended as end:
            last_words = A_RELEASE_RP_PDU if end.released else b""
        except StreamEnded:
            last_words = a_abort(_USER) if self._stopping.is_set() and self._associated else b""
        except PduError as error:
            _log.warning("intake.bad_pdu", why=error.message, abort=int(error.reason))
            # Before the association there is no service provider's reason yet (AA-1 and AA-8, PS3.8 9.2.2).
            last_words = a_abort(_PROVIDER, error.reason) if self._associated else a_abort(_USER)
        except InputError as error:
            _log.warning("intake.bad_message", why=error.message)
            last_words = a_abort(_USER)
        except TimeoutError:
            _log.warning("intake.silence", state="established" if self._associated else "requested")
            last_words = a_abort(_USER) if self._associated else b""  # AA-2: ARTIM expired, just close
        except OSError as error:
            _log.info("intake.connection_broke", error=type(error).__name__)
            last_words = b""
        except Exception as error:  # noqa: BLE001 - the boundary of one association
            _log.error("intake.association_failed", error=type(error).__name__, exc_info=error)
            last_words = a_abort(_PROVIDER)
        finally:
            self.busy = False
            # Before the peer hears of the end: it may come back at once.
            self._room.end(self)
            if self._watcher is not None and self._associated:
                self._watcher.closed(self._caller.called_ae, self._caller.calling_ae)
        self._leave(last_words)

    def stop(self) -> None:
        """From any thread: end after the message that is being served."""
        self._stopping.set()

    def cut_off(self) -> None:
        """From any thread: end now."""
        self._stopping.set()
        self._wire.wake()

    def _leave(self, last_words: bytes) -> None:
        seconds = 0.0
        if last_words:
            seconds = _STOPPING_SECONDS if self._stopping.is_set() else self._limits.artim_seconds
            try:
                self._wire.send(last_words)
            except OSError:
                seconds = 0.0
        self._wire.close(seconds)

    def _serve(self) -> bytes:
        """Serve until we end it; our last words."""
        if self._listener.tls is not None:
            try:
                self._wire.secure(self._listener.tls, self._limits.artim_seconds)
            except (OSError, ValueError) as error:
                reason = error.reason if isinstance(error, ssl.SSLError) else type(error).__name__
                _log.warning("intake.tls_refused", reason=reason)
                return b""
        self._wire.expect_within(self._limits.artim_seconds)
        first = self._reader.read()
        if not isinstance(first, ControlPdu) or first.pdu_type != A_ASSOCIATE_RQ:
            if isinstance(first, ControlPdu) and first.pdu_type == A_ABORT:
                return b""
            raise PduError("it did not ask for an association", AbortReason.UNEXPECTED_PDU)
        request = accepting.parse_association_request(first.data)
        if rejection := self._rejection(request):
            _log.warning("intake.rejected", reason="/".join(map(str, rejection)))
            return a_associate_rj(*rejection)
        self._accept(request)
        while not self._stopping.is_set():
            piece = self._fragment()
            self.busy = True
            self._message(piece)
            self.busy = False
        return a_abort(_USER)

    def _rejection(self, request: AssociationRequest) -> tuple[int, int, int] | None:
        if not request.has_version_1:
            return accepting.NO_PROTOCOL_VERSION
        if request.application_context != accepting.APPLICATION_CONTEXT:
            return accepting.NO_APPLICATION_CONTEXT
        if request.called_ae not in self._listener.ae_titles:
            return accepting.CALLED_AE_NOT_RECOGNIZED
        return None if self._room.enter(self) else accepting.LOCAL_LIMIT_EXCEEDED

    def _accept(self, request: AssociationRequest) -> None:
        address, certificate = self._wire.address, self._wire.certificate_sha256
        self._caller = Caller(
            protocol=self._listener.protocol,
            called_ae=request.called_ae,
            calling_ae=request.calling_ae,
            peer=self._identify_peer(request.calling_ae, address, certificate),
            address=address,
            certificate_sha256=certificate,
        )
        pdu, self._contexts = accepting.answer(request, self._services.offer(self._limits.max_pdu))
        self._peer_max_pdu = request.max_pdu
        self._wire.allow_silence(self._limits.network_seconds)
        self._associated = True
        if self._watcher is not None:
            self._watcher.opened(request.called_ae, request.calling_ae)
        self._wire.send(pdu)

    def _fragment(self) -> Fragment:
        """The next piece of a message.

        Raises:
            _Ended: The peer released or aborted instead; what is not complete is dropped.
        """
        piece = self._reader.read()
        if isinstance(piece, Fragment):
            return piece
        if piece.pdu_type in (A_RELEASE_RQ, A_ABORT):
            raise _Ended(released=piece.pdu_type == A_RELEASE_RQ)
        raise PduError("this PDU does not belong into an association", AbortReason.UNEXPECTED_PDU)

    def _message(self, piece: Fragment) -> None:
        """Receive one message, whose first piece this is, and answer it."""
        context_id = piece.context_id
        if context_id not in self._contexts:
            raise PduError("its presentation context was not accepted", AbortReason.INVALID_PARAMETER)
        request = parse_request(self._command(piece))
        if request.operation == commandset.C_CANCEL:
            return  # nothing that we serve can be cancelled
        task = self._services.begin(request, self._contexts[context_id], self._caller)
        try:
            if request.has_data_set:
                self._data_set(context_id, task.write)
            answer = task.answer()
        finally:
            task.close()
        self._wire.send(command_pdus(context_id, answer, self._peer_max_pdu))

    def _command(self, piece: Fragment) -> bytearray:
        command, context_id = bytearray(), piece.context_id
        while True:
            if not piece.is_command or piece.context_id != context_id:
                raise PduError("a data set came without a command", AbortReason.UNEXPECTED_PARAMETER)
            command += piece.data
            if len(command) > COMMAND_MAX:
                raise PduError("a command set is too long", AbortReason.INVALID_PARAMETER)
            if piece.is_last:
                return command
            piece = self._fragment()

    def _data_set(self, context_id: int, write: Callable[[memoryview], None]) -> None:
        while True:
            piece = self._fragment()
            if piece.is_command or piece.context_id != context_id:
                raise PduError("a command came without its data set", AbortReason.UNEXPECTED_PARAMETER)
            if piece.data:
                write(piece.data)
            if piece.is_last:
                return
