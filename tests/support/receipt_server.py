"""A partner's receipt endpoint: a real HTTPS server that answers as told and keeps what it took."""

import ssl
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from tests.support.ports import HOST


class ReceiptServer:
    """A context manager.

    Attributes:
        status: Answered to every POST; None drops the connection.
        taken: Name to bundle, of what was answered with success.
        asked: Names in the order of the requests, answered well or not.
        headers: Of each request.
    """

    def __init__(self, context: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.status: int | None = 201
        self.taken: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer((HOST, port), handler)
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if context else "http"
        self.port = self._server.server_address[1]
        self.url = f"{scheme}://{HOST}:{self.port}/receipts"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    owner: ReceiptServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.headers["Content-Disposition"].partition('filename="')[2].rstrip('"')
        owner = self.owner
        owner.asked.append(name)
        owner.headers.append(dict(self.headers))
        if owner.status is None:
            self.connection.close()
            return
        if owner.status < 300:
            owner.taken[name] = body
        self.send_response(owner.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""
