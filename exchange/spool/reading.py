"""Opening what lies in the spool: with an epoch key until custody has the row, with the row's afterwards."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from exchange.dicomio.filemeta import read_file_meta
from exchange.dicomio.stream import open_binary, pieces
from exchange.dicomio.window import Window
from exchange.domain.errors import InputError, KeysError, SpoolError
from exchange.domain.instance import SpooledInstance, identity_hash
from exchange.keys.storage import KeyEncryption
from exchange.spool.envelope import ChangedError, Prefix
from exchange.spool.epochs import EpochKeys, unwrap_by_epoch
from exchange.spool.layout import FileName, data_path, parse_name
from exchange.spool.records import header_arrival
from exchange.spool.sealed import SealedSource, open_sealed, read_prefix


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class Reading:
    """The reading half of one spool."""

    def __init__(self, root: Path, kek: KeyEncryption, epochs: EpochKeys) -> None:
        self._root = root
        self._kek = kek
        self._epochs = epochs

    def wrap(self, identity: str, data_key: bytes) -> bytes:
        """A data key as its row holds it."""
        return self._kek.wrap(data_key, _binding(identity))

    def source(self, identity: str, wrapped_key: bytes) -> SealedSource:
        """As `Spool.source`."""
        path = data_path(self._root, identity)
        try:
            if wrapped_key:
                return SealedSource(path, self._kek.unwrap(wrapped_key, _binding(identity)), identity)
            key = self.epoch_data_key(path)
        except (KeysError, ChangedError, OSError) as error:
            raise SpoolError("cannot open a spool file: it is missing, or its key is another's") from error
        if key is None:
            raise SpoolError("cannot open a spool file: its key is destroyed")
        return SealedSource(path, key, identity)

    def verify(self, identity: str, wrapped_key: bytes) -> None:
        """As `Spool.verify`."""
        source = self.source(identity, wrapped_key)
        try:
            with _opened(source.path) as descriptor:
                _, header = open_sealed(descriptor, source.key, identity)
            state = identity_hash(*header.meta)
            with open_binary(source) as file:
                size = file.seek(0, os.SEEK_END)
                offset = read_file_meta(Window(file, size)).dataset_offset
                for piece in pieces(file, offset, size - offset):
                    state.update(piece)
        except (OSError, ChangedError, InputError) as error:
            raise SpoolError("cannot use a spool file: its bytes are not those that were sealed") from error
        if state.hexdigest() != identity:
            raise SpoolError("cannot use a spool file: its bytes are not those that were accepted")

    def prefix(self, path: Path) -> Prefix:
        """The part in clear.

        Raises:
            ChangedError: This is no sealed file.
            OSError: It cannot be read.
        """
        with _opened(path) as descriptor:
            return read_prefix(descriptor)

    def epoch_data_key(self, path: Path) -> bytes | None:
        """The data key as long as the file's epoch lives, None afterwards.

        Raises:
            ChangedError: This is no sealed file, or its wrapped key was changed.
            OSError: It cannot be read.
        """
        return self._data_key(self.prefix(path))

    def instance(self, path: Path, name: FileName) -> SpooledInstance | None:
        """The arrival that a file tells of; None when its epoch is over.

        Raises:
            ChangedError: It is broken, or another file than its name says.
            OSError: It cannot be read.
        """
        with _opened(path) as descriptor:
            key = self._data_key(read_prefix(descriptor))
            if key is None:
                return None
            prefix, header = open_sealed(descriptor, key, name.identity)
        wrapped = b"" if name.arrival_id else self.wrap(name.identity, key)
        found = header_arrival(header, duplicate=bool(name.arrival_id), wrapped_key=wrapped)
        expected = name.arrival_id or prefix.file_id.hex()
        if not expected == found.arrival.arrival_id == prefix.file_id.hex():
            raise ChangedError("it is another file than its name says")
        return found

    def arrival_ids(self, identity: str) -> frozenset[str]:
        """As `Spool.arrival_ids`; OSError is raised as it is."""
        path = data_path(self._root, identity)
        try:
            ids = {self.prefix(path).file_id.hex()}
        except FileNotFoundError:
            return frozenset()
        except ChangedError:
            ids = set()  # what lies there is no file of ours any more
        names = (parse_name(one.name) for one in path.parent.glob(f"{identity}.*.arrival"))
        return frozenset(ids.union(name.arrival_id for name in names if name is not None))

    def epoch_ids(self, identity: str) -> frozenset[bytes]:
        """The epochs of an instance's file and of its further arrivals."""
        path = data_path(self._root, identity)
        files = [path, *path.parent.glob(f"{identity}.*.arrival")]
        found = set()
        for one in files:
            with suppress(FileNotFoundError, ChangedError):
                found.add(self.prefix(one).epoch_id)
        return frozenset(found)

    def _data_key(self, prefix: Prefix) -> bytes | None:
        key = self._epochs.key(prefix.epoch_id)
        return None if key is None else unwrap_by_epoch(key, prefix)


def _binding(identity: str) -> bytes:
    return b"lockgate/instance/v1\0" + identity.encode("ascii")
