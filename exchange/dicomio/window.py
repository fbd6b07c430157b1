"""A buffered view of a part of a file, for parsing by absolute offsets."""

from typing import BinaryIO

from exchange.dicomio.refusals import truncated

_BUFFER = 64 * 1024


class Window:
    """Reads small pieces of `[0, end)` of a stream by offset, through one buffer.

    Attributes:
        end: Offset behind the last byte that may be read.
    """

    def __init__(self, stream: BinaryIO, end: int) -> None:
        self.end = end
        self._stream = stream
        self._buffer = b""
        self._start = 0

    def take(self, offset: int, count: int) -> bytes:
        """Give exactly these bytes.

        Raises:
            InputError: `truncated`, they lie beyond the end.
        """
        if offset + count > self.end:
            raise truncated("it ends inside a data element")
        at = offset - self._start
        if at < 0 or at + count > len(self._buffer):
            self._fill(offset, count)
            at = 0
        piece = self._buffer[at : at + count]
        if len(piece) != count:
            raise truncated("it became shorter while it was read")
        return piece

    @property
    def held(self) -> tuple[bytes, int]:
        """The bytes at hand, which lie before `end`, and the offset of the first of them."""
        return self._buffer, self._start

    def only_zeros(self, offset: int) -> bool:
        """True when every byte from here to the end is zero."""
        while offset < self.end:
            count = min(_BUFFER, self.end - offset)
            if self.take(offset, count).count(0) != count:
                return False
            offset += count
        return True

    def _fill(self, offset: int, count: int) -> None:
        self._stream.seek(offset)
        self._buffer = self._stream.read(min(max(count, _BUFFER), self.end - offset))
        self._start = offset
