"""The spool: every accepted instance as it came, durable before anyone is told so.

Rules:
1. A file `<identity[:2]>/<identity>.dcm` is an ordinary Part 10 file. Its own file meta carries its first
   arrival as JSON in PrivateInformation (0002,0102), so that it explains itself without any database.
2. Each further arrival of the same bytes is a sibling `<identity>.<arrival id>.arrival` (JSON).
3. `commit` returns only when content and names are fsynced. What is not committed lies in `incoming/` and is
   removed by the next `index`.
4. Names come from digests and from our own random ids, never from the wire.
5. What cannot be understood is moved to `quarantine/` and reported, never deleted.

The spool disk is not trusted: who can modify it can at most make an exchange fail (`verify` re-hashes).
"""

import errno
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, BinaryIO, NoReturn, Self

import structlog

from exchange.dicomio.filemeta import (
    PRIVATE_INFORMATION,
    PRIVATE_INFORMATION_CREATOR_UID,
    encode_file_meta,
    read_file_meta,
)
from exchange.dicomio.stream import open_binary, pieces
from exchange.dicomio.window import Window
from exchange.domain.errors import InputError, SpoolError, SpoolFullError
from exchange.domain.instance import Arrival, SpooledInstance, identity_hash
from exchange.durable import fsync_folder, make_folder, write_file

# UUID-derived (PS3.5 B.2): marks PrivateInformation as ours.
CREATOR_UID = "2.25.141895520365733108437425894376154930178"
_SCHEMA = "lockgate.arrival/1"
_TIME_WIDTH = 32  # 2026-01-31T23:59:59.123456+00:00
_COUNT_WIDTH = 20
_UID_MAX = 256
_CHECK_EVERY = 16 * 1024 * 1024  # bytes written between looks at the reserve
_IDENTITY = re.compile(r"[0-9a-f]{64}")
_ARRIVAL_ID = re.compile(r"[0-9a-f]{32}")
_DATA_NAME = re.compile(r"(?P<identity>[0-9a-f]{64})\.dcm")
_ARRIVAL_NAME = re.compile(r"(?P<identity>[0-9a-f]{64})\.(?P<arrival>[0-9a-f]{32})\.arrival")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ArrivalContext:
    """An arrival before its time is known; fields as in `exchange.domain.instance.Arrival`."""

    arrival_id: str
    protocol: str
    called_ae: str
    calling_ae: str
    peer: str
    peer_address: str
    peer_certificate_sha256: str = ""

    def at(self, received_at: datetime) -> Arrival:
        """The arrival, complete."""
        return Arrival(received_at=received_at, **asdict(self))


class SpoolWriter:
    """One instance on its way in, ended by `commit` or `abort`; the end of a `with` block is an `abort`."""

    def __init__(self, spool: "Spool", instance: SpooledInstance, part: Path) -> None:
        self._spool = spool
        self._instance = instance
        self._part = part
        self._hash = identity_hash(
            instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid
        )
        self._count = 0
        self._unchecked = 0
        self._file: BinaryIO | None = _create(part)
        self._record_at = 0

    @property
    def part(self) -> Path:
        """The file as far as it was written and flushed, for a look before `commit`."""
        if self._file is not None:
            with _full_disk():
                self._file.flush()
        return self._part

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def start(self) -> None:
        """Write preamble and file meta, with room for what only `commit` knows."""
        record = _encode_record(self._instance, "")
        head = encode_file_meta(
            self._instance.sop_class_uid,
            self._instance.sop_instance_uid,
            self._instance.transfer_syntax_uid,
            (CREATOR_UID, record),
        )
        self._record_at = head.index(record)
        self._put(head)

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes of the data set.

        Raises:
            SpoolFullError: No space, or the reserve would be touched; everything of this instance is removed.
            SpoolError: The disk failed, or the writer was ended before.
        """
        self._put(chunk)
        self._hash.update(chunk)
        self._count += len(chunk)
        self._unchecked += len(chunk)
        if self._unchecked >= _CHECK_EVERY:
            self._unchecked = 0
            try:
                self._spool.check_reserve()
            except SpoolError:
                self.abort()
                raise

    def commit(self, received_at: datetime) -> SpooledInstance:
        """Make it durable: content and names are fsynced when this returns.

        Args:
            received_at: Now, by the caller's clock; timezone-aware UTC.

        Raises:
            SpoolFullError: No space; everything of this arrival is removed.
            SpoolError: The disk failed, or the writer was ended before.
        """
        if self._file is None:
            raise SpoolError("cannot commit: this writer was ended before")
        arrival = replace(self._instance.arrival, received_at=received_at)
        done = replace(
            self._instance, identity=self._hash.hexdigest(), byte_count=self._count, arrival=arrival
        )
        try:
            with _full_disk():
                self._file.seek(self._record_at)
                self._file.write(_encode_record(done, received_at.isoformat(timespec="microseconds")))
                self._file.flush()
                os.fsync(self._file.fileno())
                return self._spool.adopt(self._part, done)
        finally:
            self.abort()

    def abort(self) -> None:
        """Remove what was written; harmless after `commit`."""
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            file.close()
        except OSError:
            _log.warning("spool.close_failed", arrival=self._instance.arrival.arrival_id)
        self._part.unlink(missing_ok=True)
        self._spool.forget(self._instance.arrival.arrival_id)

    def _put(self, data: bytes | memoryview) -> None:
        if self._file is None:
            raise SpoolError("cannot write: this writer was ended before")
        try:
            with _full_disk():
                self._file.write(data)
        except SpoolError:
            self.abort()
            raise


class Spool:
    """A folder of instances. Safe for many threads of one process; one process at a time.

    Attributes:
        root: The folder.
    """

    def __init__(self, root: Path, min_free_bytes: int = 0) -> None:
        """Open or create the folder.

        Args:
            root: The folder; created with its parents.
            min_free_bytes: Reserve: below this much free space nothing new is taken.

        Raises:
            SpoolError: The folder cannot be created.
        """
        self.root = root
        self._incoming = root / "incoming"
        self._quarantine = root / "quarantine"
        self._min_free_bytes = min_free_bytes
        # One lock for each folder of files: naming, counting and deleting of one identity do not overlap.
        self._locks = tuple(Lock() for _ in range(256))
        self._writing: set[str] = set()
        with _full_disk():
            make_folder(self._incoming)
            make_folder(self._quarantine)

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
        if not _ARRIVAL_ID.fullmatch(arrival.arrival_id):
            raise SpoolError("cannot spool: the arrival id is no UUID in hex")
        if arrival.arrival_id in self._writing:
            raise SpoolError("cannot spool: the arrival id is in use")
        if max(map(len, (sop_class_uid, sop_instance_uid, transfer_syntax_uid))) > _UID_MAX:
            raise SpoolError("cannot spool: a UID is too long")
        self.check_reserve()
        unknown_yet = arrival.at(datetime.min)  # noqa: DTZ901 - replaced at commit
        instance = SpooledInstance("", sop_class_uid, sop_instance_uid, transfer_syntax_uid, 0, unknown_yet)
        self._writing.add(arrival.arrival_id)
        try:
            with _full_disk():
                writer = SpoolWriter(self, instance, self._incoming / f"{arrival.arrival_id}.part")
        except SpoolError:
            self.forget(arrival.arrival_id)
            raise
        writer.start()
        return writer

    def check_reserve(self) -> None:
        """Refuse when free space is below the reserve.

        Raises:
            SpoolFullError: It is.
        """
        with _full_disk():
            state = os.statvfs(self.root)
        if state.f_bavail * state.f_frsize < self._min_free_bytes:
            _raise_full(None)

    def path(self, identity: str) -> Path:
        """The Part 10 file of an identity (it may not exist).

        Raises:
            SpoolError: This is no identity.
        """
        if not _IDENTITY.fullmatch(identity):
            raise SpoolError("cannot name a spool file: this is no identity")
        return self.root / identity[:2] / f"{identity}.dcm"

    def adopt(self, part: Path, instance: SpooledInstance) -> SpooledInstance:
        """Give a fsynced part file its name, or note one more arrival where the bytes are there already."""
        target = self.path(instance.identity)
        with self._lock(instance.identity), _full_disk():
            make_folder(target.parent)
            try:
                # A link, unlike a rename, never replaces: the first file and its first arrival stay.
                os.link(part, target)
            except FileExistsError:
                instance = replace(instance, duplicate=True)
                received = instance.arrival.received_at.isoformat(timespec="microseconds")
                name = f"{instance.identity}.{instance.arrival.arrival_id}.arrival"
                write_file(target.with_name(name), _encode_record(instance, received))
            else:
                fsync_folder(target.parent)
        return instance

    def forget(self, arrival_id: str) -> None:
        """This arrival is no longer being written."""
        self._writing.discard(arrival_id)

    def arrivals(self, identity: str) -> list[SpooledInstance]:
        """Every arrival of an identity, the first one first.

        Raises:
            SpoolError: There is no such file, or a record of it is broken.
        """
        target = self.path(identity)
        try:
            first = _read_data_file(target, identity)
            others = [
                _read_arrival(path, identity) for path in sorted(target.parent.glob(f"{identity}.*.arrival"))
            ]
        except (OSError, ValueError, InputError) as error:
            raise SpoolError("cannot read a spool file or its arrivals") from error
        return [first, *sorted(others, key=lambda each: each.arrival.received_at)]

    def verify(self, identity: str) -> None:
        """Re-hash a file against its name.

        Raises:
            SpoolError: It is missing or its bytes are not those that were accepted.
        """
        target = self.path(identity)
        try:
            found = _read_data_file(target, identity)
            state = identity_hash(found.sop_class_uid, found.sop_instance_uid, found.transfer_syntax_uid)
            with open_binary(target) as file:
                size = file.seek(0, os.SEEK_END)
                for piece in pieces(file, size - found.byte_count, found.byte_count):
                    state.update(piece)
        except (OSError, ValueError, InputError) as error:
            raise SpoolError("cannot read a spool file") from error
        if state.hexdigest() != identity:
            raise SpoolError("cannot use a spool file: its bytes are not those that were accepted")

    def delete(self, identity: str) -> None:
        """Remove a file and its arrival records, durably; harmless when absent.

        Raises:
            SpoolError: The disk failed.
        """
        target = self.path(identity)
        with self._lock(identity), _full_disk():
            if not target.parent.is_dir():
                return
            # The data last: arrivals without data would look like a loss.
            for sibling in target.parent.glob(f"{identity}.*.arrival"):
                sibling.unlink()
            target.unlink(missing_ok=True)
            fsync_folder(target.parent)

    def sweep(self) -> int:
        """Remove what a crash left unfinished: nobody was told that it was accepted.

        Returns:
            How many files were removed.

        Raises:
            SpoolError: The disk failed.
        """
        with _full_disk():
            orphans = [path for path in self._incoming.iterdir() if path.stem not in self._writing]
            orphans += self.root.glob("[0-9a-f][0-9a-f]/.*.tmp")
            for path in orphans:
                path.unlink(missing_ok=True)
        if orphans:
            _log.info("spool.swept", count=len(orphans))
        return len(orphans)

    def index(self) -> Iterator[SpooledInstance]:
        """Everything that was accepted, every arrival; unfinished files are swept first.

        Sizes and records are checked here, content by `verify`. What does not fit goes to `quarantine/`.

        Yields:
            Per file its first arrival, then the further ones with `duplicate` set.

        Raises:
            SpoolError: The disk failed.
        """
        self.sweep()
        with _full_disk():
            folders = sorted(path for path in self.root.glob("[0-9a-f][0-9a-f]") if path.is_dir())
        for folder in folders:
            with _full_disk():
                names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
            # `<identity>.<arrival>.arrival` sorts before `<identity>.dcm`: data first, so that a broken file
            # takes its arrivals along.
            for name in sorted(names, key=lambda each: (each[:64], not each.endswith(".dcm"))):
                found = self._index_one(folder / name)
                if found is not None:
                    yield found

    def quarantined(self) -> int:
        """How many files lie in quarantine."""
        return sum(1 for _ in self._quarantine.iterdir())

    def _index_one(self, path: Path) -> SpooledInstance | None:
        try:
            if data := _DATA_NAME.fullmatch(path.name):
                return _read_data_file(path, data["identity"])
            if (record := _ARRIVAL_NAME.fullmatch(path.name)) and self.path(record["identity"]).exists():
                return _read_arrival(path, record["identity"])
        except FileNotFoundError:
            return None  # deleted meanwhile
        except (ValueError, KeyError, InputError):
            pass
        except OSError as error:
            _log.warning("spool.unreadable", errno=error.errno)
        self._to_quarantine(path)
        return None

    def _to_quarantine(self, path: Path) -> None:
        target = self._quarantine / path.name
        attempt = 0
        while target.exists():
            attempt += 1
            target = self._quarantine / f"{path.name}.{attempt}"
        with _full_disk():
            path.rename(target)
            fsync_folder(self._quarantine)
            fsync_folder(path.parent)
        _log.error("spool.quarantined", file=target.name)

    def _lock(self, identity: str) -> Lock:
        return self._locks[int(identity[:2], 16)]


def _create(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "wb", buffering=256 * 1024)


def _raise_full(error: OSError | None) -> NoReturn:
    raise SpoolFullError(
        "cannot take more instances: the spool has no space left", "free disk space or move the spool"
    ) from error


class _full_disk:  # noqa: N801 - used as a statement: `with _full_disk():`
    """Turn what the disk says into our errors."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, OSError):
            return
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _raise_full(error)
        raise SpoolError(
            f"cannot use the spool: {os.strerror(error.errno or errno.EIO)}", "check the disk"
        ) from error


def _encode_record(instance: SpooledInstance, received_at: str) -> bytes:
    """An arrival record; its length does not depend on what only `commit` knows."""
    fields = asdict(instance.arrival)
    fields["received_at"] = received_at.ljust(_TIME_WIDTH)
    record = {
        "schema": _SCHEMA,
        "sop_class_uid": instance.sop_class_uid,
        "sop_instance_uid": instance.sop_instance_uid,
        "transfer_syntax_uid": instance.transfer_syntax_uid,
        "byte_count": f"{instance.byte_count:>{_COUNT_WIDTH}}",
        "arrival": fields,
    }
    return json.dumps(record, ensure_ascii=True).encode("ascii")


def _decode_record(raw: bytes, identity: str, *, duplicate: bool) -> SpooledInstance:
    """Raises ValueError (also for JSON of another shape)."""
    try:
        record: dict[str, Any] = json.loads(raw.rstrip(b"\0 "))
        fields: dict[str, str] = {key: str(value) for key, value in record["arrival"].items()}
        received_at = datetime.fromisoformat(fields.pop("received_at").strip())
        if record["schema"] != _SCHEMA or received_at.tzinfo is None:
            raise ValueError("not a record of ours")
        return SpooledInstance(
            identity=identity,
            sop_class_uid=str(record["sop_class_uid"]),
            sop_instance_uid=str(record["sop_instance_uid"]),
            transfer_syntax_uid=str(record["transfer_syntax_uid"]),
            byte_count=int(record["byte_count"]),
            arrival=ArrivalContext(**fields).at(received_at),
            duplicate=duplicate,
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("not a record of ours") from error


def _read_data_file(path: Path, identity: str) -> SpooledInstance:
    with open_binary(path) as file:
        size = file.seek(0, os.SEEK_END)
        meta = read_file_meta(Window(file, size))
    if meta.uid(PRIVATE_INFORMATION_CREATOR_UID) != CREATOR_UID:
        raise ValueError("not a file of ours")
    found = _decode_record(meta.values.get(PRIVATE_INFORMATION, b""), identity, duplicate=False)
    if found.byte_count != size - meta.dataset_offset:
        raise ValueError("the file is shorter or longer than what was accepted")
    return found


def _read_arrival(path: Path, identity: str) -> SpooledInstance:
    return _decode_record(path.read_bytes(), identity, duplicate=True)
