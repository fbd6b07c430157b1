"""Writing a sealed content: bytes of any size in, whole chunks out, nothing in clear on the disk."""

import os
from threading import Lock

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exchange.domain.instance import Hash
from exchange.spool.envelope import CHUNK, TAG, chunk_nonce
from exchange.spool.stream import Load, chunk_loader

_SPARE = 16


class Buffers:
    """Chunk buffers that are used again: fresh memory costs as much as the encryption."""

    def __init__(self) -> None:
        self._spare: list[tuple[bytearray, bytearray]] = []
        self._lock = Lock()

    def take(self) -> tuple[bytearray, bytearray]:
        """One for the bytes in clear, one for the sealed chunk."""
        with self._lock:
            if self._spare:
                return self._spare.pop()
        return bytearray(CHUNK), bytearray(CHUNK + TAG)

    def give_back(self, pair: tuple[bytearray, bytearray]) -> None:
        """Whoever took them needs them no longer."""
        with self._lock:
            if len(self._spare) < _SPARE:
                self._spare.append(pair)


class Sealer:
    """Seals what it is given into a file, chunk by chunk.

    A chunk is written once more follows it, because the last one is marked as such. Hashing, encryption and
    writing all release the interpreter's lock.

    Attributes:
        byte_count: Bytes taken so far.
    """

    def __init__(self, descriptor: int, offset: int, cipher: AESGCM, state: Hash, buffers: Buffers) -> None:
        """Start behind the header.

        Args:
            descriptor: Of the file; not closed here.
            offset: Where the first chunk goes.
            cipher: Of the chunks.
            state: Is fed everything in clear.
            buffers: Where chunk buffers come from.
        """
        self.byte_count = 0
        self._descriptor = descriptor
        self._offset = offset
        self._cipher = cipher
        self._state = state
        self._buffers = buffers
        self._pair: tuple[bytearray, bytearray] | None = buffers.take()
        self._clear, self._sealed = (memoryview(one) for one in self._pair)
        self._filled = 0
        self._index = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes; they may be changed by the caller afterwards.

        Raises:
            OSError: The disk failed.
        """
        view = memoryview(data)
        self.byte_count += len(view)
        while view:
            if self._filled == CHUNK:
                self._flush(self._clear, last=False)
                self._filled = 0
            if not self._filled and len(view) > CHUNK:
                self._flush(view[:CHUNK], last=False)
                view = view[CHUNK:]
                continue
            taken = min(CHUNK - self._filled, len(view))
            self._clear[self._filled : self._filled + taken] = view[:taken]
            self._filled += taken
            view = view[taken:]

    def finish(self) -> None:
        """Write the last chunk.

        Raises:
            OSError: The disk failed.
        """
        self._flush(self._clear[: self._filled], last=True)

    def close(self) -> None:
        """Give the buffers back; harmless twice."""
        pair, self._pair = self._pair, None
        if pair is not None:
            self._clear.release()
            self._sealed.release()
            self._buffers.give_back(pair)

    def loader(self) -> Load:
        """Chunks of what was written so far, in clear; valid until more is written."""
        flushed, tail = self._index, bytes(self._clear[: self._filled])
        # All chunks on the disk are full and none is the last: read as of a content that goes on.
        from_disk = chunk_loader(self._descriptor, self._cipher, self._offset, (flushed + 1) * CHUNK)

        def load(index: int) -> bytes | memoryview:
            return from_disk(index) if index < flushed else tail

        return load

    def _flush(self, clear: memoryview, *, last: bool) -> None:
        self._state.update(clear)
        sealed = self._sealed[: len(clear) + TAG]
        self._cipher.encrypt_into(chunk_nonce(self._index, last=last), clear, None, sealed)
        write_at(self._descriptor, sealed, self._offset + self._index * (CHUNK + TAG))
        self._index += 1


def write_at(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of it.

    Raises:
        OSError: The disk failed.
    """
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
