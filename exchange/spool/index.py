"""Start-up: what lies in the spool, file by file: the broken go aside, the plain old ones are sealed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from exchange.domain.errors import InputError
from exchange.domain.instance import SpooledInstance
from exchange.durable import fsync_folder, write_file
from exchange.keys.storage import KeyEncryption
from exchange.spool.disk import disk
from exchange.spool.envelope import ChangedError
from exchange.spool.epochs import EpochKeys
from exchange.spool.layout import FileName, data_path, parse_name
from exchange.spool.reading import Reading
from exchange.spool.records import plain_record
from exchange.spool.takeover import drop, read_plain, take_over
from exchange.spool.writer import SpoolWriter

_ORDER = {"sealed": 0, "dcm": 1}  # data first, so that a broken file takes its arrivals along

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ClosedFile:
    """A file that a start cannot open without its row: custody must know its arrival.

    Attributes:
        path: The file.
        identity: Of its instance.
        arrival_id: Which coming of it the file records.
        further: True for the record of a further arrival.
    """

    path: Path
    identity: str
    arrival_id: str
    further: bool


@dataclass(frozen=True, slots=True)
class Sealing:
    """How plain files of version 1 are sealed.

    Attributes:
        open_writer: Gives a writer for an arrival whose time is known.
        add_arrival: Writes the sealed record of a further arrival.
    """

    open_writer: Callable[[SpooledInstance], SpoolWriter]
    add_arrival: Callable[[SpooledInstance], None]


class Index:
    """One look at a whole spool.

    Attributes:
        closed: What it could not open.
    """

    def __init__(self, root: Path, reading: Reading, epochs: EpochKeys, sealing: Sealing) -> None:
        self.closed: list[ClosedFile] = []
        self._root = root
        self._reading = reading
        self._epochs = epochs
        self._sealing = sealing

    def run(self, kek: KeyEncryption) -> Iterator[SpooledInstance]:
        """As `Spool.index`."""
        with disk():
            folders = sorted(path for path in self._root.glob("[0-9a-f][0-9a-f]") if path.is_dir())
        for folder in folders:
            with disk():
                names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
            for name in sorted(names, key=_order):
                found = self._one(folder / name, kek)
                if found is not None:
                    yield found
        self._epochs.all_found()

    def _one(self, path: Path, kek: KeyEncryption) -> SpooledInstance | None:
        name = parse_name(path.name)
        try:
            if name is not None and (not name.arrival_id or data_path(self._root, name.identity).exists()):
                return self._read(path, name)
        except FileNotFoundError:
            return None  # deleted meanwhile
        except (ChangedError, InputError):
            pass
        except OSError as error:
            _log.warning("spool.unreadable", errno=error.errno)
        to_quarantine(self._root / "quarantine", path, self._reading, kek)
        return None

    def _read(self, path: Path, name: FileName) -> SpooledInstance | None:
        if name.plain:
            return self._seal(path, name)
        if name.arrival_id and _is_plain_record(path):
            found = plain_record(path.read_bytes(), name.identity, duplicate=True)
            if found.arrival.arrival_id != name.arrival_id:
                raise ChangedError("it is another file than its name says")
            self._sealing.add_arrival(found)
            return found
        instance = self._reading.instance(path, name)
        prefix = self._reading.prefix(path)
        arrival_id = prefix.file_id.hex()
        if instance is None:
            self.closed.append(ClosedFile(path, name.identity, arrival_id, bool(name.arrival_id)))
            return None
        self._epochs.found(prefix.epoch_id, arrival_id)
        return instance

    def _seal(self, path: Path, name: FileName) -> SpooledInstance | None:
        if data_path(self._root, name.identity).exists():
            drop(path)  # it was sealed before; a crash came before it could be deleted
            return None
        return take_over(read_plain(path, name.identity), self._sealing.open_writer)


def to_quarantine(folder: Path, path: Path, reading: Reading, kek: KeyEncryption) -> None:
    """Put a file aside; its data key, as long as there is one, goes along under the storage key.

    Raises:
        SpoolError: The disk failed.
    """
    target = folder / path.name
    attempt = 0
    while target.exists():
        attempt += 1
        target = folder / f"{path.name}.{attempt}"
    with disk():
        try:
            key = reading.epoch_data_key(path)
        except (ChangedError, OSError):
            key = None
        if key is not None:
            binding = b"lockgate/quarantine/v1\0" + target.name.encode()
            write_file(target.with_name(f"{target.name}.key"), kek.wrap(key, binding))
        path.rename(target)
        fsync_folder(folder)
        fsync_folder(path.parent)
    _log.error("spool.quarantined", file=target.name)


def _order(name: str) -> tuple[str, int, str]:
    return name[:64], _ORDER.get(name.rpartition(".")[2], len(_ORDER)), name


def _is_plain_record(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == b"{"
