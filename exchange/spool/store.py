"""The spool: a folder of sealed instances.

Rules:
1. A file `<identity[:2]>/<identity>.sealed` holds one instance as it came, with its first arrival, encrypted
   (`exchange.spool.envelope`). Each further arrival of the same bytes is a sealed sibling
   `<identity>.<arrival id>.arrival`. Nothing of an instance lies on the disk in clear at any moment.
2. `commit` returns only when content and names are fsynced. What is not committed lies in `incoming/` and is
   removed by the next `index`.
3. Until custody has an arrival, its file opens with an epoch key (`exchange.spool.epochs`), so that a start
   finds it without any database; from then on with the wrapped key of its row only.
4. Names come from digests and from our own random ids, never from the wire.
5. What cannot be understood is moved to `quarantine/` and reported, never deleted.

The spool disk is not trusted: who can modify it can at most make an exchange fail.
"""

import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from secrets import token_bytes
from threading import Lock

import structlog

from exchange.domain.errors import KeysError, SpoolError
from exchange.domain.instance import SpooledInstance
from exchange.durable import fsync_folder, make_folder, write_file
from exchange.keys.storage import KEY_BYTES, FileKeyEncryption, KeyEncryption
from exchange.spool.disk import disk, raise_full
from exchange.spool.envelope import ChangedError, Prefix, new_salt, seal_empty
from exchange.spool.epochs import EpochKeys, wrap_by_epoch
from exchange.spool.index import ClosedFile, Index, Sealing, to_quarantine
from exchange.spool.layout import arrival_path, data_path, is_arrival_id, lock_folder, make_shards
from exchange.spool.reading import Reading
from exchange.spool.records import ArrivalContext, further_header
from exchange.spool.sealed import SealedSource, new_data_key
from exchange.spool.sealer import Buffers
from exchange.spool.writer import FileKeys, SpoolWriter

_UID_MAX = 256
_KEY_CHECK = "key.check"
_CHECK = b"lockgate/spool-check/v1"

_log = structlog.get_logger()


class Spool:
    """A folder of instances. Safe for many threads of one process; one `Spool` at a time.

    Attributes:
        root: The folder.
        kek: The storage key.
        buffers: Chunk buffers of the writers.
    """

    def __init__(self, root: Path, min_free_bytes: int = 0, *, kek: bytes | KeyEncryption) -> None:
        """Open or create the folder.

        Args:
            root: The folder; created with its parents.
            min_free_bytes: Reserve: below this much free space nothing new is taken.
            kek: The storage key, or what holds it.

        Raises:
            SpoolError: The folder cannot be created, another `Spool` is open on it, or it was made with
                another key.
            KeysError: The key is none.
        """
        self.root = root
        self.buffers = Buffers()
        self._incoming = root / "incoming"
        self._quarantine = root / "quarantine"
        self._min_free_bytes = min_free_bytes
        self.kek = FileKeyEncryption(kek) if isinstance(kek, bytes) else kek
        # One lock for each folder of files: naming, counting and deleting of one identity do not overlap.
        self._locks = tuple(Lock() for _ in range(256))
        self._writing: set[str] = set()
        self._void: set[str] = set()  # names of files that must be gone, but could not be deleted
        self._index: Index | None = None
        with disk():
            make_folder(root)
            self._unlock = weakref.finalize(self, os.close, lock_folder(root))
            try:
                self._check_key()
                self._epochs = EpochKeys(root / "epochs", self.kek)
                make_folder(self._incoming)
                make_folder(self._quarantine)
                make_shards(root)
            except BaseException:
                self.close()
                raise
        self._reading = Reading(root, self.kek, self._epochs)

    @staticmethod
    def is_sealed(root: Path) -> bool:
        """Whether a spool was made here with a storage key, so that no other key will do."""
        return (root / _KEY_CHECK).exists()

    def close(self) -> None:
        """Let another `Spool` open the folder; harmless twice."""
        self._unlock()

    def begin(
        self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, arrival: ArrivalContext
    ) -> SpoolWriter:
        """Start to take an instance; its data set bytes follow by `SpoolWriter.write`.

        Args:
            sop_class_uid: As announced by the sender; data, never a path.
            sop_instance_uid: Likewise.
            transfer_syntax_uid: Of the data set bytes.
            arrival: How it comes; the id is `uuid4().hex`.

        Raises:
            SpoolFullError: Free space is below the reserve.
            SpoolError: A UID is absurdly long, the arrival id is not ours, or the disk fails.
        """
        if not is_arrival_id(arrival.arrival_id):
            raise SpoolError("cannot spool: the arrival id is no UUID in hex")
        if max(map(len, (sop_class_uid, sop_instance_uid, transfer_syntax_uid))) > _UID_MAX:
            raise SpoolError("cannot spool: a UID is too long")
        self.check_reserve()
        unknown_yet = arrival.at(datetime.min)  # noqa: DTZ901 - replaced at commit
        return self.open_writer(
            SpooledInstance("", sop_class_uid, sop_instance_uid, transfer_syntax_uid, 0, unknown_yet)
        )

    def open_writer(self, instance: SpooledInstance) -> SpoolWriter:
        """A writer for an arrival whose UIDs and id were checked.

        Raises:
            SpoolError: The arrival id is in use, or the disk fails.
        """
        arrival_id = instance.arrival.arrival_id
        if arrival_id in self._writing:
            raise SpoolError("cannot spool: the arrival id is in use")
        self._writing.add(arrival_id)
        try:
            with disk():
                keys = self._new_keys(arrival_id)
                return SpoolWriter(self, instance, self._incoming / f"{arrival_id}.part", keys)
        except BaseException:
            self.forget(arrival_id)
            raise

    def check_reserve(self) -> None:
        """Refuse when free space is below the reserve.

        Raises:
            SpoolFullError: It is.
        """
        with disk():
            state = os.statvfs(self.root)
        if state.f_bavail * state.f_frsize < self._min_free_bytes:
            raise_full(None)

    def path(self, identity: str) -> Path:
        """The sealed file of an identity (it may not exist).

        Raises:
            SpoolError: This is no identity.
        """
        return data_path(self.root, identity)

    def holds(self, identity: str) -> bool:
        """Whether the file of an identity is there.

        Raises:
            SpoolError: This is no identity.
        """
        return self.path(identity).is_file()

    def source(self, identity: str, wrapped_key: bytes = b"") -> SealedSource:
        """The Part 10 file of an identity, to be read in clear; it can be sent to a worker process.

        Args:
            identity: Which instance.
            wrapped_key: The data key as its row holds it; without it only what no row holds yet can be read.

        Raises:
            SpoolError: The key is not this file's, or is destroyed, or there is no such file.
        """
        return self._reading.source(identity, wrapped_key)

    def verify(self, identity: str, wrapped_key: bytes = b"") -> None:
        """Re-hash a file against its name.

        Raises:
            SpoolError: It is missing, cannot be opened, or its bytes are not those that were accepted.
        """
        self._reading.verify(identity, wrapped_key)

    def arrival_ids(self, identity: str) -> frozenset[str]:
        """The id of every arrival whose bytes or record lie here; empty when there is no such file.

        Raises:
            SpoolError: A file cannot be read.
        """
        with disk():
            return self._reading.arrival_ids(identity)

    def adopt(self, part: Path, instance: SpooledInstance, key: bytes) -> SpooledInstance:
        """Give a fsynced part file its name, or note one more arrival where the bytes are there already.

        Returns:
            The instance with its wrapped key, marked as a duplicate where it is one.

        Raises:
            OSError: The disk failed; nothing of this arrival is left.
        """
        target = self.path(instance.identity)
        with self._lock(instance.identity):
            if instance.identity in self._void:
                target.unlink(missing_ok=True)
                self._void.discard(instance.identity)
            try:
                # A link, unlike a rename, never replaces: the first file and its first arrival stay.
                os.link(part, target)
            except FileExistsError:
                return self._add_arrival(part, instance, key)
            self._make_durable(target, instance.identity)
        return replace(instance, wrapped_key=self._reading.wrap(instance.identity, key))

    def forget(self, arrival_id: str) -> None:
        """This arrival is no longer being written, and has come to nothing."""
        self._writing.discard(arrival_id)
        self._epochs.leave((arrival_id,))

    def done(self, arrival_id: str) -> None:
        """This arrival is no longer being written, because it is durable."""
        self._writing.discard(arrival_id)

    def indexed(self, instances: Iterable[SpooledInstance]) -> None:
        """Custody has durable rows of these arrivals, wrapped keys included: their epoch keys may go."""
        self._epochs.leave([one.arrival.arrival_id for one in instances])
        self.rotate()

    def rotate(self) -> int:
        """Destroy every ended epoch key that no arrival needs any more; how many.

        What the disk refuses is tried again the next time.
        """
        try:
            return self._epochs.rotate()
        except OSError as error:
            _log.error("spool.epoch_not_destroyed", errno=error.errno)
            return 0

    def erase(self, identity: str, release: Callable[[frozenset[str]], bool]) -> bool:
        """Delete a file with its arrivals, once custody has destroyed its wrapped key.

        No arrival of the same bytes can come in between.

        Args:
            identity: Which instance; it may be gone already.
            release: Is told every arrival that lies here; destroys the key durably and says so, or refuses
                because it needs the file or does not know an arrival.

        Returns:
            What `release` said.

        Raises:
            SpoolError: The disk failed. If the key was destroyed, what is left of the file opens no more.
        """
        with self._lock(identity), disk():
            arrival_ids = self._reading.arrival_ids(identity)
            if not release(arrival_ids):
                return False
            self._void.add(identity)
            self._epochs.leave(arrival_ids)
            for epoch_id in self._reading.epoch_ids(identity):
                self._epochs.end(epoch_id)
            self._remove(identity)
            self._void.discard(identity)
        self.rotate()
        return True

    def delete(self, identity: str) -> None:
        """Remove a file and its arrival records, durably; harmless when absent.

        Raises:
            SpoolError: The disk failed.
        """
        with self._lock(self.path(identity).stem), disk():
            self._remove(identity)

    def sweep(self) -> int:
        """Remove what a crash left unfinished: nobody was told that it was accepted.

        Returns:
            How many files were removed.

        Raises:
            SpoolError: The disk failed.
        """
        with disk():
            orphans = [path for path in self._incoming.iterdir() if path.stem not in self._writing]
            orphans += self.root.glob("[0-9a-f][0-9a-f]/.*.tmp")
            for path in orphans:
                path.unlink(missing_ok=True)
        if orphans:
            _log.info("spool.swept", count=len(orphans))
        return len(orphans)

    def index(self) -> Iterator[SpooledInstance]:
        """Everything that custody may not have yet, every arrival; unfinished files are swept first.

        Sizes and records are checked here, content by `verify`. What does not fit goes to `quarantine/`;
        what only its row can open is left out, and listed by `closed`. Plain files of version 1 are sealed.

        Yields:
            Per file its first arrival, then the further ones with `duplicate` set.

        Raises:
            SpoolError: The disk failed.
        """
        self.sweep()
        sealing = Sealing(self.open_writer, self._seal_arrival)
        self._index = Index(self.root, self._reading, self._epochs, sealing)
        yield from self._index.run(self.kek)

    def closed(self) -> tuple[ClosedFile, ...]:
        """Files that the last `index` could not open, because their epoch is over: custody must know them."""
        return () if self._index is None else tuple(self._index.closed)

    def quarantine(self, stray: ClosedFile) -> None:
        """Put a file aside that nobody can open.

        Raises:
            SpoolError: The disk failed.
        """
        to_quarantine(self._quarantine, stray.path, self._reading, self.kek)

    def quarantined(self) -> int:
        """How many files lie in quarantine."""
        return sum(1 for path in self._quarantine.iterdir() if not path.name.endswith(".key"))

    def _new_keys(self, arrival_id: str) -> FileKeys:
        epoch_id, epoch_key = self._epochs.enter(arrival_id)
        data_key, file_id = new_data_key(), bytes.fromhex(arrival_id)
        wrapped = wrap_by_epoch(epoch_key, data_key, file_id)
        return FileKeys(data_key, Prefix(new_salt(), file_id, epoch_id, wrapped, 0))

    def _make_durable(self, target: Path, identity: str) -> None:
        """Sync a new name; what fails is taken back, and if it stays, the next arrival replaces the file."""
        try:
            fsync_folder(target.parent)
        except OSError:
            try:
                target.unlink(missing_ok=True)
            except OSError:
                self._void.add(identity)
            raise

    def _add_arrival(self, part: Path, instance: SpooledInstance, key: bytes) -> SpooledInstance:
        """One more coming of bytes that are there; with their file's key, as long as its epoch gives it."""
        target = self.path(instance.identity)
        try:
            there = self._reading.epoch_data_key(target)
        except ChangedError:  # what lies under this name is no file of ours any more
            to_quarantine(self._quarantine, target, self._reading, self.kek)
            os.link(part, target)
            self._make_durable(target, instance.identity)
            return replace(instance, wrapped_key=self._reading.wrap(instance.identity, key))
        try:
            self._seal_arrival(instance)
        except OSError:
            with suppress(OSError):
                arrival_path(self.root, instance.identity, instance.arrival.arrival_id).unlink()
            raise
        wrapped = b"" if there is None else self._reading.wrap(instance.identity, there)
        return replace(instance, duplicate=True, wrapped_key=wrapped)

    def _seal_arrival(self, instance: SpooledInstance) -> None:
        """Write the record of a further arrival: a sealed file without content, under a key of its own."""
        keys = self._new_keys(instance.arrival.arrival_id)
        path = arrival_path(self.root, instance.identity, instance.arrival.arrival_id)
        write_file(path, seal_empty(keys.prefix, keys.data_key, further_header(instance)))

    def _remove(self, identity: str) -> None:
        target = self.path(identity)
        if not target.parent.is_dir():
            return
        # The data last: arrivals without data would look like a loss.
        for sibling in target.parent.glob(f"{identity}.*.arrival"):
            sibling.unlink()
        target.unlink(missing_ok=True)
        fsync_folder(target.parent)

    def _check_key(self) -> None:
        """Refuse a spool that was made with another storage key; mark a new one."""
        path = self.root / _KEY_CHECK
        if not path.exists():
            write_file(path, self.kek.wrap(token_bytes(KEY_BYTES), _CHECK))
            return
        try:
            self.kek.unwrap(path.read_bytes(), _CHECK)
        except KeysError as error:
            raise SpoolError(
                "cannot open the spool: it was sealed with another storage key",
                "restore storage.key from the backup that belongs to this spool",
            ) from error

    def _lock(self, identity: str) -> Lock:
        return self._locks[int(identity[:2], 16)]
