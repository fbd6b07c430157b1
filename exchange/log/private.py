"""The erasable part: what an event says of people, sealed, one row a leaf, beside the log and not in it.

The leaf has SHA-256(label ‖ salt ‖ private part). Erasing the row takes text and salt away: every proof still
verifies, and nobody can try out any more what the text was.
"""

import json
import secrets
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exchange.domain.errors import LogError
from exchange.durable import make_folder
from exchange.log.leaves import SALT_BYTES, commitment, private_bytes

_NONCE = 12
_SCHEMA = "CREATE TABLE IF NOT EXISTS private (generation INTEGER, seq INTEGER, sealed BLOB NOT NULL, \
PRIMARY KEY (generation, seq)) WITHOUT ROWID"


class PrivateRows:
    """The rows of all generations of a log."""

    def __init__(self, rows: sqlite3.Connection, key: bytes) -> None:
        """Use `PrivateRows.open`."""
        self._rows = rows
        self._cipher = AESGCM(key)
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path, key: bytes) -> Self:
        """Open or create, mode 0600.

        Args:
            path: The SQLite file.
            key: 32 bytes, of the keys folder.

        Raises:
            LogError: It cannot be opened.
        """
        try:
            make_folder(path.parent)
            path.touch(0o600)
            rows = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            # No write-ahead log: it would keep what was deleted.
            rows.execute("PRAGMA journal_mode=DELETE")
            rows.execute("PRAGMA synchronous=FULL")
            rows.execute("PRAGMA secure_delete=ON")
            rows.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise LogError(
                f"cannot open the log's private rows {path}", "correct its owner and mode"
            ) from error
        return cls(rows, key)

    @classmethod
    def read(cls, path: Path, key: bytes) -> Self | None:
        """Open for reading beside the writer; None where there are none.

        Raises:
            LogError: They cannot be opened.
        """
        if not path.exists():
            return None
        try:
            uri = f"{path.resolve().as_uri()}?mode=ro"
            return cls(sqlite3.connect(uri, uri=True, check_same_thread=False), key)
        except sqlite3.Error as error:
            raise LogError(
                f"cannot open the log's private rows {path}", "correct its owner and mode"
            ) from error

    def seal(self, generation: int, seq: int, private: Mapping[str, str]) -> tuple[str, bytes]:
        """The commitment for the leaf, and the row to `store` before it."""
        salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(_NONCE)
        plain = private_bytes(private)
        sealed = nonce + self._cipher.encrypt(nonce, salt + plain, _place(generation, seq))
        return commitment(salt, plain), sealed

    def store(self, generation: int, rows: Mapping[int, bytes]) -> None:
        """Write rows durably; one that a leaf was never written for is replaced.

        Raises:
            LogError: They could not be written.
        """
        values = [(generation, seq, sealed) for seq, sealed in rows.items()]
        with self._lock:
            try:
                self._rows.execute("BEGIN IMMEDIATE")
                self._rows.executemany("INSERT OR REPLACE INTO private VALUES (?, ?, ?)", values)
                self._rows.execute("COMMIT")
            except sqlite3.Error as error:
                if self._rows.in_transaction:
                    self._rows.execute("ROLLBACK")
                raise LogError(
                    "cannot write the log: its private rows cannot be written", "check the disk"
                ) from error

    def reveal(self, generation: int, seq: int, committed: str) -> dict[str, str] | None:
        """The private part of a leaf; None where it was erased.

        Args:
            generation: Of the log.
            seq: The leaf's index.
            committed: Its `priv`.

        Raises:
            LogError: The row was changed, is another's, or is not what the leaf commits to.
        """
        with self._lock:
            row = self._rows.execute(
                "SELECT sealed FROM private WHERE generation = ? AND seq = ?", (generation, seq)
            ).fetchone()
        if row is None:
            return None
        sealed: bytes = row[0]
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _place(generation, seq))
        except (InvalidTag, ValueError) as error:
            raise LogError(
                f"cannot open the private part of leaf {seq}: it was changed, or belongs to another key"
            ) from error
        salt, private = plain[:SALT_BYTES], plain[SALT_BYTES:]
        if commitment(salt, private) != committed:
            raise LogError(f"cannot open the private part of leaf {seq}: the leaf commits to another one")
        found: dict[str, str] = json.loads(private)
        return found

    def erase(self, generation: int, seq: int) -> bool:
        """Delete a row and the salt in it; whether there was one.

        Raises:
            LogError: It could not be deleted.
        """
        with self._lock:
            try:
                done = self._rows.execute(
                    "DELETE FROM private WHERE generation = ? AND seq = ?", (generation, seq)
                )
            except sqlite3.Error as error:
                raise LogError(f"cannot erase the private part of leaf {seq}", "check the disk") from error
            return done.rowcount > 0

    def forget_beyond(self, generation: int, size: int) -> None:
        """Delete the rows of leaves that were never written, as a crash leaves them.

        Raises:
            LogError: They could not be deleted.
        """
        with self._lock:
            try:
                self._rows.execute(
                    "DELETE FROM private WHERE generation = ? AND seq >= ?", (generation, size)
                )
            except sqlite3.Error as error:
                raise LogError("cannot open the log: its private rows cannot be written") from error

    def close(self) -> None:
        """Close the file."""
        self._rows.close()


def _place(generation: int, seq: int) -> bytes:
    return f"lockgate.log/private/{generation}/{seq}".encode("ascii")
