"""Intake epoch keys: what opens a spool file until custody has its row.

Rules:
1. Each file's header holds its data key wrapped by the epoch key under which it began. Epoch keys lie in
   `epochs/`, wrapped by the storage key, durable before their first use.
2. An epoch ends by count, by age, with the process, or because one of its files is erased.
3. An ended epoch's key is destroyed as soon as each of its arrivals is in custody (or was aborted). From then
   on only the rows open its files: deleting a row's key erases the file.
4. At a start all epochs found have ended; none is destroyed before the whole spool was indexed.
"""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_bytes
from threading import Lock

import structlog

from exchange.domain.errors import KeysError
from exchange.durable import fsync_folder, make_folder, write_file
from exchange.keys.storage import KEY_BYTES, FileKeyEncryption, KeyEncryption
from exchange.spool.envelope import ChangedError, Prefix

_MOST_ARRIVALS = 4096
_LONGEST_SECONDS = 600.0
_ID = 16
_FILE = b"lockgate/spool-file/v1\0"
_NAME = re.compile(r"(?P<epoch>[0-9a-f]{32})\.epoch")

_log = structlog.get_logger()


@dataclass(slots=True)
class _Epoch:
    epoch_id: bytes
    key: bytes = field(repr=False)
    began_at: float
    arrivals: int = 0
    ended: bool = False
    complete: bool = True  # all its arrivals are known: False until a start has indexed the spool
    pending: set[str] = field(default_factory=set)


class EpochKeys:
    """The epoch keys of one spool; safe for many threads."""

    def __init__(self, folder: Path, kek: KeyEncryption) -> None:
        """Load what is there.

        Raises:
            OSError: The folder cannot be used.
        """
        self._folder = folder
        self._kek = kek
        self._lock = Lock()
        self._current: _Epoch | None = None
        self._epochs: dict[bytes, _Epoch] = {}
        make_folder(folder)
        for path in sorted(folder.iterdir()):
            self._load(path)

    def enter(self, arrival_id: str) -> tuple[bytes, bytes]:
        """The epoch under which an arrival begins: its id and key, durable.

        Raises:
            OSError: A new epoch's key cannot be written.
        """
        with self._lock:
            epoch = self._current
            if epoch is None or self._is_over(epoch):
                epoch = self._begin()
            epoch.arrivals += 1
            epoch.pending.add(arrival_id)
            return epoch.epoch_id, epoch.key

    def key(self, epoch_id: bytes) -> bytes | None:
        """The key of an epoch; None once it is destroyed."""
        with self._lock:
            epoch = self._epochs.get(epoch_id)
            return None if epoch is None else epoch.key

    def found(self, epoch_id: bytes, arrival_id: str) -> None:
        """A start found an arrival of an ended epoch: its key stays until custody has it."""
        with self._lock:
            epoch = self._epochs.get(epoch_id)
            if epoch is not None and not epoch.complete:
                epoch.pending.add(arrival_id)

    def all_found(self) -> None:
        """A start has looked at every file."""
        with self._lock:
            for epoch in self._epochs.values():
                epoch.complete = True

    def leave(self, arrival_ids: Iterable[str]) -> None:
        """These arrivals are in custody, or were aborted."""
        gone = set(arrival_ids)
        with self._lock:
            for epoch in self._epochs.values():
                if not epoch.pending.isdisjoint(gone):
                    epoch.pending -= gone

    def end(self, epoch_id: bytes) -> None:
        """Nothing begins under this epoch any more."""
        with self._lock:
            epoch = self._epochs.get(epoch_id)
            if epoch is not None:
                self._end(epoch)

    def rotate(self) -> int:
        """End the current epoch if it is over, and destroy every ended one whose arrivals are in custody.

        Returns:
            How many keys were destroyed.

        Raises:
            OSError: A key file cannot be deleted; it is tried again the next time.
        """
        with self._lock:
            if self._current is not None and self._is_over(self._current):
                self._end(self._current)
            done = [one for one in self._epochs.values() if one.ended and one.complete and not one.pending]
            for epoch in done:
                self._path(epoch.epoch_id).unlink(missing_ok=True)
            if done:
                fsync_folder(self._folder)
            for epoch in done:
                del self._epochs[epoch.epoch_id]
            return len(done)

    def _is_over(self, epoch: _Epoch) -> bool:
        age = time.monotonic() - epoch.began_at
        return epoch.arrivals >= _MOST_ARRIVALS or (epoch.arrivals > 0 and age >= _LONGEST_SECONDS)

    def _begin(self) -> _Epoch:
        epoch = _Epoch(token_bytes(_ID), token_bytes(KEY_BYTES), time.monotonic())
        wrapped = self._kek.wrap(epoch.key, _binding(epoch.epoch_id))
        write_file(self._path(epoch.epoch_id), wrapped)
        if self._current is not None:
            self._end(self._current)
        self._epochs[epoch.epoch_id] = self._current = epoch
        return epoch

    def _end(self, epoch: _Epoch) -> None:
        epoch.ended = True
        if self._current is epoch:
            self._current = None

    def _load(self, path: Path) -> None:
        name = _NAME.fullmatch(path.name)
        if name is None:
            if path.name.endswith(".tmp"):
                path.unlink(missing_ok=True)  # a key that was never used
            return
        epoch_id = bytes.fromhex(name["epoch"])
        try:
            key = self._kek.unwrap(path.read_bytes(), _binding(epoch_id))
        except KeysError:
            _log.error("spool.epoch_unusable", file=path.name)
            return
        self._epochs[epoch_id] = _Epoch(epoch_id, key, time.monotonic(), ended=True, complete=False)

    def _path(self, epoch_id: bytes) -> Path:
        return self._folder / f"{epoch_id.hex()}.epoch"


def _binding(epoch_id: bytes) -> bytes:
    return b"lockgate/intake-epoch/v1\0" + epoch_id


def wrap_by_epoch(epoch_key: bytes, data_key: bytes, file_id: bytes) -> bytes:
    """A data key as the file's own header holds it."""
    return FileKeyEncryption(epoch_key).wrap(data_key, _FILE + file_id)


def unwrap_by_epoch(epoch_key: bytes, prefix: Prefix) -> bytes:
    """The data key out of a file's header.

    Raises:
        ChangedError: It was changed.
    """
    try:
        return FileKeyEncryption(epoch_key).unwrap(prefix.epoch_wrapped, _FILE + prefix.file_id)
    except KeysError as error:
        raise ChangedError("the wrapped key was changed") from error
