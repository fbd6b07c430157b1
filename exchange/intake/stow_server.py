"""The HTTP side of the STOW-RS server: uvicorn, our TLS, and clocks on what a client may keep open."""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from exchange.intake.embedded import EmbeddedServer
from exchange.intake.stow_app import CERTIFICATE

HEAD_BYTES = 32 * 1024
HEAD_SECONDS = 20.0
_KEEP_ALIVE_SECONDS = 15
_BACKLOG = 128


class StowProtocol(H11Protocol):
    """HTTP/1.1 with the client's certificate in the request's state, and a clock on everything but bodies.

    Outside a request that is being served a connection has `HEAD_SECONDS`: for its first head, for the next
    one, and for the rest of a body that was refused unread (it is passed over, so that the client gets to
    read the answer instead of a reset).
    """

    head_seconds = HEAD_SECONDS
    connections_max = 512

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember who the handshake showed."""
        super().connection_made(transport)
        connection: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        certificate = connection.getpeercert(binary_form=True) if connection is not None else None
        self.app_state = {**self.app_state, CERTIFICATE: certificate or b""}
        if len(self.connections) > self.connections_max:
            transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clock."""
        super().connection_lost(exc)
        self._stop_clock()

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_clock()
        elif self._clock is None and not self.transport.is_closing():
            self._clock = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None


@dataclass(frozen=True, slots=True)
class StowListener:
    """Where the server listens.

    Attributes:
        host: Address to bind.
        port: 0 for any free one.
        tls: Server context, or None for plain HTTP.
        grace_seconds: For requests that are being served when the server is told to stop.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    grace_seconds: float = 5.0

    def bind(self) -> socket.socket:
        """The listening socket; for `EmbeddedServer.serve([…])`.

        Raises:
            OSError: The port cannot be bound.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        return socket.create_server((self.host, self.port), family=family, backlog=_BACKLOG)


def stow_server(app: Starlette, listener: StowListener) -> EmbeddedServer:
    """A server for `app`; it serves when given the bound socket, and ends when `should_exit` is set."""
    config = uvicorn.Config(
        app,
        http=StowProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,  # who called is what the connection says
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(listener.grace_seconds)),
        backlog=_BACKLOG,
    )
    config.load()
    config.ssl = listener.tls
    return EmbeddedServer(config)
