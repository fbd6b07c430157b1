"""From the event loop to a thread: the chunks of one body, in order, and only so many of them waiting.

The loop's side never blocks, the thread's side always may.
"""

import asyncio
from collections.abc import Iterator
from queue import SimpleQueue

WAITING_MAX = 1024 * 1024  # bytes


class BodyCutError(Exception):
    """The body will not come to its end: the client is gone, silent, or sends too much."""


class BodyPipe:
    """One body on its way to the thread that reads it. Made on the loop."""

    def __init__(self, waiting_max: int = WAITING_MAX) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting_max = waiting_max
        self._chunks: SimpleQueue[bytes | None] = SimpleQueue()
        self._room = asyncio.Event()
        self._put = 0  # bytes, written on the loop only
        self._taken = 0  # bytes, written by the thread only
        self._wanted = False
        self._whole = False

    async def put(self, chunk: bytes) -> None:
        """Hand over the next bytes; waits on the loop until the reader has kept up."""
        self._put += len(chunk)
        self._chunks.put(chunk)
        while self._put - self._taken > self._waiting_max:
            self._room.clear()
            self._wanted = True
            # Looked at once more after the wish was left: the reader may have taken it all in between.
            if self._put - self._taken > self._waiting_max:
                await self._room.wait()
            self._wanted = False

    def close(self, *, whole: bool) -> None:
        """Nothing more follows; `whole` when the body came to its end. Further calls change nothing."""
        self._whole = self._whole or whole
        self._chunks.put(None)

    def __iter__(self) -> Iterator[bytes]:
        """The chunks, in the reader's thread.

        Raises:
            BodyCutError: The body was cut.
        """
        while (chunk := self._chunks.get()) is not None:
            yield chunk
            self._taken += len(chunk)
            if self._wanted and self._put - self._taken <= self._waiting_max // 2:
                self._loop.call_soon_threadsafe(self._room.set)
        if not self._whole:
            raise BodyCutError
