"""One connection with its timers, as acceptor or requestor: plain TCP or TLS, tuned as every DICOM socket is.

A plain socket is left blocking, with the kernel's own receive timeout: Python's timeouts cost a poll, and so
one more giving away of the interpreter, at each read.
"""

import contextlib
import select
import socket
import ssl
import struct
import time
from hashlib import sha256
from typing import TypeAlias

from exchange.dimse import sockets

Part: TypeAlias = bytes | memoryview

_WORTH_WAITING = 16 * 1024  # bytes: more than this is waited for in one piece
_DRAIN = 64 * 1024
_IOV_MAX = 1024  # parts of one system call (Linux)


class Wire:
    """Reads and writes of one connection.

    Attributes:
        address: IP address of the peer.
        certificate_sha256: Fingerprint of the peer's certificate, "" without TLS.
    """

    def __init__(self, connection: socket.socket, address: str) -> None:
        self.address = address
        self.certificate_sha256 = ""
        self._socket = connection
        self._deadline: float | None = None
        self._seconds = 0.0
        sockets.tune(connection)

    def secure(self, context: ssl.SSLContext, seconds: float) -> None:
        """Shake hands as a TLS server.

        Args:
            context: Demands the client's certificate.
            seconds: For the whole handshake.

        Raises:
            OSError: It failed (`ssl.SSLError`), broke or took too long.
        """
        self._socket.settimeout(seconds)
        secured = context.wrap_socket(self._socket, server_side=True, do_handshake_on_connect=False)
        self._socket = secured
        secured.do_handshake()
        certificate = secured.getpeercert(binary_form=True)
        self.certificate_sha256 = sha256(certificate).hexdigest() if certificate else ""

    def expect_within(self, seconds: float) -> None:
        """From now on everything must have come within so many seconds (ARTIM)."""
        self._deadline = time.monotonic() + seconds

    def allow_silence(self, seconds: float) -> None:
        """From now on each read, and each write, may wait so many seconds."""
        self._deadline = None
        self._set_timeout(seconds)

    def receive(self, view: memoryview, certain: int) -> int:
        """Read into the start of a buffer (for `PduReader`).

        Args:
            view: Where to.
            certain: So many bytes will come if the peer is well; they may be waited for in one go.

        Returns:
            How many bytes came, 0 at the end of the stream.

        Raises:
            TimeoutError: The peer was silent for too long.
            OSError: The connection broke.
        """
        if self._deadline is not None:
            remaining = self._deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError
            self._set_timeout(remaining)
        try:
            if certain > _WORTH_WAITING and not isinstance(self._socket, ssl.SSLSocket):
                return sockets.receive_into(self._socket, view[:certain], socket.MSG_WAITALL)
            return sockets.receive_into(self._socket, view)
        except BlockingIOError as error:
            raise TimeoutError from error

    def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            TimeoutError: The peer does not take it.
            OSError: The connection broke.
        """
        try:
            self._socket.sendall(data)
        except BlockingIOError as error:
            raise TimeoutError from error

    def send_parts(self, parts: list[Part]) -> None:
        """Send all of these, neither joined nor copied where the system can (with TLS it cannot).

        What the peer answers is acknowledged at once even while nobody reads it yet.

        Raises:
            TimeoutError: The peer does not take it.
            OSError: The connection broke.
        """
        if isinstance(self._socket, ssl.SSLSocket):
            self._socket.sendall(b"".join(parts))
        else:
            try:
                while parts:
                    parts = _unsent(parts, self._socket.sendmsg(parts[:_IOV_MAX]))
            except BlockingIOError as error:
                raise TimeoutError from error
        sockets.arm_quickack(self._socket)

    def readable(self, seconds: float) -> bool:
        """Whether something can be read, now or within so many seconds."""
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def wake(self) -> None:
        """End the reading side, from any thread: a waiting read returns as if the peer had closed."""
        with contextlib.suppress(OSError):
            # The plain socket's own: that of an SSLSocket takes TLS off, under the reader's feet.
            socket.socket.shutdown(self._socket, socket.SHUT_RD)

    def close(self, seconds: float = 0.0) -> None:
        """Close; with a time, only after the peer closed or that time is over (PS3.8 9.2, Sta13).

        A connection that is closed with unread bytes is reset, and the reset takes our last words along.
        """
        try:
            if seconds > 0:
                self.expect_within(seconds)
                socket.socket.shutdown(self._socket, socket.SHUT_WR)
                rest = memoryview(bytearray(_DRAIN))
                while self.receive(rest, 0):
                    pass
        except OSError:
            pass
        finally:
            self._socket.close()

    def _set_timeout(self, seconds: float) -> None:
        if seconds == self._seconds:
            return
        self._seconds = seconds
        if isinstance(self._socket, ssl.SSLSocket):
            self._socket.settimeout(seconds)
            return
        self._socket.setblocking(True)
        whole, part = divmod(max(int(seconds * 1_000_000), 1), 1_000_000)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", whole, part))


def _unsent(parts: list[Part], sent: int) -> list[Part]:
    """What is left of these parts after so many bytes."""
    for index, part in enumerate(parts):
        if sent < len(part):
            return [memoryview(part)[sent:], *parts[index + 1 :]]
        sent -= len(part)
    return []
