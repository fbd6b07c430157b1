"""The plain spool files of version 1, as an upgrade finds them: sealed, and then deleted.

Such a file `<identity>.dcm` is an ordinary Part 10 file with its first arrival in PrivateInformation
(0002,0102); further arrivals are JSON files. Nothing is deleted before its sealed form is durable, and a
crash in between leaves both, which the next start sees.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from exchange.dicomio.filemeta import (
    PRIVATE_INFORMATION,
    PRIVATE_INFORMATION_CREATOR_UID,
    read_file_meta,
)
from exchange.dicomio.stream import open_binary, pieces
from exchange.dicomio.window import Window
from exchange.domain.instance import SpooledInstance, identity_hash
from exchange.durable import fsync_folder
from exchange.spool.envelope import ChangedError
from exchange.spool.records import plain_record
from exchange.spool.writer import SpoolWriter

CREATOR_UID = "2.25.141895520365733108437425894376154930178"


@dataclass(frozen=True, slots=True)
class PlainFile:
    """A spool file of version 1 whose bytes were found to be those that were accepted."""

    path: Path
    instance: SpooledInstance
    dataset_offset: int


def read_plain(path: Path, identity: str) -> PlainFile:
    """Read a plain file and hash it against its name.

    Raises:
        ChangedError: It is none of ours, or not what was accepted.
        InputError: Its file meta information is truncated.
        OSError: It cannot be read.
    """
    with open_binary(path) as file:
        size = file.seek(0, os.SEEK_END)
        meta = read_file_meta(Window(file, size))
        if meta.uid(PRIVATE_INFORMATION_CREATOR_UID) != CREATOR_UID:
            raise ChangedError("not a file of ours")
        found = plain_record(meta.values.get(PRIVATE_INFORMATION, b""), identity, duplicate=False)
        if found.byte_count != size - meta.dataset_offset:
            raise ChangedError("the file is shorter or longer than what was accepted")
        state = identity_hash(found.sop_class_uid, found.sop_instance_uid, found.transfer_syntax_uid)
        for piece in pieces(file, meta.dataset_offset, found.byte_count):
            state.update(piece)
    if state.hexdigest() != identity:
        raise ChangedError("its bytes are not those that were accepted")
    return PlainFile(path, found, meta.dataset_offset)


def take_over(plain: PlainFile, open_writer: Callable[[SpooledInstance], SpoolWriter]) -> SpooledInstance:
    """Seal a plain file with the arrival that it tells of, then delete it.

    Raises:
        SpoolError: The disk failed or is full; the plain file is untouched.
        OSError: It cannot be read or deleted.
    """
    with open_writer(plain.instance) as writer, open_binary(plain.path) as file:
        for piece in pieces(file, plain.dataset_offset, plain.instance.byte_count):
            writer.write(piece)
        done = writer.commit(plain.instance.arrival.received_at)
    drop(plain.path)
    return done


def drop(path: Path) -> None:
    """Delete a plain file whose sealed form is durable.

    Raises:
        OSError: It cannot be deleted.
    """
    path.unlink(missing_ok=True)
    fsync_folder(path.parent)
