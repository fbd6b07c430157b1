"""PDUs of the DICOM upper layer as bytes: framing, caps, and data set fragments as they come (PS3.8 9.3).

`PduReader` never holds more than one buffer and one short PDU: a P-DATA-TF of any length is handed out in
pieces of what the socket gave, so that a data set goes from the socket's buffer to the disk without a copy
of it in between.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from exchange.dimse.sockets import LARGEST_PDU
from exchange.domain.errors import LockgateError

A_ASSOCIATE_RQ, A_ASSOCIATE_AC, A_ASSOCIATE_RJ = 0x01, 0x02, 0x03
P_DATA_TF, A_RELEASE_RQ, A_RELEASE_RP, A_ABORT = 0x04, 0x05, 0x06, 0x07
A_RELEASE_RQ_PDU = bytes.fromhex("05000000000400000000")
A_RELEASE_RP_PDU = bytes.fromhex("06000000000400000000")
COMMAND, LAST = 0x01, 0x02  # message control header of a PDV (PS3.8 E.2)

_HEADER = struct.Struct(">BxL")
_PDV_HEADER = struct.Struct(">LBB")
_P_DATA_HEADER = struct.Struct(">BxLLBB")
_NEGOTIATION_MAX = 1024 * 1024  # bytes; 128 contexts with 40 syntaxes each and a SAML assertion fit
_SHORT_MAX = 64  # bytes; A-RELEASE, A-ABORT and A-ASSOCIATE-RJ have 4
_FIRST_BUFFER = 8 * 1024
_LARGEST_BUFFER = 256 * 1024


class AbortReason(IntEnum):
    """Reason of an A-ABORT by the service provider (PS3.8 table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class PduError(LockgateError):
    """What came is no PDU that may come here.

    Attributes:
        why: What is wrong with it, in words.
        reason: For the A-ABORT that answers it.
    """

    def __init__(self, why: str, reason: AbortReason) -> None:
        super().__init__(f"cannot read what the peer sent: {why}", "see the peer's own log")
        self.why = why
        self.reason = reason


class StreamEnded(PduError):  # noqa: N818 - reads as the state that it reports
    """The peer closed the connection; there is nobody to send an A-ABORT to."""

    def __init__(self) -> None:
        super().__init__("the connection was closed", AbortReason.NOT_SPECIFIED)


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of a message fragment.

    Attributes:
        context_id: Presentation context ID, as it came.
        is_command: True for command set, False for data set bytes.
        is_last: True for the very last byte of the command set or data set.
        data: The bytes; overwritten by the next read.
    """

    context_id: int
    is_command: bool
    is_last: bool
    data: memoryview


@dataclass(frozen=True, slots=True)
class ControlPdu:
    """Any PDU but P-DATA-TF.

    Attributes:
        pdu_type: One of the A_… constants.
        data: All of it, header included.
    """

    pdu_type: int
    data: bytes


class PduReader:
    """Reads PDUs from a stream."""

    def __init__(self, receive: Callable[[memoryview, int], int], largest_pdu: int = LARGEST_PDU) -> None:
        """Prepare.

        Args:
            receive: Fills the start of a buffer and returns how many bytes came, 0 at the end of the stream.
                The number says how many bytes will come for certain, for one longer wait instead of several.
            largest_pdu: Longest P-DATA-TF that is read at all, in bytes.
        """
        self._receive = receive
        self._largest_pdu = largest_pdu
        self._buffer = memoryview(bytearray(_FIRST_BUFFER))
        self._start = self._end = 0
        self._pdu_left = 0  # of the current P-DATA-TF, without what was handed out
        self._pdv_left = 0  # of its current fragment
        self._context_id = self._control = 0

    @property
    def holds_bytes(self) -> bool:
        """Whether bytes were received that are not handed out yet."""
        return self._start < self._end

    def read(self) -> Fragment | ControlPdu:
        """The next piece of a fragment, or the next other PDU.

        Raises:
            PduError: Unknown type, absurd length, or a malformed P-DATA-TF.
            StreamEnded: The peer closed the connection.
            OSError: The connection broke or timed out.
        """
        if not self._pdv_left:
            if not self._pdu_left:
                pdu_type, length = _HEADER.unpack(self._take(_HEADER.size))
                if pdu_type != P_DATA_TF:
                    return self._control_pdu(pdu_type, length)
                if not 6 <= length <= self._largest_pdu:
                    raise PduError("a P-DATA-TF is empty or too long", AbortReason.INVALID_PARAMETER)
                self._pdu_left = length
            self._open_pdv()
        return self._piece()

    def _open_pdv(self) -> None:
        if self._pdu_left < _PDV_HEADER.size:
            raise PduError("a P-DATA-TF ends inside an item", AbortReason.INVALID_PARAMETER)
        length, self._context_id, self._control = _PDV_HEADER.unpack(self._take(_PDV_HEADER.size))
        if not 2 <= length <= self._pdu_left - 4:
            raise PduError("an item does not fit its P-DATA-TF", AbortReason.INVALID_PARAMETER)
        self._pdu_left -= _PDV_HEADER.size
        self._pdv_left = length - 2

    def _piece(self) -> Fragment:
        if self._pdv_left and self._start == self._end:
            self._fill(self._pdu_left)
        count = min(self._end - self._start, self._pdv_left)
        data = self._buffer[self._start : self._start + count]
        self._start += count
        self._pdv_left -= count
        self._pdu_left -= count
        is_last = bool(self._control & LAST) and not self._pdv_left
        return Fragment(self._context_id, bool(self._control & COMMAND), is_last, data)

    def _control_pdu(self, pdu_type: int, length: int) -> ControlPdu:
        if not A_ASSOCIATE_RQ <= pdu_type <= A_ABORT:
            raise PduError("it is of an unknown type", AbortReason.UNRECOGNIZED_PDU)
        if length > (_NEGOTIATION_MAX if pdu_type <= A_ASSOCIATE_AC else _SHORT_MAX):
            raise PduError("it is too long for its type", AbortReason.INVALID_PARAMETER)
        data = bytearray(_HEADER.pack(pdu_type, length))
        # Grown as bytes come: an announced length alone costs nothing.
        while len(data) < _HEADER.size + length:
            if self._start == self._end:
                self._fill(0)
            count = min(self._end - self._start, _HEADER.size + length - len(data))
            data += self._buffer[self._start : self._start + count]
            self._start += count
        return ControlPdu(pdu_type, bytes(data))

    def _take(self, count: int) -> memoryview:
        """A few contiguous bytes."""
        while self._end - self._start < count:
            self._fill(0)
        self._start += count
        return self._buffer[self._start - count : self._start]

    def _fill(self, certain: int) -> None:
        """Receive once, after what is there and not yet read."""
        kept = self._end - self._start
        if not kept and self._end == len(self._buffer) < _LARGEST_BUFFER:
            # The last reads filled it: this peer sends more than a word now and then.
            self._buffer = memoryview(bytearray(_LARGEST_BUFFER))
        elif kept and self._start:
            self._buffer[:kept] = self._buffer[self._start : self._end]
        self._start, self._end = 0, kept
        room = self._buffer[kept:]
        count = self._receive(room, min(certain, len(room)))
        if not count:
            raise StreamEnded
        self._end = kept + count


def a_abort(source: int, reason: int = AbortReason.NOT_SPECIFIED) -> bytes:
    """An A-ABORT PDU (PS3.8 9.3.8); source 0 is the service user, 2 the service provider."""
    return struct.pack(">BxLxxBB", A_ABORT, 4, source, reason)


def a_associate_rj(result: int, source: int, reason: int) -> bytes:
    """An A-ASSOCIATE-RJ PDU (PS3.8 9.3.4)."""
    return struct.pack(">BxLxBBB", A_ASSOCIATE_RJ, 4, result, source, reason)


def p_data_header(context_id: int, control: int, size: int) -> bytes:
    """What stands before the only fragment, of so many bytes, of a P-DATA-TF PDU (PS3.8 9.3.5, E.2)."""
    return _P_DATA_HEADER.pack(P_DATA_TF, size + 6, size + 2, context_id, control)


def p_data(context_id: int, control: int, fragment: bytes | memoryview) -> bytes:
    """A P-DATA-TF PDU with one fragment."""
    return p_data_header(context_id, control, len(fragment)) + fragment


def command_pdus(context_id: int, command: bytes, max_pdu: int) -> bytes:
    """A whole command set as P-DATA-TF PDUs.

    Args:
        context_id: Presentation context.
        command: The encoded command set.
        max_pdu: Longest that the peer takes, 0 for any.
    """
    size = max(max_pdu - 6, 1) if max_pdu else len(command)
    pieces = [command[start : start + size] for start in range(0, len(command), size)]
    controls = [COMMAND] * (len(pieces) - 1) + [COMMAND | LAST]
    return b"".join(
        p_data(context_id, control, piece) for control, piece in zip(controls, pieces, strict=True)
    )
