"""C2SP tlog-tiles: where hashes and entries lie, and reading them.

Tile N of level L holds the hashes of the nodes of height 8·L from 256·N on; bundle N the leaves from 256·N
on. In the log's own folder each file grows at the path of the full tile, so that an append writes only what
is new; `export` cuts what is not full into partial tiles, as a web server has to offer them.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from exchange.domain.errors import LogError
from exchange.log.merkle import HASH_BYTES, node_hash

WIDTH = 256
HEIGHT = 8
MAX_LEAF = 65_535
_MAX_BUNDLE = WIDTH * (MAX_LEAF + 2)


def tile_name(level: int, index: int, width: int = WIDTH) -> str:
    """Path of a tile, relative to the log; a width below 256 names a partial one."""
    return f"tile/{level}/{_number(index)}{_partial(width)}"


def bundle_name(index: int, width: int = WIDTH) -> str:
    """Path of an entry bundle, relative to the log."""
    return f"tile/entries/{_number(index)}{_partial(width)}"


def _number(index: int) -> str:
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])


def _partial(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"


def entry(leaf: bytes) -> bytes:
    """A leaf as it stands in a bundle: its length as big-endian uint16, then its bytes.

    Raises:
        LogError: It is too long.
    """
    if len(leaf) > MAX_LEAF:
        raise LogError(f"cannot log an event: its leaf is longer than {MAX_LEAF} bytes")
    return len(leaf).to_bytes(2, "big") + leaf


def split_bundle(data: bytes) -> Iterator[tuple[bytes, int]]:
    """The whole leaves of a bundle, each with the offset of its end; an incomplete last one is left out."""
    at = 0
    while at + 2 <= len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data):
            return
        yield data[at + 2 : end], end
        at = end


def subtree(hashes: bytes) -> bytes:
    """The root of a perfect subtree, from its 2^k hashes."""
    row = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


class Tiles:
    """The files of one log, for reading; keeps the tiles of one proof only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cache: dict[str, bytes] = {}

    def node(self, height: int, index: int) -> bytes:
        """The hash of a perfect subtree.

        Raises:
            LogError: The tile cannot be read, or is too short.
        """
        level, above = divmod(height, HEIGHT)
        first = index << above
        name = tile_name(level, first // WIDTH)
        data = self._cache.get(name)
        if data is None:
            if len(self._cache) > WIDTH:
                self._cache.clear()
            data = self._cache[name] = self.read(name, WIDTH * HASH_BYTES)
        start = first % WIDTH * HASH_BYTES
        hashes = data[start : start + (HASH_BYTES << above)]
        if len(hashes) != HASH_BYTES << above:
            raise LogError(f"cannot read the log: {name} lacks hashes", "run `lockgate log fsck`")
        return subtree(hashes)

    def bundle(self, index: int) -> bytes:
        """The bytes of a bundle.

        Raises:
            LogError: It cannot be read.
        """
        return self.read(bundle_name(index), _MAX_BUNDLE)

    def leaves(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """The leaves from `start` to before `end`, each with its index.

        Raises:
            LogError: A bundle cannot be read or lacks leaves.
        """
        for index in range(start // WIDTH, -(-end // WIDTH)):
            number = index * WIDTH
            for leaf, _ in split_bundle(self.bundle(index)):
                if start <= number < end:
                    yield number, leaf
                number += 1
            if number < min(end, (index + 1) * WIDTH):
                raise LogError(
                    f"cannot read the log: {bundle_name(index)} lacks leaves", "run `lockgate log fsck`"
                )

    def read(self, name: str, most: int) -> bytes:
        """At most so many bytes of a file of the log; anew each time.

        Raises:
            LogError: It cannot be read.
        """
        try:
            descriptor = os.open(self.folder / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                # A read of more than there is would set that much memory aside.
                return file.read(min(most, os.fstat(descriptor).st_size))
        except OSError as error:
            raise LogError(
                f"cannot read the log: {name}: {error.strerror}", "run `lockgate log fsck`"
            ) from error
