"""The HTTP servers inside the daemon end when they are told to, whatever their clients do."""

import asyncio
import socket
import threading

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from exchange.intake.embedded import EmbeddedServer

LARGE = 64 * 1024 * 1024
"""Bytes; more than the sockets of both sides hold."""
END_SECONDS = 20.0
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def serve_until_asked(listener: socket.socket) -> None:
    """As on SIGTERM: the server is cancelled while it answers, then whatever still runs in the loop."""
    asked = asyncio.Event()

    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        asked.set()  # from here on nobody else runs until the answer waits for its reader
        await send({"type": "http.response.body", "body": bytes(LARGE)})

    server = EmbeddedServer(uvicorn.Config(answer, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve([listener]))
    await asked.wait()
    serving.cancel()


@pytest.mark.parametrize("requests", [1, 3])
def test_an_answer_that_nobody_reads_does_not_hold_it_up(requests: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop = threading.Thread(target=lambda: asyncio.run(serve_until_asked(listener)), daemon=True)
        loop.start()
        with socket.create_connection(listener.getsockname()) as client:
            client.sendall(REQUEST * requests)
            loop.join(END_SECONDS)
            assert not loop.is_alive()
