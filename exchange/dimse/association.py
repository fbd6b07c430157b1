"""One association as a requestor: our own lean data plane over pynetdicom's negotiation.

pynetdicom as a sender queues a whole file in memory, cannot tell whether the last byte left, and loses a fast
response now and then (specs: 4 of 20 runs). Here one thread writes and reads one socket, so that memory does
not grow with the instance and each failure says whether the instance may have landed.
"""

import contextlib
import select
import socket
import ssl
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from exchange.dimse import commands, sockets
from exchange.dimse.negotiation import Agreement, Proposal, decode_answer, encode_request
from exchange.dimse.peer import DicomPeer
from exchange.dimse.sending import MessageSender
from exchange.dimse.tls import transport_facts
from exchange.domain.errors import InputError, PeerRefused, PeerUnavailable
from exchange.domain.exchange import Priority

_A_ABORT = bytes.fromhex("07000000000400000000")  # by the service user, no reason (PS3.8 9.3.8)
_A_RELEASE_RQ = bytes.fromhex("05000000000400000000")
_P_DATA_TF = 0x04
_A_ABORT_TYPE = 0x07
_COMMAND, _LAST = 0x01, 0x02
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

    def __init__(self, connection: socket.socket, peer: DicomPeer, agreement: Agreement) -> None:
        self.contexts = agreement.context_ids
        self.facts = transport_facts(connection if isinstance(connection, ssl.SSLSocket) else None)
        self._socket = connection
        self._timeouts = peer.timeouts
        # The PDV item's length, context id and control header take 6 bytes of a PDU.
        self._sender = MessageSender(connection, agreement.max_pdu - 6)
        self._message_id = 0
        self._open = True
        self._pdvs: deque[tuple[int, bytes]] = deque()
        self._events: deque[tuple[commands.EventReport, bytes]] = deque()

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
        try:
            connection.settimeout(peer.timeouts.association)
            connection.sendall(request)
            pdu_type, pdu = _read_pdu(connection)
            return cls(connection, peer, decode_answer(pdu_type, pdu, proposals))
        except OSError as error:
            connection.close()
            raise PeerUnavailable(
                f"cannot associate with {peer.host}:{peer.port}: {describe(error)}",
                "check that a DICOM service listens there, and whether it wants TLS",
            ) from error
        except BaseException:
            connection.close()
            raise

    def store(
        self,
        context_id: int,
        sop_class_uid: str,
        sop_instance_uid: str,
        data: Iterable[bytes],
        priority: Priority = Priority.ROUTINE,
    ) -> int:
        """C-STORE one data set, its bytes unchanged.

        Args:
            context_id: An accepted presentation context, from `contexts`.
            sop_class_uid: AffectedSOPClassUID.
            sop_instance_uid: AffectedSOPInstanceUID.
            priority: What the peer is told of the urgency.
            data: The encoded data set in pieces. An exception raised by it, even at its very end, keeps the
                last fragment back: the peer then has no complete instance.

        Returns:
            The status that the peer answered.

        Raises:
            AssociationLost: No valid answer came; the association is gone.
        """
        message_id = self._next_message_id()
        command = commands.c_store_rq(message_id, sop_class_uid, sop_instance_uid, priority)
        self._send(context_id, command, data)
        return self._answer(commands.C_STORE_RSP)

    def echo(self) -> int:
        """C-ECHO; returns the status.

        Raises:
            AssociationLost: No valid answer came.
        """
        context_id = next(iter(self.contexts.values()))
        self._send(context_id, commands.c_echo_rq(self._next_message_id()), None)
        return self._answer(commands.C_ECHO_RSP)

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
        return self._answer(commands.N_ACTION_RSP)

    def event(self, seconds: float) -> tuple[commands.EventReport, bytes] | None:
        """Wait for an N-EVENT-REPORT request; None when none comes in time. Answer it with `answer_event`.

        Raises:
            AssociationLost: The association ended, or something else came.
        """
        if self._events:
            return self._events.popleft()
        try:
            self._socket.settimeout(seconds)
            if not self._readable(seconds):
                return None
            return self._read_event(*self._read_message())
        except (OSError, InputError) as error:
            self.abort()
            raise AssociationLost(f"cannot read a report: {describe(error)}", may_have_landed=True) from error

    def answer_event(self, context_id: int, request: commands.EventReport, status: int) -> None:
        """Answer an N-EVENT-REPORT request.

        Raises:
            AssociationLost: It cannot be sent.
        """
        self._send(context_id, commands.n_event_report_rsp(request, status), None)

    def _readable(self, seconds: float) -> bool:
        if self._pdvs or (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _next_message_id(self) -> int:
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def release(self) -> None:
        """Release in order; a peer that does not answer is simply left (nothing depends on it)."""
        if not self._open:
            return
        with contextlib.suppress(OSError):
            self._socket.settimeout(self._timeouts.association)
            self._socket.sendall(_A_RELEASE_RQ)
            _read_pdu(self._socket)
        self._close()

    def abort(self) -> None:
        """Abort (A-ABORT, source: service user) and close."""
        if not self._open:
            return
        with contextlib.suppress(OSError):
            self._socket.settimeout(1.0)
            self._socket.sendall(_A_ABORT)
        self._close()

    def _close(self) -> None:
        self._open = False
        self._socket.close()

    def _send(self, context_id: int, command: bytes, data: Iterable[bytes] | None) -> None:
        self._socket.settimeout(self._timeouts.send)
        try:
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

    def _answer(self, expected: int) -> int:
        self._socket.settimeout(self._timeouts.response)
        try:
            response = commands.parse_response(self._read_response())
        except (OSError, InputError) as error:
            self.abort()
            raise AssociationLost(
                f"cannot tell what the peer did: {describe(error)}", may_have_landed=True
            ) from error
        if (
            response.command_field != expected
            or response.message_id_responded_to != self._message_id
            or response.has_data_set
        ):
            self.abort()
            raise AssociationLost(
                "cannot tell what the peer did: its response belongs to something else", may_have_landed=True
            )
        return response.status

    def _read_response(self) -> bytes:
        """The next command set that is no event report; those are put aside."""
        while True:
            command, data = self._read_message()
            if commands.command_field(command) != commands.N_EVENT_REPORT_RQ:
                return command
            if len(self._events) >= _EVENTS_MAX:
                raise ConnectionAbortedError("the peer sends reports instead of a response")
            self._events.append(self._read_event(command, data))

    @staticmethod
    def _read_event(command: bytes, data: bytes) -> tuple[commands.EventReport, bytes]:
        if commands.command_field(command) != commands.N_EVENT_REPORT_RQ:
            raise ConnectionAbortedError("the peer sent something that was not asked for")
        return commands.parse_event_report(command), data

    def _read_message(self) -> tuple[bytes, bytes]:
        """One message: its command set, and its data set where the command set announces one."""
        command = self._read_set(_COMMAND, _RESPONSE_MAX)
        if commands.command_field(command) != commands.N_EVENT_REPORT_RQ:
            return command, b""
        if not commands.parse_event_report(command).has_data_set:
            return command, b""
        return command, self._read_set(0, _REPORT_MAX)

    def _read_set(self, kind: int, most: int) -> bytes:
        """The fragments of a command set or data set, joined."""
        joined = bytearray()
        while True:
            if not self._pdvs:
                self._pdvs.extend(self._read_pdvs())
            control, fragment = self._pdvs.popleft()
            if control & _COMMAND != kind or len(joined) + len(fragment) > most:
                raise ConnectionAbortedError("the peer's response is malformed")
            joined += fragment
            if control & _LAST:
                return bytes(joined)

    def _read_pdvs(self) -> list[tuple[int, bytes]]:
        pdu_type, pdu = _read_pdu(self._socket)
        if pdu_type == _A_ABORT_TYPE:
            raise ConnectionAbortedError("the peer aborted the association")
        if pdu_type != _P_DATA_TF:
            raise ConnectionAbortedError(f"the peer sent PDU type 0x{pdu_type:02X} instead of a response")
        return list(_pdvs(pdu[6:]))

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
    sockets.tune(plain)
    if peer.tls is None:
        return plain
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


def _read_pdu(connection: socket.socket) -> tuple[int, bytes]:
    """One PDU: its type and all its bytes, header included."""
    header = sockets.receive(connection, 6)
    if len(header) < 6:
        raise ConnectionAbortedError("the peer closed the connection")
    pdu_type, length = struct.unpack(">BxL", header)
    if length > _RESPONSE_MAX:
        raise ConnectionAbortedError("the peer announced a PDU beyond the limit")
    body = sockets.receive(connection, length)
    if len(body) < length:
        raise ConnectionAbortedError("the peer closed the connection inside a PDU")
    return pdu_type, bytes(header + body)


def _pdvs(items: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(items):
        if position + 6 > len(items):
            raise ConnectionAbortedError("the peer's response is malformed")
        (length,) = struct.unpack_from(">L", items, position)
        end = position + 4 + length
        if length < 2 or end > len(items):
            raise ConnectionAbortedError("the peer's response is malformed")
        yield items[position + 5], items[position + 6 : end]
        position = end
