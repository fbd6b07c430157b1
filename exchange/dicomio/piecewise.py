"""A read-only stream whose bytes are made piece by piece, as they are asked for."""

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class PiecewiseStream(io.RawIOBase):
    """Seekable, unbuffered; `read` gives all that was asked for unless the content ends.

    For one thread at a time. Who derives from it gives `_piece`.
    """

    def __init__(self, size: int) -> None:
        """Give a stream of so many bytes."""
        super().__init__()
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; a place behind the end is allowed and gives nothing."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("cannot seek before the start")
        self._position = start + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes, as many as asked for where there are so many."""
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        first = self._piece(wanted)
        if len(first) == wanted:
            return bytes(first)
        parts = [first]
        wanted -= len(first)
        while wanted:
            parts.append(self._piece(wanted))
            wanted -= len(parts[-1])
        return b"".join(parts)

    def readall(self) -> bytes:
        """Everything from here to the end."""
        return self.read()

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill a buffer, as far as the content reaches."""
        view = memoryview(buffer).cast("B")
        filled, wanted = 0, min(len(view), max(0, self._size - self._position))
        while filled < wanted:
            piece = self._piece(wanted - filled)
            view[filled : filled + len(piece)] = piece
            filled += len(piece)
        return filled

    def _piece(self, wanted: int) -> memoryview:
        """Bytes from the position on that lie together, and not more than these; moves behind them."""
        raise NotImplementedError
