"""A batch: the leaves of one commit, and what they add to each file, before anything is written."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from exchange.log.events import Event
from exchange.log.leaves import compose
from exchange.log.merkle import Frontier, leaf_hash
from exchange.log.tiles import HEIGHT, WIDTH, bundle_name, entry, tile_name

Seal = Callable[[int, Mapping[str, str]], tuple[str, bytes]]
"""Seals the private part of a leaf: its commitment and its row."""


@dataclass(frozen=True, slots=True)
class LeafRef:
    """Where an event stands: its number (from 0) and the hash of its leaf, in hex; -1 before the first."""

    seq: int
    hash: str


@dataclass(slots=True)
class Batch:
    """What one commit writes.

    Attributes:
        frontier: The tree with the batch in it.
        last: Its last leaf.
        entries, tiles: Bytes to add, by the name of their file, in order.
        rows: Private rows, by leaf.
    """

    frontier: Frontier
    last: LeafRef
    entries: dict[str, bytearray] = field(default_factory=dict)
    tiles: dict[str, bytearray] = field(default_factory=dict)
    rows: dict[int, bytes] = field(default_factory=dict)

    def add(self, events: Iterable[Event], now: str, seal: Seal) -> tuple[LeafRef, ...]:
        """Append events in this order.

        Raises:
            LogError: One does not fit into a leaf.
        """
        refs = []
        for event in events:
            seq, commitment = self.frontier.size, ""
            if event.private:
                commitment, self.rows[seq] = seal(seq, event.private)
            leaf = compose(event, seq, now, commitment)
            self.entries.setdefault(bundle_name(seq // WIDTH), bytearray()).extend(entry(leaf))
            for height, node in enumerate(self.frontier.push(leaf_hash(leaf))):
                if not height % HEIGHT:
                    name = tile_name(height // HEIGHT, (seq >> height) // WIDTH)
                    self.tiles.setdefault(name, bytearray()).extend(node)
            self.last = LeafRef(seq, leaf_hash(leaf).hex())
            refs.append(self.last)
        return tuple(refs)
