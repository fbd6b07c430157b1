"""Socket options: set where the system has them, quiet where it has not."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.dimse import sockets
from exchange.dimse.association import _pdvs
from tests.support.ports import HOST


def test_tune_sets_nodelay_on_tcp() -> None:
    with (
        socket.create_server((HOST, 0)) as listener,
        socket.create_connection(listener.getsockname()) as sock,
    ):
        sockets.tune(sock)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_without_quickack_everything_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "QUICKACK", None)
    ours, theirs = socket.socketpair()  # not even TCP
    with ours, theirs:
        sockets.tune(ours)
        theirs.sendall(b"abcdef")
        assert sockets.receive(ours, 4) == b"abcd"
        theirs.close()
        assert sockets.receive(ours, 4) == b"ef"


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(min_size=1, max_size=40)), max_size=5))
def test_pdvs_are_read_as_they_were_written(items: list[tuple[int, bytes]]) -> None:
    data = b"".join(struct.pack(">LBB", len(value) + 2, 1, control) + value for control, value in items)
    assert list(_pdvs(data)) == items


@given(st.binary(max_size=64))
def test_any_pdv_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        list(_pdvs(data))
    except ConnectionAbortedError as error:
        refusal = str(error)
    else:
        refusal = "malformed"
    assert "malformed" in refusal
