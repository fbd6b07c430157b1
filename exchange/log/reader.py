"""Reading a log beside its writer: what the checkpoint covers, and not a leaf more."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exchange.domain.errors import LogError
from exchange.log.checkpoint import Head, parse_head
from exchange.log.leaves import Leaf, parse
from exchange.log.note import MAX_NOTE
from exchange.log.note import parse as parse_note
from exchange.log.opening import CHECKPOINT
from exchange.log.proof import prove
from exchange.log.tiles import WIDTH, Tiles, split_bundle


@dataclass(frozen=True, slots=True)
class LogReader:
    """One generation as it was when it was opened; its signatures are not checked (`fsck` does).

    Attributes:
        tiles: Its files.
        head: Of the checkpoint.
        checkpoint: The signed note.
    """

    tiles: Tiles
    head: Head
    checkpoint: bytes

    @classmethod
    def open(cls, folder: Path, generation: int = 0) -> "LogReader":
        """Open the newest generation in a log's folder, or the one that is named.

        Raises:
            LogError: There is none, or it cannot be read.
        """
        found = generations(folder)
        if not found or (generation and generation not in found):
            raise LogError(f"cannot read the log {folder}: there is none", "has the daemon run yet?")
        tiles = Tiles(folder / str(generation or found[-1]))
        note = tiles.read(CHECKPOINT, MAX_NOTE + 1)
        return cls(tiles, parse_head(parse_note(note)[0]), note)

    def leaves(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Index and bytes of each leaf from `start` on.

        Raises:
            LogError: A bundle cannot be read.
        """
        return self.tiles.leaves(start, self.head.size)

    def read(self, start: int = 0) -> Iterator[Leaf]:
        """The leaves from `start` on.

        Raises:
            LogError: One cannot be read.
        """
        return (parse(leaf) for _, leaf in self.leaves(start))

    def backwards(self, most: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Index and bytes of each leaf, the last first, at most so many.

        Raises:
            LogError: A bundle cannot be read.
        """
        size = self.head.size
        least = 0 if most is None else max(0, size - most)
        for index in reversed(range(least // WIDTH, -(-size // WIDTH))):
            held = [leaf for leaf, _ in split_bundle(self.tiles.bundle(index))]
            for at in reversed(range(min(len(held), size - index * WIDTH))):
                if index * WIDTH + at >= least:
                    yield index * WIDTH + at, held[at]

    def find(self, text: bytes, most: int) -> int | None:
        """The newest of the last so many leaves that hold these bytes; None where none does.

        Raises:
            LogError: A bundle cannot be read.
        """
        return next((index for index, leaf in self.backwards(most) if text in leaf), None)

    def proof(self, seq: int) -> bytes:
        """The `tlog-proof@v1` of a leaf.

        Raises:
            LogError: There is no such leaf, or the log cannot be read.
        """
        if not 0 <= seq < self.head.size:
            raise LogError(f"cannot prove leaf {seq}: the log has {self.head.size} leaves")
        leaf = next(iter(self.tiles.leaves(seq, seq + 1)))[1]
        return prove(leaf, seq, self.head.size, self.tiles.node, self.checkpoint)


def generations(folder: Path) -> list[int]:
    """The generations in a log's folder that have a checkpoint, oldest first."""
    if not folder.is_dir():
        return []
    names = (path.name for path in folder.iterdir() if (path / CHECKPOINT).is_file())
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def read_log(folder: Path) -> Iterator[Leaf]:
    """Every leaf of a log, all its generations, oldest first.

    Raises:
        LogError: One cannot be read.
    """
    for generation in generations(folder):
        yield from LogReader.open(folder, generation).read()
