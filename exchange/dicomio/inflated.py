"""A deflated data set (PS3.5 A.5) as a seekable stream in clear, without ever lying anywhere as a whole.

What is read forwards is inflated once; a step back begins at the start again. Memory is one piece, and
nothing is written: a temporary file would put identities on the disk in clear.
"""

import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from exchange.dicomio.limits import Limits
from exchange.dicomio.piecewise import PiecewiseStream
from exchange.dicomio.refusals import exceeded, not_dicom, truncated

_PIECE = 256 * 1024


def inflate(source: BinaryIO, start: int, limits: Limits) -> BinaryIO:
    """Inflate from here to the end of the deflate stream; the source must stay open meanwhile.

    Everything is inflated once at the beginning, to learn how long it is.

    Raises:
        InputError: `limit-exceeded`, `truncated`, or `not-dicom` for what is no deflate stream.
        OSError: The source cannot be read.
    """
    size = 0
    for piece in _pieces(source, start):
        size += len(piece)
        if size > limits.inflated_bytes:
            raise exceeded("the inflated data set, in bytes,", limits.inflated_bytes)
    return cast("BinaryIO", InflatedStream(source, start, size))


class InflatedStream(PiecewiseStream):
    """What a deflate stream holds."""

    def __init__(self, source: BinaryIO, start: int, size: int) -> None:
        """Give a stream of so many inflated bytes.

        Args:
            source: Where the deflate stream lies; not closed here.
            start: Its first byte.
            size: Length of what it holds, in bytes.
        """
        super().__init__(size)
        self._source = source
        self._start = start
        self._rewind()

    def close(self) -> None:
        """End it; the source stays open."""
        self._inflated = b""
        super().close()

    def _piece(self, wanted: int) -> memoryview:
        if self.closed:
            raise ValueError("cannot read: the stream is closed")
        if not wanted:
            return memoryview(b"")
        self._reach()
        at = self._position - self._base
        piece = memoryview(self._inflated)[at : at + wanted]
        self._position += len(piece)
        return piece

    def _reach(self) -> None:
        """Have the piece in which the position lies."""
        if self._position < self._base:
            self._rewind()
        while self._position >= self._base + len(self._inflated):
            self._base += len(self._inflated)
            try:
                self._inflated = next(self._coming)
            except StopIteration:
                raise truncated("it became shorter while it was read") from None

    def _rewind(self) -> None:
        self._coming = _pieces(self._source, self._start)
        self._inflated, self._base = b"", 0


def _pieces(source: BinaryIO, start: int) -> Iterator[bytes]:
    """What it holds, from its beginning, in pieces of at most 256 KiB."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    position = start
    while not inflater.eof:
        deflated = inflater.unconsumed_tail
        if not deflated:
            source.seek(position)
            deflated = source.read(_PIECE)
            position += len(deflated)
        try:
            piece = inflater.decompress(deflated, _PIECE)
        except zlib.error:
            raise not_dicom("its data set is no deflate stream") from None
        if not deflated and not piece:
            raise truncated("its deflate stream does not end")
        if piece:
            yield piece
