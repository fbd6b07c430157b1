"""fsck: derive everything anew from the leaves and name the first wrong thing. Linear, O(log n) memory.

For each generation: the checkpoint's signatures, each leaf's form and number, each hash of each tile, each
head of the second store, the root, and each private row that is still there against its commitment.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exchange.domain.errors import LogError
from exchange.keys.log import LogKeys
from exchange.log.checkpoint import Head, open_checkpoint
from exchange.log.heads import read_heads
from exchange.log.leaves import Leaf, parse
from exchange.log.merkle import EMPTY_ROOT, HASH_BYTES, Frontier, leaf_hash
from exchange.log.note import MAX_NOTE
from exchange.log.opening import CHECKPOINT, LogPlaces
from exchange.log.private import PrivateRows
from exchange.log.tiles import HEIGHT, WIDTH, Tiles, bundle_name, split_bundle, tile_name
from exchange.log.writer import PRIVATE_ROWS


@dataclass(frozen=True, slots=True)
class LogCheck:
    """What `fsck` found in one generation.

    Attributes:
        generation: Which.
        leaves: How many hold from the first on.
        root: Over them, in hex.
        place: Where the first wrong thing is, "" when nothing is wrong.
        problem: What is wrong with it.
    """

    generation: int
    leaves: int
    root: str
    place: str = ""
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.problem


class _Wrong(Exception):  # noqa: N818 - carried inside this module only
    def __init__(self, place: str, problem: str) -> None:
        super().__init__(place)
        self.place = place
        self.problem = problem


def fsck(places: LogPlaces, keys: LogKeys) -> list[LogCheck]:
    """Check every generation, oldest first. A writer may go on meanwhile: what it adds is passed over.

    Raises:
        LogError: There is no log.
    """
    found = places.generations
    if not found:
        raise LogError(f"cannot check the log {places.folder}: there is none", "has the daemon run yet?")
    rows = PrivateRows.read(places.folder / PRIVATE_ROWS, keys.private)
    try:
        return [_check(places, generation, keys, rows) for generation in found]
    finally:
        if rows is not None:
            rows.close()


def _check(places: LogPlaces, generation: int, keys: LogKeys, rows: PrivateRows | None) -> LogCheck:
    frontier = Frontier()
    walk = _Walk(Tiles(places.generation(generation)), frontier)
    try:
        head = _checkpoint(places.generation(generation), keys, generation)
        heads = _heads(places.heads, head)
        due = next(heads, None)
        for leaf in walk.leaves(head.size):
            if rows is not None and leaf.private:
                _private(rows, generation, leaf)
            while due is not None and due.size <= frontier.size:
                if due.size == frontier.size and due.root != frontier.root:
                    walk.compare_all()  # a tile may say more exactly which leaf it is
                    raise _Wrong("heads", f"the tree of {due.size} leaves was signed with another root")
                due = next(heads, None)
        if due is not None and due.size > head.size:
            raise _Wrong("heads", f"a tree of {due.size} leaves was signed, the checkpoint has {head.size}")
        if frontier.root != head.root:
            raise _Wrong(CHECKPOINT, "its root is not that of the leaves")
    except _Wrong as wrong:
        return LogCheck(generation, frontier.size, frontier.root.hex(), wrong.place, wrong.problem)
    return LogCheck(generation, frontier.size, frontier.root.hex())


def _checkpoint(folder: Path, keys: LogKeys, generation: int) -> Head:
    try:
        head = open_checkpoint(Tiles(folder).read(CHECKPOINT, MAX_NOTE + 1), keys)
    except LogError as error:
        raise _Wrong(CHECKPOINT, error.message) from error
    if head.origin != keys.origin(generation):
        raise _Wrong(CHECKPOINT, "it is of another log")
    return head


def _heads(path: Path, head: Head) -> Iterator[Head]:
    """The heads of this log, as they were signed; that of an empty tree is looked at here."""
    try:
        for one in read_heads(path):
            if one.origin == head.origin and one.size:
                yield one
            elif one.origin == head.origin and one.root != EMPTY_ROOT:
                raise _Wrong("heads", "an empty tree was signed with another root")
    except OSError as error:
        raise _Wrong("heads", f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _Wrong("heads", f"line {error} is damaged") from error


def _private(rows: PrivateRows, generation: int, leaf: Leaf) -> None:
    try:
        rows.reveal(generation, leaf.seq, leaf.private)
    except LogError as error:
        raise _Wrong(f"leaf {leaf.seq}", error.message) from error


class _Walk:
    """Through the bundles, with each tile compared when the last of its hashes is derived."""

    def __init__(self, tiles: Tiles, frontier: Frontier) -> None:
        self._tiles = tiles
        self._frontier = frontier
        self._derived: dict[int, bytearray] = {}

    def leaves(self, size: int) -> Iterator[Leaf]:
        """Each leaf, its hashes added to the frontier.

        Raises:
            _Wrong: The first leaf or tile that is.
        """
        for index in range(-(-size // WIDTH)):
            yield from self._bundle(index, min(size - index * WIDTH, WIDTH))
        self.compare_all()

    def compare_all(self) -> None:
        """Compare what was derived since the last full tiles.

        Raises:
            _Wrong: The first tile that differs.
        """
        for level, derived in self._derived.items():
            if derived:
                self._compare(level, (self._frontier.size >> HEIGHT * level) // WIDTH)

    def _bundle(self, index: int, count: int) -> Iterator[Leaf]:
        name = bundle_name(index)
        try:
            held = [leaf for leaf, _ in split_bundle(self._tiles.bundle(index))]
        except LogError as error:
            raise _Wrong(name, error.message) from error
        for data in held[:count]:
            seq = self._frontier.size
            try:
                leaf = parse(data)
            except LogError as error:
                raise _Wrong(f"leaf {seq}", error.message) from error
            if leaf.seq != seq:
                raise _Wrong(f"leaf {seq}", f"it says that it is leaf {leaf.seq}")
            self._add(seq, data)
            yield leaf
        if len(held) < count:
            raise _Wrong(name, f"it has {len(held)} leaves, {count} were signed")

    def _add(self, seq: int, data: bytes) -> None:
        for height, node in enumerate(self._frontier.push(leaf_hash(data))):
            if height % HEIGHT:
                continue
            level = height // HEIGHT
            derived = self._derived.setdefault(level, bytearray())
            derived += node
            if len(derived) == WIDTH * HASH_BYTES:
                self._compare(level, (seq >> height) // WIDTH)

    def _compare(self, level: int, index: int) -> None:
        name, derived = tile_name(level, index), self._derived[level]
        try:
            kept = self._tiles.read(name, WIDTH * HASH_BYTES)
        except LogError as error:
            raise _Wrong(name, error.message) from error
        if kept[: len(derived)] != derived:
            pairs = zip(derived, kept, strict=False)
            at = next((at for at, (one, other) in enumerate(pairs) if one != other), len(kept)) // HASH_BYTES
            raise _Wrong(name, f"hash {at} is not that of leaf {index * WIDTH + at}" if not level else
                         f"hash {at} is not that of the hashes below it")  # fmt: skip
        self._derived[level] = bytearray()
