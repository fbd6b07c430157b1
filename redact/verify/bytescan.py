"""Search many byte strings in a file of any size, in one pass, with bounded memory.

Pixel data makes up most of a study, so the search must cost the same for one identifier as for five thousand.
Three table look-ups over 16-bit words discard almost every offset without running Python code for it; what
is left is compared exactly. Memory is one block; cost is linear in the bytes and independent of the number
of patterns.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from redact.verify.walk import Buffer

MIN_LENGTH = 6
BLOCK = 1 << 20

_LOWER = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")


def fold(data: bytes) -> bytes:
    """ASCII letters in lower case; every other byte as it is."""
    return data.translate(_LOWER)


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A pattern found at `offset`; the repr shows no bytes of it."""

    offset: int
    pattern: bytes = field(repr=False)  # folded
    found: bytes = field(repr=False)  # as it stands in the file


class BytePatterns:
    """Byte patterns of at least `MIN_LENGTH` bytes each, compiled; ASCII case does not matter."""

    def __init__(self, patterns: Iterable[bytes]) -> None:
        folded = {fold(pattern) for pattern in patterns}
        if any(len(pattern) < MIN_LENGTH for pattern in folded):
            raise ValueError(
                f"cannot search patterns shorter than {MIN_LENGTH} bytes; leave them to the text scan"
            )
        self._count = len(folded)
        self._longest = max((len(pattern) for pattern in folded), default=0)
        self._by_prefix: dict[bytes, dict[int, set[bytes]]] = defaultdict(lambda: defaultdict(set))
        self._tables = [np.zeros(1 << 16, dtype=np.bool_) for _ in range(3)]
        for pattern in folded:
            self._by_prefix[pattern[:MIN_LENGTH]][len(pattern)].add(pattern)
            for word, table in enumerate(self._tables):
                table[pattern[2 * word] | pattern[2 * word + 1] << 8] = True

    def __len__(self) -> int:
        return self._count

    def scan(self, buffer: Buffer, start: int = 0, end: int | None = None) -> Iterator[Hit]:
        """Every occurrence in `buffer[start:end]`, in order of offset.

        Args:
            buffer: Bytes, or a memory map of the file.
            start: First offset that is searched.
            end: Offset after the last byte that is searched; the buffer's end by default.
        """
        stop = len(buffer) if end is None else end
        if not self._count:
            return
        overlap = self._longest - 1
        for base in range(start, stop, BLOCK):
            raw = bytes(buffer[base : min(base + BLOCK + overlap, stop)])
            yield from self._scan_block(raw, base)

    def _scan_block(self, raw: bytes, base: int) -> Iterator[Hit]:
        folded = fold(raw)
        for offset in self._candidates(folded):
            if offset >= BLOCK:
                return  # the next block reports it
            lengths = self._by_prefix.get(folded[offset : offset + MIN_LENGTH])
            for length, patterns in sorted(lengths.items()) if lengths else ():
                piece = folded[offset : offset + length]
                if piece in patterns:
                    yield Hit(base + offset, piece, raw[offset : offset + length])

    def _candidates(self, folded: bytes) -> list[int]:
        if len(folded) < MIN_LENGTH:
            return []
        data = np.frombuffer(folded, dtype=np.uint8)
        words: NDArray[np.uint16] = data[:-1].astype(np.uint16)
        words |= data[1:].astype(np.uint16) << 8
        offsets = np.flatnonzero(self._tables[0][words[:-4]])
        offsets = offsets[self._tables[1][words[offsets + 2]]]
        offsets = offsets[self._tables[2][words[offsets + 4]]]
        found: list[int] = offsets.tolist()
        return found
