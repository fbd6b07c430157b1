"""A sealed content as a seekable stream in clear; no byte of a chunk is given before it is authenticated."""

import errno
import os
from collections.abc import Callable
from typing import BinaryIO, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exchange.dicomio.piecewise import PiecewiseStream
from exchange.spool.envelope import CHUNK, TAG, chunk_count, chunk_nonce

Load = Callable[[int], bytes | memoryview]


def changed() -> OSError:
    """What a reader is told when the bytes of a sealed file are not those that were sealed."""
    return OSError(errno.EBADMSG, "cannot read a sealed file: its bytes were changed")


class PlainStream(PiecewiseStream):
    """Meta, then content.

    One chunk is kept, so that reading forward opens each chunk once. For one thread at a time.
    """

    def __init__(self, meta: bytes, byte_count: int, load: Load, close: Callable[[], None]) -> None:
        """Give a stream of `meta`, then of the content.

        Args:
            meta: Bytes in clear before the content.
            byte_count: Length of the content.
            load: Gives the n-th chunk in clear; raises OSError.
            close: Called once at the end.
        """
        super().__init__(len(meta) + byte_count)
        self._meta = meta
        self._load = load
        self._on_close = close
        self._kept = -1
        self._chunk = memoryview(b"")

    def close(self) -> None:
        """End it."""
        if not self.closed:
            super().close()
            self._chunk = memoryview(b"")
            self._on_close()

    def _piece(self, wanted: int) -> memoryview:
        if self.closed:
            raise ValueError("cannot read: the stream is closed")
        if not wanted:
            return memoryview(b"")
        if self._position < len(self._meta):
            piece = memoryview(self._meta)[self._position : self._position + wanted]
        else:
            index, at = divmod(self._position - len(self._meta), CHUNK)
            if index != self._kept:
                self._chunk, self._kept = memoryview(self._load(index)), index
            piece = self._chunk[at : at + wanted]
            if not piece:
                raise changed()
        self._position += len(piece)
        return piece


def chunk_loader(descriptor: int, cipher: AESGCM, offset: int, byte_count: int) -> Load:
    """Read and open chunks of a finished file.

    Args:
        descriptor: Of the file; not closed here.
        cipher: Of its chunks.
        offset: Of the first chunk.
        byte_count: Length of the content.
    """
    count = chunk_count(byte_count)

    def load(index: int) -> bytes:
        last = index == count - 1
        length = (byte_count - index * CHUNK if last else CHUNK) + TAG
        sealed = os.pread(descriptor, length, offset + index * (CHUNK + TAG))
        if len(sealed) != length:
            raise changed()
        try:
            return cipher.decrypt(chunk_nonce(index, last=last), sealed, None)
        except InvalidTag:
            raise changed() from None

    return load


def as_binary(stream: PlainStream) -> BinaryIO:
    """The same object under the type that readers of files expect."""
    return cast("BinaryIO", stream)
