"""Messages as PDUs on a real socket: as the peer takes them, however long, however the data come."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.dimse.pdu import ControlPdu, PduReader, StreamEnded
from exchange.dimse.sending import MessageSender
from exchange.dimse.wire import Wire, _unsent


def whole_sets(theirs: socket.socket, max_pdu: int) -> Iterator[tuple[bool, bytes]]:
    """What came whole: (command set, bytes) of each."""
    reader = PduReader(lambda view, _: theirs.recv_into(view), max_pdu)
    joined = bytearray()
    with contextlib.suppress(StreamEnded):
        while True:
            came = reader.read()
            assert not isinstance(came, ControlPdu)
            joined += came.data
            if came.is_last:
                yield came.is_command, bytes(joined)
                joined.clear()


@contextlib.contextmanager
def sender_of(max_pdu: int) -> Iterator[tuple[MessageSender, list[tuple[bool, bytes]]]]:
    """A sender, and what came whole from it; that is complete afterwards."""
    ours, theirs = socket.socketpair()
    found: list[tuple[bool, bytes]] = []
    with ours, theirs:
        thread = threading.Thread(target=lambda: found.extend(whole_sets(theirs, max_pdu)))
        thread.start()
        yield MessageSender(Wire(ours, ""), max_pdu), found
        ours.shutdown(socket.SHUT_WR)
        thread.join(10)


def sent(command: bytes, data: list[bytes] | None, max_pdu: int) -> list[tuple[bool, bytes]]:
    """What comes whole of one message."""
    with sender_of(max_pdu) as (sender, found):
        sender.send(1, command, data)
        assert sender.handed_over
    return found


@given(
    command=st.binary(min_size=1, max_size=200),
    data=st.none() | st.lists(st.binary(max_size=500), max_size=6),
    max_pdu=st.integers(64, 300),
)
def test_any_message_arrives_whole(command: bytes, data: list[bytes] | None, max_pdu: int) -> None:
    expected = [(True, command)] + ([] if data is None else [(False, b"".join(data))])
    assert sent(command, data, max_pdu) == expected


@pytest.mark.parametrize("length", [16378 * 16 - 1, 16378 * 16, 16378 * 16 + 1, 3_000_000])
def test_longer_than_one_write(length: int) -> None:
    assert sent(b"command", [b"x" * length], 16384)[1] == (False, b"x" * length)


def test_more_pieces_than_a_system_call_takes() -> None:
    assert sent(b"command", [b"x"] * 5000, 16384) == [(True, b"command"), (False, b"x" * 5000)]


def test_the_last_fragment_waits_for_the_end_of_the_data() -> None:
    def pieces() -> Iterator[bytes]:
        yield bytes(1_000_000)
        raise ValueError("altered")

    with sender_of(16384) as (sender, found):
        with pytest.raises(ValueError, match="altered"):
            sender.send(1, b"command", pieces())
        assert not sender.handed_over
    assert found == [(True, b"command")]


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=8), st.data())
def test_what_one_call_left_over_is_sent_by_the_next(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    count = data.draw(st.integers(0, len(whole)))
    assert b"".join(_unsent(list(parts), count)) == whole[count:]
