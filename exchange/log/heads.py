"""The second store of signed heads: one line each, in a file that lies apart from the log.

Whoever puts an old copy of the log's folder back cannot put this one back with it unless he reaches both; the
writer compares the two before it signs. Where both are restored from one snapshot nothing can be seen on the
box: only a witness elsewhere remembers.
"""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Self

from exchange.domain.errors import LogError
from exchange.durable import make_folder, write_file
from exchange.log.checkpoint import Head
from exchange.log.growing import GrowingFile
from exchange.log.merkle import HASH_BYTES

_CHECK = 16
_TAIL = 1 << 16
_MOST, _LEAST = 16 << 20, 8 << 20
"""A later head shows all before it, so that of a file beyond the one size only the other is kept."""


class Heads:
    """The store of one appliance; the log's writer holds it.

    Attributes:
        last: The last head that can be read.
        damaged: Whether whole lines after it cannot.
    """

    def __init__(self, file: GrowingFile, last: Head | None, *, damaged: bool) -> None:
        """Use `Heads.open`."""
        self.file = file
        self.last = last
        self.damaged = damaged

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create; an incomplete last line, as a crash leaves it, is cut off.

        Raises:
            LogError: It cannot be opened.
        """
        try:
            make_folder(path.parent)
            size = path.stat().st_size if path.exists() else 0
            if size > _MOST:
                data = _tail(path, _LEAST)
                write_file(path, data[data.find(b"\n") + 1 :])
            last, kept, damaged = _last_head(path)
            return cls(GrowingFile(path, kept), last, damaged=damaged)
        except OSError as error:
            raise LogError(
                f"cannot open the log's heads {path}: {error.strerror}", "correct its owner and mode"
            ) from error

    def append(self, head: Head) -> None:
        """Remember a head, durably, before it is signed.

        Raises:
            OSError: It could not be written; `restore` the file.
        """
        self.file.append(_line(head))
        self.file.sync()
        self.file.keep()
        self.last = head

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def read_last_head(path: Path) -> Head | None:
    """The last head of a store, without opening it for writing; None where there is none.

    Raises:
        OSError: It is there and cannot be read.
    """
    return _last_head(path)[0]


def read_heads(path: Path) -> Iterator[Head]:
    """Every whole line of a store, oldest first; none where there is no store.

    Raises:
        OSError: It cannot be read.
        ValueError: A line is damaged; the number of the line.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                head = _parse(line[:-1])
            except ValueError as error:
                raise ValueError(number) from error
            yield head


def _line(head: Head) -> bytes:
    text = f"{head.origin} {head.size} {head.root.hex()}"
    return f"{text} {_check(text)}\n".encode("ascii")


def _check(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:_CHECK]


def _last_head(path: Path) -> tuple[Head | None, int, bool]:
    """The last whole line, where it ends, and whether lines after it had to be passed over."""
    if not path.exists():
        return None, 0, False
    size = path.stat().st_size
    data = _tail(path, _TAIL)
    end = data.rfind(b"\n") + 1
    kept, damaged = size - len(data) + end, False
    for line in reversed(data[:end].split(b"\n")[:-1]):
        try:
            return _parse(line), kept, damaged
        except ValueError:
            damaged = True
    return None, kept, damaged


def _parse(line: bytes) -> Head:
    text, _, check = line.decode("ascii").rpartition(" ")
    origin, size, root = text.split(" ")
    if _check(text) != check or len(bytes.fromhex(root)) != HASH_BYTES:
        raise ValueError("no head")
    return Head(origin, int(size), bytes.fromhex(root))


def _tail(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - most))
        return file.read(most)
