"""Opening a log: is what lies on the disk what was signed last? If not, it is left aside and a new one begun.

Two stores say what was signed: the checkpoint in the log's folder and the last head of the second store. The
hashes on the disk must lead to both. More leaves than were signed are what a crash leaves, and are cut off;
fewer, or others, are a rollback, a restored snapshot or a lost tail: such a log is never signed again.
"""

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path

from exchange.domain.errors import LogError
from exchange.keys.log import LogKeys
from exchange.log.checkpoint import Head, open_checkpoint
from exchange.log.events import Event, EventKind, Outcome
from exchange.log.leaves import parse
from exchange.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    extends,
    frontier_of,
    leaf_hash,
    root_of,
)
from exchange.log.note import MAX_NOTE
from exchange.log.tiles import WIDTH, Tiles, bundle_name, split_bundle

CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class LogPlaces:
    """Where a log lies.

    Attributes:
        folder: Of the log; each generation has a folder of its own in it, named by its number.
        heads: The second store; not in `folder`.
        journal: The journal of an older version, sealed into the first leaf where it is there.
    """

    folder: Path
    heads: Path
    journal: Path | None = None

    def generation(self, number: int) -> Path:
        """Folder of a generation, laid out as C2SP tlog-tiles."""
        return self.folder / str(number)

    @property
    def generations(self) -> list[int]:
        """Those that are there, oldest first."""
        if not self.folder.is_dir():
            return []
        found = (path.name for path in self.folder.iterdir() if path.is_dir())
        return sorted(int(name) for name in found if name.isascii() and name.isdigit())


@dataclass(slots=True)
class Found:
    """What a writer goes on with.

    Attributes:
        generation: Of the log.
        frontier: The tree so far.
        tail: Bytes of the last bundle that count.
        cut: Bytes of leaves that were never signed.
        say: What is to be logged first.
    """

    generation: int
    frontier: Frontier = field(default_factory=Frontier)
    tail: int = 0
    cut: int = 0
    say: list[Event] = field(default_factory=list)


class Lost(Exception):  # noqa: N818 - what became of the log
    """The log on the disk is not the one that was signed; `code` says how, `size` how much of it is there."""

    def __init__(self, code: str, size: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.size = size


def find(places: LogPlaces, keys: LogKeys, remembered: Head | None) -> Found:
    """Decide which generation to continue, or which to begin.

    Args:
        places: Where the log lies.
        keys: Its keys.
        remembered: The last head of the second store.

    Raises:
        LogError: The disk cannot be read: that is no loss yet, and nothing is begun anew.
    """
    newest = max(places.generations, default=0)
    mine = remembered is not None and generation_of(remembered.origin, keys)
    if not newest and remembered is None:
        return Found(1)
    number = max(newest, mine or 0) or 1
    try:
        if remembered is not None and not mine:
            raise Lost("other-key")
        if remembered is not None and number > newest and remembered.size:
            raise Lost("log-gone")
        signed = read_checkpoint(places.generation(number), keys, keys.origin(number))
        found = _continue(places.generation(number), number, signed, remembered if mine == number else None)
    except Lost as lost:
        old = remembered or Head(keys.origin(number), 0, EMPTY_ROOT)
        return Found(number + 1, say=_recovered(lost, old, number))
    if mine != number and found.frontier.size:
        found.say.append(Event(EventKind.ALERT, {"code": "log-heads-lost"}, Outcome.FAILED))
    return found


def generation_of(origin: str, keys: LogKeys) -> int:
    """The generation that an origin of these keys names; 0 for an origin of other keys."""
    base, _, number = origin.rpartition("/")
    ours = number.isascii() and number.isdigit() and f"{base}/" == keys.origin(0)[:-1]
    return int(number) if ours else 0


def read_checkpoint(folder: Path, keys: LogKeys, origin: str) -> Head | None:
    """The head that the checkpoint of a generation states; None where there is no sound one.

    Raises:
        LogError: It is there and cannot be read.
    """
    path = folder / CHECKPOINT
    try:
        with path.open("rb") as file:
            head = open_checkpoint(file.read(MAX_NOTE + 1), keys)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LogError(f"cannot read the log's {path}: {error.strerror}", "check the disk") from error
    except LogError:
        return None
    return head if head.origin == origin else None


def check_extension(tiles: Tiles, old: Head, new: Head) -> bool:
    """Whether the hashes on the disk show that one head follows from another."""
    if old.size in (0, new.size):
        return extends(old.size, old.root, new.size, new.root, [])
    if old.size > new.size:
        return False
    proof = consistency_proof(tiles.node, old.size, new.size)
    return extends(old.size, old.root, new.size, new.root, proof)


def _continue(folder: Path, number: int, signed: Head | None, remembered: Head | None) -> Found:
    heads = [head for head in (signed, remembered) if head is not None]
    if not heads:
        # Only the first generation signs an empty tree; a later one begins with what it says of the loss.
        if number > 1 or (folder / "tile").exists():
            raise Lost("unsigned")
        return Found(number)
    newest = max(heads, key=lambda head: head.size)
    tiles = Tiles(folder)
    try:
        for head in heads:
            if not check_extension(tiles, head, newest):
                raise Lost("fork", newest.size)
        if root_of(tiles.node, newest.size) != newest.root:
            raise Lost("root", newest.size)
        tail = check_edge(tiles, newest.size)
        frontier = frontier_of(tiles.node, newest.size)
    except LogError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR):
            raise
        raise Lost("short", signed.size if signed else 0) from error
    cut = _beyond(folder, newest.size, tail)
    say = [Event(EventKind.LOG_RECOVERED, {"bytes": cut})] if cut else []
    return Found(number, frontier, tail, cut, say)


def check_edge(tiles: Tiles, size: int) -> int:
    """The last bundle holds the leaves whose hashes are in the tree; where the last of them ends."""
    end = 0
    if not size % WIDTH:
        if size:
            _leaves_match(tiles, size - WIDTH, size)
        return end
    return _leaves_match(tiles, size - size % WIDTH, size)


def _leaves_match(tiles: Tiles, start: int, size: int) -> int:
    number, end = start, 0
    for leaf, after in split_bundle(tiles.bundle(start // WIDTH)):
        if number == size:
            break
        if leaf_hash(leaf) != tiles.node(0, number):
            raise Lost("leaf", number)
        number, end = number + 1, after
        if number == size and parse(leaf).seq != number - 1:
            raise Lost("leaf", number - 1)
    if number != size:
        raise Lost("short", number)
    return end


def _beyond(folder: Path, size: int, tail: int) -> int:
    """How many bytes of leaves lie there that were never signed."""
    found, index = -tail, size // WIDTH
    while (path := folder / bundle_name(index)).exists():
        found += os.stat(path).st_size
        index += 1
    return max(0, found)


def _recovered(lost: Lost, old: Head, generation: int) -> list[Event]:
    said: dict[str, str | int] = {
        "code": lost.code,
        "generation": generation,
        "size": old.size,
        "root": old.root.hex(),
        "found": lost.size,
    }
    return [
        Event(EventKind.LOG_RECOVERED, said, Outcome.FAILED),
        Event(EventKind.ALERT, {"code": "log-recovered", "generation": generation}, Outcome.FAILED),
    ]
