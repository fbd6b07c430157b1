"""The Merkle tree of RFC 6962 (RFC 9162, section 2.1) over SHA-256: hashes, roots, proofs and their checks.

A node is named by its height (0: leaves) and its index among the nodes of that height; a perfect subtree of
2^height leaves begins at leaf index * 2^height. Whoever keeps the hashes gives them by a `Nodes` function.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()

Nodes = Callable[[int, int], bytes]
"""The hash of a perfect subtree, by height and index."""


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 9162, 2.1.1: SHA-256(0x00 ‖ leaf)."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 9162, 2.1.1: SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that only grows, by the hashes of its perfect subtrees from left to right: O(log n) memory."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """Use `frontier_of` for a tree that is there already."""
        self.size = size
        self._hashes = list(hashes)

    def copy(self) -> "Frontier":
        """One of its own, that may grow another way."""
        return Frontier(self.size, self._hashes)

    def push(self, leaf: bytes) -> list[bytes]:
        """Append a leaf's hash; the nodes that this completes, by height."""
        completed, index = [leaf], self.size
        while index & 1:
            completed.append(node_hash(self._hashes.pop(), completed[-1]))
            index >>= 1
        self._hashes.append(completed[-1])
        self.size += 1
        return completed

    @property
    def root(self) -> bytes:
        """RFC 9162, 2.1.1: the Merkle tree hash."""
        if not self._hashes:
            return EMPTY_ROOT
        current = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            current = node_hash(left, current)
        return current


def frontier_of(nodes: Nodes, size: int) -> Frontier:
    """The frontier of a tree whose hashes are kept."""
    found, start = [], 0
    for height in reversed(range(size.bit_length())):
        if size >> height & 1:
            found.append(nodes(height, start >> height))
            start += 1 << height
    return Frontier(size, found)


def root_of(nodes: Nodes, size: int) -> bytes:
    """The root over the first `size` leaves."""
    return frontier_of(nodes, size).root


def inclusion_proof(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """RFC 9162, 2.1.3.1: the audit path of leaf `index` in the tree of `size` leaves, from the leaf up.

    Raises:
        ValueError: There is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError("no such leaf")
    path, low, high = [], 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range(nodes, middle, high))
            high = middle
        else:
            path.append(_range(nodes, low, middle))
            low = middle
    return path[::-1]


def consistency_proof(nodes: Nodes, old: int, new: int) -> list[bytes]:
    """RFC 9162, 2.1.4.1: that the tree of `new` leaves begins with that of `old`.

    Raises:
        ValueError: Not 0 < old <= new.
    """
    if not 0 < old <= new:
        raise ValueError("no such trees")
    path, low, high, known = [], 0, new, True
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(_range(nodes, middle, high))
            high = middle
        else:
            path.append(_range(nodes, low, middle))
            low, known = middle, False
    if not known:
        path.append(_range(nodes, low, high))
    return path[::-1]


def includes(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162, 2.1.3.2: whether the path leads from this leaf hash to this root."""
    if not 0 <= index < size:
        return False
    first, last, current = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if first & 1 or first == last:
            current = node_hash(sibling, current)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and current == root


def extends(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """RFC 9162, 2.1.4.2: whether the path shows that the new tree begins with the old one.

    Every tree begins with the empty one, with an empty path.
    """
    if old == 0:
        return not path and old_root == EMPTY_ROOT
    if old == new:
        return not path and old_root == new_root
    if not 0 < old < new:
        return False
    hashes = list(path) if old & (old - 1) else [old_root, *path]
    if not hashes:
        return False
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    before = after = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _range(nodes: Nodes, low: int, high: int) -> bytes:
    """The hash over leaves low..high, where low is a multiple of the power of two above its length."""
    hashes, start = [], low
    for height in reversed(range((high - low).bit_length())):
        if (high - low) >> height & 1:
            hashes.append(nodes(height, start >> height))
            start += 1 << height
    current = hashes[-1]
    for left in reversed(hashes[:-1]):
        current = node_hash(left, current)
    return current
