"""Socket options: set where the system has them, quiet where it has not."""

import socket

import pytest

from exchange.dimse import sockets
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
