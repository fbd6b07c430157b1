"""TLS before a plain loopback service (Orthanc's HTTP): mutual, by our own server context."""

import contextlib
import select
import socket
import ssl
import threading
from types import TracebackType
from typing import Self

from tests.support.ports import HOST


class TlsFront:
    """Terminates TLS and passes bytes on; a context manager.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, target_port: int, context: ssl.SSLContext) -> None:
        self._target_port = target_port
        self._context = context
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            client,
            socket.create_connection((HOST, self._target_port)) as plain,
        ):
            secured = self._context.wrap_socket(client, server_side=True)
            with secured:
                secured.do_handshake()
                _relay(secured, plain)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


def _relay(secured: ssl.SSLSocket, plain: socket.socket) -> None:
    """Pass bytes both ways in one thread: OpenSSL does not allow two on one connection."""
    while True:
        waiting = [secured] if secured.pending() else select.select([secured, plain], [], [])[0]
        for source, target in ((secured, plain), (plain, secured)):
            if source in waiting:
                piece = source.recv(65536)
                if not piece:
                    return
                target.sendall(piece)
