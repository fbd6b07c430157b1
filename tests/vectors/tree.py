"""The Merkle tree of RFC 6962, 2.1, by its recursive definitions: slow, short, and not the writer's."""

from collections.abc import Sequence
from hashlib import sha256


def leaf_hash(leaf: bytes) -> bytes:
    """Of one leaf."""
    return sha256(b"\0" + leaf).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """MTH of leaf hashes."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = _split(len(hashes))
    return sha256(b"\1" + root(hashes[:split]) + root(hashes[split:])).digest()


def path(index: int, hashes: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n]): from the leaf up."""
    if len(hashes) == 1:
        return []
    split = _split(len(hashes))
    if index < split:
        return [*path(index, hashes[:split]), root(hashes[split:])]
    return [*path(index - split, hashes[split:]), root(hashes[:split])]


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
