"""Socket options that keep DIMSE fast and bounded, for our own sockets and pynetdicom's.

DCMTK-based peers write a response in two pieces with Nagle on; our kernel's delayed ACK then holds every
response for 40-50 ms. TCP_NODELAY on our side alone changes nothing; re-arming TCP_QUICKACK before and after
each recv cures it without touching the peer. The kernel drops out of quick-ACK mode by itself, hence the
re-arming. Linux only: elsewhere nothing happens.

For pynetdicom bind one handler, in either role:

    evt_handlers=[(evt.EVT_CONN_OPEN, sockets.tune_association)]
"""

import contextlib
import socket
from typing import Any

QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
LARGEST_PDU = 16 * 1024 * 1024  # bytes; no peer has reason to send more, and pynetdicom would buffer 4 GiB
_READ_SIZE = 256 * 1024


def arm_quickack(sock: socket.socket) -> None:
    """Ask the kernel to acknowledge at once; quietly nothing where it cannot."""
    if QUICKACK is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)


def tune(sock: socket.socket) -> None:
    """Set TCP_NODELAY and TCP_QUICKACK; quietly nothing on a socket that has neither."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    arm_quickack(sock)


def receive_into(sock: socket.socket, view: memoryview, flags: int = 0) -> int:
    """One recv with QUICKACK re-armed on both sides of it.

    Args:
        sock: Connected; no flags with TLS.
        view: Where to, at most.
        flags: As of `socket.recv`.

    Returns:
        Bytes received, 0 at the end of the stream.
    """
    arm_quickack(sock)
    count = sock.recv_into(view, 0, flags)
    arm_quickack(sock)
    return count


def receive(sock: socket.socket, count: int) -> bytearray:
    """Read up to `count` bytes, fewer only at the end of the stream.

    Raises:
        OSError: The connection broke, timed out, or `count` is beyond `LARGEST_PDU`.
    """
    if count > LARGEST_PDU:
        raise OSError("cannot read this PDU: its length is beyond the limit")
    # Grown as bytes come: an announced length alone makes nobody allocate 16 MiB.
    data = bytearray()
    chunk = memoryview(bytearray(min(count, _READ_SIZE)))
    while len(data) < count:
        received = receive_into(sock, chunk[: count - len(data)])
        if not received:
            break
        data += chunk[:received]
    return data


def tune_association(event: Any) -> None:
    """Handler of pynetdicom's EVT_CONN_OPEN: tune that association's socket, in both roles.

    pynetdicom reads through `AssociationSocket.recv`, one instance for each association and no subclass hook;
    the instance's method is replaced here, the only place that does. The new one re-arms QUICKACK, reads in
    large pieces instead of 4096 bytes, and caps the PDU length (pynetdicom does not).
    """
    association_socket = event.assoc.dul.socket
    if association_socket is None or association_socket.socket is None:
        return
    tune(association_socket.socket)

    def receive_tuned(count: int) -> bytearray:
        sock = association_socket.socket
        if sock is None:
            raise OSError("cannot read: the association is closed")
        return receive(sock, count)

    association_socket.recv = receive_tuned
