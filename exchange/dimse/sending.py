"""One DIMSE message onto one socket: PDU headers and slices of the data in one call, nothing copied."""

import socket
import ssl
import struct
from collections.abc import Iterable, Iterator
from typing import TypeAlias

_P_DATA_TF = 0x04
_COMMAND, _LAST = 0x01, 0x02
_WRITE_SIZE = 256 * 1024  # bytes handed to the kernel at a time; bounds what one message holds in memory
_MOST_PARTS = 512  # of one system call; Linux takes 1024 (IOV_MAX)

Part: TypeAlias = bytes | memoryview
Parts: TypeAlias = list[Part]


class MessageSender:
    """Writes one message at a time as P-DATA-TF PDUs of one PDV each (PS3.8 9.3.5, E.2).

    Attributes:
        handed_over: True when the last fragment of the message was given to the network.
    """

    def __init__(self, connection: socket.socket, fragment_size: int) -> None:
        """Prepare.

        Args:
            connection: Plain or TLS.
            fragment_size: Longest fragment of a PDV, in bytes.
        """
        self._socket = connection
        self._size = fragment_size
        self.handed_over = False

    def send(self, context_id: int, command: bytes, data: Iterable[bytes] | None) -> None:
        """Send a command set and, unless None, a data set.

        Args:
            context_id: The presentation context.
            command: The command set.
            data: In pieces; an exception raised by it, even at its end, keeps the last fragment back.

        Raises:
            OSError: The connection broke or the peer takes nothing.
        """
        self.handed_over = False
        for parts, last in _writes(_pdus(context_id, command, data, self._size)):
            self.handed_over = last
            self._write(parts)

    def _write(self, parts: Parts) -> None:
        if isinstance(self._socket, ssl.SSLSocket):
            self._socket.sendall(b"".join(parts))  # TLS copies in any case: one record stream, few calls
            return
        sent = self._socket.sendmsg(parts)
        while parts:
            parts = _unsent(parts, sent)
            sent = self._socket.sendmsg(parts) if parts else 0


def _unsent(parts: Parts, sent: int) -> Parts:
    """What is left of these parts after so many bytes."""
    for index, part in enumerate(parts):
        if sent < len(part):
            return [memoryview(part)[sent:], *parts[index + 1 :]]
        sent -= len(part)
    return []


def _pdus(
    context_id: int, command: bytes, data: Iterable[bytes] | None, size: int
) -> Iterator[tuple[Parts, bool]]:
    """The PDUs of one message; True marks the very last, made only after `data` ended in order."""
    yield from _held_back(context_id, _COMMAND, _fragments([command], size), ends=data is None)
    if data is not None:
        yield from _held_back(context_id, 0, _fragments(data, size), ends=True)


def _held_back(
    context_id: int, control: int, fragments: Iterable[Parts], *, ends: bool
) -> Iterator[tuple[Parts, bool]]:
    """PDUs of a command or data set, each made when it is known whether another follows."""
    held: Parts = []
    for parts in fragments:
        if held:
            yield _pdu(context_id, control, held), False
        held = parts
    yield _pdu(context_id, control | _LAST, held), ends


def _pdu(context_id: int, control: int, parts: Parts) -> Parts:
    length = sum(map(len, parts))
    return [struct.pack(">BxLLBB", _P_DATA_TF, length + 6, length + 2, context_id, control), *parts]


def _fragments(pieces: Iterable[bytes], size: int) -> Iterator[Parts]:
    """The pieces cut and joined, by reference, to runs of `size` bytes; the last may be shorter."""
    parts: Parts = []
    room = size
    for piece in pieces:
        view = memoryview(piece)
        while view:
            parts.append(view[:room])
            view = view[room:]
            room -= len(parts[-1])
            if not room:
                yield parts
                parts, room = [], size
    if parts:
        yield parts


def _writes(pdus: Iterable[tuple[Parts, bool]]) -> Iterator[tuple[Parts, bool]]:
    """PDUs joined to writes of about 256 KiB; True marks the write with the last PDU."""
    parts: Parts = []
    length = 0
    for pdu, last in pdus:
        parts += pdu
        length += sum(map(len, pdu))
        if last or length >= _WRITE_SIZE or len(parts) >= _MOST_PARTS:
            yield parts, last
            parts, length = [], 0
