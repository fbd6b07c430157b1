"""Search many byte strings in a file of any size, in one pass, with bounded memory.

Pixel data makes up most of a study, so the search must cost the same for one identifier as for five thousand.
A pattern of six bytes, wherever it begins, covers a whole 16-bit word at one offset of every four. One table
look-up a word at those offsets discards almost everything without running Python code for it; look-ups of the
words beside it discard most of the rest; what is left is compared exactly. Memory is one block; cost is
linear in the bytes and independent of the number of patterns.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from redact.verify.walk import Buffer

MIN_LENGTH = 6
BLOCK = 1 << 18

_STRIDE = 4  # bytes: of a pattern's first five words, the one at an offset that this divides is looked up
_LOWER = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")
_Table = NDArray[np.uint8]


def fold(data: bytes) -> bytes:
    """ASCII letters in lower case; every other byte as it is."""
    return data.translate(_LOWER)


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A pattern found at `offset`; the repr shows no bytes of it."""

    offset: int
    pattern: bytes = field(repr=False)  # folded
    found: bytes = field(repr=False)  # as it stands in the file


class Hits:
    """The hits of one scan over one buffer, to be explained by the elements in which they lie."""

    def __init__(self, hits: Iterable[Hit]) -> None:
        self._hits = list(hits)
        self._offsets = [hit.offset for hit in self._hits]
        self._reach = list(accumulate((hit.offset + len(hit.pattern) for hit in self._hits), max))
        self._explained: set[int] = set()

    def __len__(self) -> int:
        return len(self._hits)

    def touch(self, start: int, end: int) -> bool:
        """Whether a hit has a byte in `[start, end)`."""
        before = bisect_left(self._offsets, end)
        return before > 0 and self._reach[before - 1] > start

    def explain(self, start: int, end: int) -> Iterator[Hit]:
        """The hits that lie wholly in `[start, end)`, which explains them."""
        for index in range(bisect_left(self._offsets, start), bisect_left(self._offsets, end)):
            if self._offsets[index] + len(self._hits[index].pattern) <= end:
                self._explained.add(index)
                yield self._hits[index]

    def unexplained(self) -> Iterator[Hit]:
        """The hits that nothing explained, in order of offset."""
        return (hit for index, hit in enumerate(self._hits) if index not in self._explained)


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
        by_prefix: dict[bytes, dict[int, set[bytes]]] = defaultdict(lambda: defaultdict(set))
        for pattern in folded:
            by_prefix[pattern[:MIN_LENGTH]][len(pattern)].add(pattern)
        self._by_prefix = {prefix: sorted(lengths.items()) for prefix, lengths in by_prefix.items()}
        # Of each word, at which of the offsets 0 to 3 of a pattern it lies, as bits; and of those beside it.
        self._here, self._before, self._after = _no_words(), _no_words(), _no_words()
        self._first, self._third = _no_words(), _no_words()
        for at in range(_STRIDE):
            _mark(self._here, by_prefix, at, 1 << at)
            if at + 4 <= MIN_LENGTH:
                _mark(self._after, by_prefix, at + 2, 1 << at)
            else:
                _mark(self._before, by_prefix, at - 2, 1 << at)
        _mark(self._first, by_prefix, 0, 1)
        _mark(self._third, by_prefix, 4, 1)

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
        overlap = self._longest + -self._longest % _STRIDE
        for base in range(start, stop, BLOCK):
            raw = bytes(buffer[base : min(base + BLOCK + overlap, stop)])
            yield from self._scan_block(raw, base)

    def _scan_block(self, raw: bytes, base: int) -> Iterator[Hit]:
        for offset in self._candidates(raw):
            if offset >= BLOCK:
                return  # the next block reports it
            for length, patterns in self._by_prefix.get(fold(raw[offset : offset + MIN_LENGTH]), ()):
                found = raw[offset : offset + length]
                folded = fold(found)
                if folded in patterns:
                    yield Hit(base + offset, folded, found)

    def _candidates(self, raw: bytes) -> list[int]:
        """Where a pattern may begin, in order; every place where one does is among them."""
        padded = raw + bytes(-len(raw) % _STRIDE)
        words = np.frombuffer(padded, dtype="<u2")
        may_be = self._here.take(words[::2])
        places = np.flatnonzero(may_be)
        before, after = words[2 * places - 1], words[2 * places + 1]
        may_be = may_be[places] & (self._before.take(before) | self._after.take(after))
        offsets = np.concatenate([places[(may_be & (1 << at)) != 0] * _STRIDE - at for at in range(_STRIDE)])
        offsets = offsets[(offsets >= 0) & (offsets <= len(raw) - MIN_LENGTH)]
        data = np.frombuffer(padded, dtype=np.uint8)
        for at, table in ((0, self._first), (4, self._third)):
            second = data[offsets + at + 1].astype(np.uint16)
            offsets = offsets[table.take(data[offsets + at] | second << 8) != 0]
        found: list[int] = np.sort(offsets).tolist()
        return found


def _no_words() -> _Table:
    return np.zeros(1 << 16, dtype=np.uint8)


def _mark(table: _Table, prefixes: Iterable[bytes], at: int, bit: int) -> None:
    """Note the words at this offset of the prefixes, in either case, as little endian numbers."""
    for word in {prefix[at : at + 2] for prefix in prefixes}:
        for first in {word[0], *word[:1].upper()}:
            for second in {word[1], *word[1:].upper()}:
                table[first | second << 8] |= bit
