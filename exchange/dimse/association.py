"""One association as a requestor: our own lean data plane over pynetdicom's negotiation.

pynetdicom as a sender queues a whole file in memory, cannot tell whether the last byte left, and loses a fast
response now and then (specs: 4 of 20 runs). Here one thread writes and reads one socket, so that memory does
not grow with the instance and each failure says whether the instance may have landed.
"""

import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from exchange.dimse import commands, sockets
from exchange.dimse.commandset import (
    C_ECHO,
    C_STORE,
    N_ACTION,
    N_EVENT_REPORT,
    Request,
    Response,
    parse_answer,
    response,
)
from exchange.dimse.negotiation import Agreement, Proposal, decode_answer, encode_request
from exchange.dimse.pdu import A_ABORT, A_RELEASE_RQ_PDU, ControlPdu, PduError, PduReader, a_abort
from exchange.dimse.peer import DicomPeer
from exchange.dimse.sending import MessageSender
from exchange.dimse.tls import transport_facts
from exchange.dimse.wire import Part, Wire
from exchange.domain.errors import InputError, PeerRefused, PeerUnavailable
from exchange.domain.exchange import Priority

_SERVICE_USER = 0  # source of our A-ABORT
_ABORT_SECONDS = 1.0
_RESPONSE_MAX = 1024 * 1024  # bytes of one PDU, and of one command set, that we accept in an answer
_REPORT_MAX = 64 * 1024 * 1024  # bytes of one commitment report: 100,000 instances need 20 MiB
_EVENTS_MAX = 16  # reports that we keep while we wait for a response


class AssociationLost(PeerUnavailable):
    """The association ended without an answer to the request.

    Attributes:
        may_have_landed: True when the last fragment of the request was handed to the network.
    """

    def __init__(self, message: str, *, may_have_landed: bool) -> None:
        super().__init__(message)
        self.may_have_landed = may_have_landed


class Association:
    """An open association; a context manager that releases at the end, or aborts on an exception.

    Attributes:
        contexts: Accepted (SOP class, transfer syntax) pairs and their presentation context id.
        facts: What a receipt says of the connection (`tls`, `cipher`, `peerSpkiSha256`).
    """

    def __init__(
        self, wire: Wire, reader: PduReader, peer: DicomPeer, agreement: Agreement, facts: dict[str, str]
    ) -> None:
        self.contexts = agreement.context_ids
        self.facts = facts
        self._wire = wire
        self._reader = reader
        self._timeouts = peer.timeouts
        self._sender = MessageSender(wire, agreement.max_pdu)
        self._message_id = 0
        self._open = True
        self._events: deque[tuple[Request, bytes]] = deque()

    @classmethod
    def request(cls, peer: DicomPeer, proposals: Sequence[Proposal]) -> Self:
        """Connect and negotiate.

        Args:
            peer: Whom to call.
            proposals: At most 128 pairs of SOP class and transfer syntax.

        Raises:
            PeerUnavailable: It cannot be reached, is busy, or answers nonsense.
            PeerRefused: It rejects us for good, or is not the one whom its certificate or pin must name.
            ConfigurationError: An AE title or UID is malformed.
        """
        request = encode_request(peer, proposals)
        connection = _connect(peer)
        wire = Wire(connection, peer.host)
        reader = PduReader(wire.receive, _RESPONSE_MAX)
        try:
            wire.allow_silence(peer.timeouts.association)
            wire.send(request)
            wire.expect_within(peer.timeouts.association)
            answer = _control_pdu(reader)
            agreement = decode_answer(answer.pdu_type, answer.data, proposals)
            facts = transport_facts(connection if isinstance(connection, ssl.SSLSocket) else None)
            return cls(wire, reader, peer, agreement, facts)
        except (OSError, PduError) as error:
            wire.close()
            raise PeerUnavailable(
                f"cannot associate with {peer.host}:{peer.port}: {describe(error)}",
                "check that a DICOM service listens there, and whether it wants TLS",
            ) from error
        except BaseException:
            wire.close()
            raise

    @property
    def is_open(self) -> bool:
        """False once it was released, aborted or lost."""
        return self._open

    def store(
        self,
        context_id: int,
        sop_class_uid: str,
        sop_instance_uid: str,
        data: Iterable[Part],
        priority: Priority = Priority.ROUTINE,
    ) -> int:
        """C-STORE one data set, its bytes unchanged: `begin_store` and `finish_store` at once.

        Returns:
            The status that the peer answered.

        Raises:
            AssociationLost: No valid answer came; the association is gone.
        """
        self.begin_store(context_id, sop_class_uid, sop_instance_uid, data, priority)
        return self.finish_store()

    def begin_store(
        self,
        context_id: int,
        sop_class_uid: str,
        sop_instance_uid: str,
        data: Iterable[Part],
        priority: Priority = Priority.ROUTINE,
    ) -> None:
        """Send a C-STORE request. While the peer works on it the caller may do something else of use.

        Args:
            context_id: An accepted presentation context, from `contexts`.
            sop_class_uid: AffectedSOPClassUID.
            sop_instance_uid: AffectedSOPInstanceUID.
            data: The encoded data set in pieces. An exception raised by it, even at its very end, keeps the
                last fragment back: the peer then has no complete instance. Free to be overwritten on return.
            priority: What the peer is told of the urgency.

        Raises:
            AssociationLost: It could not be sent; the association is gone.
        """
        message_id = self._next_message_id()
        command = commands.c_store_rq(message_id, sop_class_uid, sop_instance_uid, priority)
        self._send(context_id, command, data)

    def finish_store(self) -> int:
        """Wait for the answer to `begin_store`.

        Returns:
            The status that the peer answered.

        Raises:
            AssociationLost: No valid answer came; the association is gone.
        """
        return self._answer(C_STORE)

    def echo(self) -> int:
        """C-ECHO; returns the status.

        Raises:
            AssociationLost: No valid answer came.
        """
        context_id = next(iter(self.contexts.values()))
        self._send(context_id, commands.c_echo_rq(self._next_message_id()), None)
        return self._answer(C_ECHO)

    def action(self, context_id: int, target: tuple[str, str], action_type: int, data: bytes) -> int:
        """N-ACTION on a SOP instance (PS3.7 10.1.4), with action information.

        An N-EVENT-REPORT that comes before the answer is kept for `event`.

        Args:
            context_id: An accepted presentation context.
            target: Requested SOP class and SOP instance UID.
            action_type: Its number in the SOP class.
            data: The encoded action information.

        Returns:
            The status that the peer answered.

        Raises:
            AssociationLost: No valid answer came.
        """
        self._send(context_id, commands.n_action_rq(self._next_message_id(), *target, action_type), [data])
        return self._answer(N_ACTION)

    def event(self, seconds: float) -> tuple[Request, bytes] | None:
        """Wait for an N-EVENT-REPORT request; None when none comes in time. Answer it with `answer_event`.

        Raises:
            AssociationLost: The association ended, or something else came.
        """
        if self._events:
            return self._events.popleft()
        try:
            if not self._reader.holds_bytes and not self._wire.readable(seconds):
                return None
            self._wire.allow_silence(seconds)
            return self._report(*self._read_message())
        except (OSError, InputError, PduError) as error:
            self.abort()
            raise AssociationLost(f"cannot read a report: {describe(error)}", may_have_landed=True) from error

    def answer_event(self, context_id: int, request: Request, status: int) -> None:
        """Answer an N-EVENT-REPORT request.

        Raises:
            AssociationLost: It cannot be sent.
        """
        self._send(context_id, response(request, status), None)

    def _next_message_id(self) -> int:
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def release(self) -> None:
        """Release in order; a peer that does not answer is simply left (nothing depends on it)."""
        if not self._open:
            return
        with contextlib.suppress(OSError, PduError):
            self._wire.allow_silence(self._timeouts.association)
            self._wire.send(A_RELEASE_RQ_PDU)
            self._wire.expect_within(self._timeouts.association)
            self._reader.read()
        self._close()

    def abort(self) -> None:
        """Abort (A-ABORT, source: service user) and close."""
        if not self._open:
            return
        with contextlib.suppress(OSError):
            self._wire.allow_silence(_ABORT_SECONDS)
            self._wire.send(a_abort(_SERVICE_USER))
        self._close()

    def _close(self) -> None:
        self._open = False
        self._wire.close()

    def _send(self, context_id: int, command: bytes, data: Iterable[Part] | None) -> None:
        try:
            self._wire.allow_silence(self._timeouts.send)
            self._sender.send(context_id, command, data)
        except OSError as error:
            # OSErrors of reading the file come here too: then the last fragment was never handed over.
            self.abort()
            raise AssociationLost(
                f"cannot send: {describe(error)}", may_have_landed=self._sender.handed_over
            ) from error
        except BaseException:
            self.abort()
            raise

    def _answer(self, operation: int) -> int:
        try:
            self._wire.allow_silence(self._timeouts.response)
            answer = self._read_response()
        except (OSError, InputError, PduError) as error:
            self.abort()
            raise AssociationLost(
                f"cannot tell what the peer did: {describe(error)}", may_have_landed=True
            ) from error
        if answer.operation != operation or answer.message_id != self._message_id or answer.has_data_set:
            self.abort()
            raise AssociationLost(
                "cannot tell what the peer did: its response belongs to something else", may_have_landed=True
            )
        return answer.status

    def _read_response(self) -> Response:
        """The next response; event reports that come before it are put aside."""
        while True:
            message, data = self._read_message()
            if isinstance(message, Response):
                return message
            if len(self._events) >= _EVENTS_MAX:
                raise ConnectionAbortedError("the peer sends reports instead of a response")
            self._events.append(self._report(message, data))

    @staticmethod
    def _report(message: Request | Response, data: bytes) -> tuple[Request, bytes]:
        if isinstance(message, Response) or message.operation != N_EVENT_REPORT:
            raise ConnectionAbortedError("the peer sent something that was not asked for")
        return message, data

    def _read_message(self) -> tuple[Request | Response, bytes]:
        """One message: its command set and, of a request that announces one, its data set."""
        message = parse_answer(self._read_set(_RESPONSE_MAX, is_command=True))
        if isinstance(message, Response) or not message.has_data_set:
            return message, b""
        return message, self._read_set(_REPORT_MAX, is_command=False)

    def _read_set(self, most: int, *, is_command: bool) -> bytes:
        """The fragments of a command set or data set, joined."""
        joined = bytearray()
        while True:
            came = self._reader.read()
            if isinstance(came, ControlPdu):
                if came.pdu_type == A_ABORT:
                    raise ConnectionAbortedError("the peer aborted the association")
                raise ConnectionAbortedError(
                    f"the peer sent PDU type 0x{came.pdu_type:02X} instead of a response"
                )
            if came.is_command != is_command or len(joined) + len(came.data) > most:
                raise ConnectionAbortedError("the peer's response is malformed")
            joined += came.data
            if came.is_last:
                return bytes(joined)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.release()
        else:
            self.abort()


def describe(error: Exception) -> str:
    """A connection's failure in words, free of PHI."""
    if isinstance(error, TimeoutError):
        return "the peer fell silent"
    if isinstance(error, ssl.SSLError):
        return (
            f"TLS failed ({error.reason or 'unknown reason'})".replace("_", " ").lower().replace("tls", "TLS")
        )
    if isinstance(error, PduError):
        return error.why
    if isinstance(error, ConnectionAbortedError) or not isinstance(error, OSError):
        return str(error)
    return (error.strerror or "the connection broke").lower()


def _connect(peer: DicomPeer) -> socket.socket:
    where = f"{peer.host}:{peer.port}"
    try:
        plain = socket.create_connection((peer.host, peer.port), timeout=peer.timeouts.connect)
    except OSError as error:
        raise PeerUnavailable(
            f"cannot reach {where}: {describe(error)}", "check host, port, firewall, and that the peer runs"
        ) from error
    if peer.tls is None:
        return plain
    sockets.tune(plain)
    try:
        return peer.tls.wrap_socket(plain, server_hostname=peer.host)
    except ssl.SSLCertVerificationError as error:
        plain.close()
        reason = error.verify_message if getattr(error, "verify_message", "") else str(error.args[0])
        raise PeerRefused(
            f"cannot trust {where}: {reason}", "check the peer's certificate, the CA file and the pin"
        ) from error
    except OSError as error:
        plain.close()
        raise PeerUnavailable(
            f"cannot agree on TLS with {where}: {describe(error)}",
            "it needs TLS 1.2 or later with an AEAD cipher, and must trust our certificate",
        ) from error


def _control_pdu(reader: PduReader) -> ControlPdu:
    """What answers the proposal."""
    came = reader.read()
    if not isinstance(came, ControlPdu):
        raise ConnectionAbortedError("the peer sent data before it accepted")
    return came
