"""uvicorn inside the daemon."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class EmbeddedServer(uvicorn.Server):
    """uvicorn whose signals are the daemon's, and which leaves no connection behind."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the daemon."""
        yield

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until `should_exit` or until cancelled; connections that are still open then are cut.

        An answer that its client does not read would otherwise be waited for without end: uvicorn takes the
        cancellation of a request for a fault of the application and tries to answer 500.
        """
        try:
            await super().serve(sockets)
        finally:
            for connection in list(self.server_state.connections):
                connection.transport.abort()
