"""The crosswalk's file, and the side that remembers. It never gives an original back: that is `reader`.

A SQLite file of its own, mode 0600, WAL, `synchronous=FULL`. The file is not trusted: who can read it learns
how many rows there are; who can change it can make openings fail, never make one answer with another row.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from exchange.crosswalk.rows import Entry, RowKind, RowSealer, SealedRow, is_older_spelling
from exchange.domain.errors import CustodyError, KeysError
from exchange.durable import make_folder

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS key_check (digest BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS rows (
    by_pseudonym BLOB PRIMARY KEY,
    by_original BLOB NOT NULL UNIQUE,
    wrapped_key BLOB NOT NULL,
    sealed BLOB NOT NULL
) WITHOUT ROWID;
"""
_COLUMNS: Final = "by_pseudonym, by_original, wrapped_key, sealed"


class CrosswalkFile:
    """The open file; thread-safe. `Crosswalk` and `Reader` are the two ways to use it."""

    def __init__(self, path: Path, key: bytes) -> None:
        """Open or create the file.

        Args:
            path: Of the SQLite file; its folder is made when missing.
            key: The crosswalk's own 32 bytes.

        Raises:
            KeysError: The key is not 32 bytes, or not the one that this file was made with.
            CustodyError: The file cannot be opened or is no crosswalk.
        """
        self.sealer = RowSealer(key)
        self._lock = threading.Lock()
        try:
            make_folder(path.parent)
            path.touch(mode=0o600)  # SQLite gives its WAL the mode of the file
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("PRAGMA busy_timeout=10000")
            self._connection.execute("PRAGMA secure_delete=ON")
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise CustodyError(f"cannot open the crosswalk {path}", "restore it from a backup") from error
        self._check_key(path)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction, durable when the block ends.

        Raises:
            CustodyError: The file refuses it.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise CustodyError(
                    "cannot use the crosswalk: its file refuses", "check the state disk"
                ) from error

    def find(self, column: str, index: bytes) -> SealedRow | None:
        """The row with this blind index in `by_pseudonym` or `by_original`."""
        with self.transaction() as connection:
            return find_row(connection, column, index)

    def find_all(self, indexes: Iterable[bytes]) -> dict[bytes, SealedRow]:
        """The rows with these blind indexes in `by_pseudonym`, those that there are; from one snapshot."""
        with self.transaction() as connection:
            found = ((index, find_row(connection, "by_pseudonym", index)) for index in indexes)
            return {index: row for index, row in found if row is not None}

    def _check_key(self, path: Path) -> None:
        with self.transaction() as connection:
            row = connection.execute("SELECT digest FROM key_check").fetchone()
            if row is None:
                connection.execute("INSERT INTO key_check VALUES (?)", (self.sealer.check,))
        if row is not None and row[0] != self.sealer.check:
            self.close()
            raise KeysError(
                f"cannot open the crosswalk {path}: this is not its key",
                "restore file and key from one backup",
            )


def find_row(connection: sqlite3.Connection, column: str, index: bytes) -> SealedRow | None:
    """The row with this blind index, inside a transaction."""
    where = {"by_pseudonym": "by_pseudonym = ?", "by_original": "by_original = ?"}[column]
    found = connection.execute(f"SELECT {_COLUMNS} FROM rows WHERE {where}", (index,)).fetchone()  # noqa: S608
    return None if found is None else SealedRow(*found)


class Crosswalk:
    """What the pipeline uses: it remembers, and tells which pseudonyms it knows."""

    def __init__(self, file: CrosswalkFile) -> None:
        """Use `Crosswalk.open`."""
        self._file = file

    @classmethod
    def open(cls, path: Path, key: bytes) -> Self:
        """Open or create the crosswalk for remembering.

        Raises:
            KeysError: Not its key.
            CustodyError: The file cannot be used.
        """
        return cls(CrosswalkFile(path, key))

    def remember(self, domain: str, entries: Iterable[Entry]) -> int:
        """Remember entries in one durable transaction; what is known already is left as it is.

        Args:
            domain: The pseudonym domain.
            entries: Patients and UIDs.

        Returns:
            How many were new.

        Raises:
            CustodyError: An original or a pseudonym is already mapped otherwise; nothing of this call is
                kept. Two patients are never merged and none is split.
        """
        new = 0
        with self._file.transaction() as connection:
            for entry in entries:
                new += self._remember(connection, domain, entry)
        return new

    def knows(self, domain: str, kind: RowKind, pseudonym: str) -> bool:
        """Whether this is the pseudonym of somebody or something here; tells nothing else.

        Raises:
            CustodyError: The file refuses.
        """
        return (
            self._file.find("by_pseudonym", self._file.sealer.index(domain, kind, "pseudonym", pseudonym))
            is not None
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _remember(self, connection: sqlite3.Connection, domain: str, entry: Entry) -> int:
        row = self._file.sealer.seal(domain, entry)
        known = find_row(connection, "by_original", row.by_original)
        if known is not None:
            if self._file.sealer.open(known) != entry:
                raise CustodyError(
                    "cannot remember a pseudonym: this original has another one in the domain",
                    "clean the study again: it keeps to the key epoch that the crosswalk has for it",
                )
            return 0
        same = find_row(connection, "by_pseudonym", row.by_pseudonym)
        if same is not None and is_older_spelling(self._file.sealer.open(same), entry):
            return 0
        if same is not None:
            raise CustodyError("cannot remember a pseudonym: it belongs to another original in the domain")
        values = (row.by_pseudonym, row.by_original, row.wrapped_key, row.sealed)
        connection.execute(f"INSERT INTO rows ({_COLUMNS}) VALUES (?, ?, ?, ?)", values)  # noqa: S608
        return 1
