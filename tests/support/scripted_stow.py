"""A STOW-RS server that misbehaves as told: a real HTTP server with a script."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from types import TracebackType
from typing import Any, Self

from pydicom import dcmread  # noqa: TID251 - the stand-in partner is not the product

from tests.support.ports import HOST

# From the SOP Instance UIDs of a request to status, content type and body; None resets the connection.
Answer = tuple[int, str, bytes]
Script = Callable[[Sequence[str]], Answer | None]


def dicom_json(stored: Sequence[str], failed: dict[str, int] | None = None) -> bytes:
    """A store response in DICOM JSON."""
    answer: dict[str, Any] = {}
    if stored:
        items = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in stored]
        answer["00081199"] = {"vr": "SQ", "Value": items}
    if failed:
        answer["00081198"] = {
            "vr": "SQ",
            "Value": [
                {"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [reason]}}
                for uid, reason in failed.items()
            ],
        }
    return json.dumps(answer).encode()


def accept_all(uids: Sequence[str]) -> Answer:
    """What a well-behaved server answers."""
    return 200, "application/dicom+json", dicom_json(uids)


class ScriptedStow:
    """Keeps SHA-256 digests of received files by SOP Instance UID; a context manager.

    Attributes:
        url: Base URL.
        received: SOP Instance UID to the digests of each coming, in order.
        requests: The UIDs of each request.
        headers: The headers of each request.
    """

    def __init__(
        self,
        script: Script = accept_all,
        *,
        ssl_context: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare; `headers` go with every answer."""
        self.script = script
        self._more_headers = dict(headers or {})
        self.received: dict[str, list[str]] = {}
        self.requests: list[list[str]] = []
        self.headers: list[dict[str, str]] = []
        self._ssl_context = ssl_context
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self.url = ""

    def take(self, content_type: str, body: bytes) -> list[str]:
        """Split a multipart body and remember its parts."""
        boundary = content_type.rpartition("boundary=")[2].strip('"').encode()
        uids = []
        for part in body.split(b"--" + boundary)[1:-1]:
            file = part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
            uid = str(dcmread(BytesIO(file), stop_before_pixels=True).SOPInstanceUID)
            self.received.setdefault(uid, []).append(sha256(file).hexdigest())
            uids.append(uid)
        self.requests.append(uids)
        return uids

    def add_headers(self, handler: BaseHTTPRequestHandler) -> None:
        """Send the fields that go with every answer."""
        for name, value in self._more_headers.items():
            handler.send_header(name, value)

    def __enter__(self) -> Self:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                owner.headers.append(dict(self.headers.items()))
                self._answer((204, "", b""))

            def do_POST(self) -> None:
                owner.headers.append(dict(self.headers.items()))
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = owner.script(owner.take(self.headers["Content-Type"], body))
                if answer is None:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    self.close_connection = True
                else:
                    self._answer(answer)

            def _answer(self, answer: Answer) -> None:
                status, content_type, body = answer
                self.send_response(status)
                owner.add_headers(self)
                if content_type:
                    self.send_header("Content-Type", content_type)
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # broken connections are this server's purpose

        self._server = Server((HOST, 0), Handler)
        scheme = "http"
        if self._ssl_context is not None:
            scheme = "https"
            self._server.socket = self._ssl_context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{scheme}://{HOST}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()
