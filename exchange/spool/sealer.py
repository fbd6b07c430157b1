"""Writing a sealed content: bytes of any size in, whole chunks out, nothing in clear on the disk."""

import os
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exchange.domain.instance import Hash
from exchange.spool.envelope import CHUNK, TAG, chunk_nonce
from exchange.spool.stream import Load, chunk_loader

_SPARE = 16


@dataclass(frozen=True, slots=True)
class ChunkBuffers:
    """What one sealer works in.

    Attributes:
        first: The first chunk in clear: the header of the data set, which is looked at before `commit`.
        clear: The current chunk in clear, once it is not the first.
        sealed: A sealed chunk.
    """

    first: bytearray = field(default_factory=lambda: bytearray(CHUNK), repr=False)
    clear: bytearray = field(default_factory=lambda: bytearray(CHUNK), repr=False)
    sealed: bytearray = field(default_factory=lambda: bytearray(CHUNK + TAG), repr=False)


class Buffers:
    """Chunk buffers that are used again: fresh memory costs as much as the encryption."""

    def __init__(self) -> None:
        self._spare: list[ChunkBuffers] = []

    def take(self) -> ChunkBuffers:
        """Some that nobody uses."""
        try:
            return self._spare.pop()
        except IndexError:
            return ChunkBuffers()

    def give_back(self, buffers: ChunkBuffers) -> None:
        """Whoever took them needs them no longer."""
        if len(self._spare) < _SPARE:
            self._spare.append(buffers)


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
        self._taken: ChunkBuffers | None = buffers.take()
        self._first = self._clear = memoryview(self._taken.first)
        self._sealed = memoryview(self._taken.sealed)
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
                self._leave_first()
            if self._index and not self._filled and len(view) > CHUNK:
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
        taken, self._taken = self._taken, None
        if taken is not None:
            for view in (self._first, self._clear, self._sealed):
                view.release()
            self._buffers.give_back(taken)

    def loader(self) -> Load:
        """Chunks of what was written so far, in clear; valid until more is written or it is closed.

        The first one is at hand: looking at a header costs no reading and no decryption.
        """
        flushed, tail = self._index, bytes(self._clear[: self._filled])
        # All chunks on the disk are full and none is the last: read as of a content that goes on.
        from_disk = chunk_loader(self._descriptor, self._cipher, self._offset, (flushed + 1) * CHUNK)

        def load(index: int) -> bytes | memoryview:
            if index >= flushed:
                return tail
            # A released view raises: nobody reads what another writer puts there later.
            return from_disk(index) if index else self._first.toreadonly()

        return load

    def _leave_first(self) -> None:
        """The first chunk stays where it is; all others share one buffer."""
        if self._clear is self._first and self._taken is not None:
            self._clear = memoryview(self._taken.clear)

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
