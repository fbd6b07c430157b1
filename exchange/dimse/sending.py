"""One DIMSE message onto one connection: PDU headers and slices of the data in few calls, nothing copied."""

from collections.abc import Iterable, Iterator

from exchange.dimse.pdu import COMMAND, LAST, p_data_header
from exchange.dimse.wire import Part, Wire

_WRITE_SIZE = 256 * 1024  # bytes handed over at a time; bounds what a message in pieces holds in memory
_MOST_PARTS = 512  # handed over at a time, about: a peer may want tiny PDUs


class MessageSender:
    """Writes one message at a time as P-DATA-TF PDUs of one PDV each (PS3.8 9.3.5, E.2).

    Attributes:
        handed_over: True when the last fragment of the message was given to the network.
    """

    def __init__(self, wire: Wire, max_pdu: int) -> None:
        """Prepare.

        Args:
            wire: Where to.
            max_pdu: Longest P-DATA-TF that the peer takes, in bytes without the PDU header.
        """
        self._wire = wire
        self._size = max_pdu - 6  # the PDV item's length, context id and control header
        self.handed_over = False

    def send(self, context_id: int, command: bytes, data: Iterable[Part] | None) -> None:
        """Send a command set and, unless None, a data set.

        Args:
            context_id: The presentation context.
            command: The command set.
            data: In pieces; an exception raised by it, even at its end, keeps the last fragment back.

        Raises:
            OSError: The connection broke or the peer takes nothing.
        """
        self.handed_over = False
        parts: list[Part] = []
        length = 0
        for pdu, last in self._pdus(context_id, command, data):
            parts += pdu
            length += self._size
            if last or length >= _WRITE_SIZE or len(parts) >= _MOST_PARTS:
                self.handed_over = last
                self._wire.send_parts(parts)
                parts, length = [], 0

    def _pdus(
        self, context_id: int, command: bytes, data: Iterable[Part] | None
    ) -> Iterator[tuple[list[Part], bool]]:
        """The PDUs of one message; True marks the very last."""
        yield from self._cut(context_id, COMMAND, [command], ends=data is None)
        if data is not None:
            yield from self._cut(context_id, 0, data, ends=True)

    def _cut(
        self, context_id: int, control: int, pieces: Iterable[Part], *, ends: bool
    ) -> Iterator[tuple[list[Part], bool]]:
        """The PDUs of a command or data set; the last is made only after `pieces` ended in order."""
        size = self._size
        header = p_data_header(context_id, control, size)
        pdu: list[Part] = [header]
        room = size
        for piece in pieces:
            view = memoryview(piece)
            start, end = 0, len(view)
            while start < end:
                if not room:  # full, and more follows: not the last one
                    yield pdu, False
                    pdu, room = [header], size
                part = view[start : start + room]
                pdu.append(part)
                start += len(part)
                room -= len(part)
        pdu[0] = p_data_header(context_id, control | LAST, size - room)
        yield pdu, ends
