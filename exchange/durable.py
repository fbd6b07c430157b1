"""Files that survive a power cut: written aside, fsynced, renamed, and their folder fsynced.

A name that exists after these functions returned holds the whole content; a crash at any moment leaves either
the old file or the new one, and at worst an orphan whose name ends in `.tmp`.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO


def fsync_folder(path: Path) -> None:
    """Make the names in a folder durable.

    Raises:
        OSError: The folder cannot be opened or synced.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_files(paths: Iterable[Path]) -> None:
    """Make the contents of files durable; after many were written the disk is busy with the first already.

    Their names are another matter (`fsync_folder`).

    Raises:
        OSError: One cannot be opened or synced.
    """
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_folder(path: Path, mode: int = 0o700) -> None:
    """Create a folder and its missing parents, each durable; an existing folder is left as it is.

    Args:
        path: The folder.
        mode: Permission bits of what is created (before the umask).

    Raises:
        OSError: A part of the path is not a folder, or cannot be created.
    """
    missing: list[Path] = []
    current = path
    while not current.is_dir():
        missing.append(current)
        current = current.parent
    for folder in reversed(missing):
        folder.mkdir(mode=mode, exist_ok=True)
        fsync_folder(folder.parent)


@contextmanager
def replacing(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Give a file to write; it takes the name `path`, durably, when the block ends without an exception.

    Args:
        path: The final name; an existing file is replaced atomically.
        mode: Permission bits of the new file.

    Raises:
        OSError: Writing failed (for instance ENOSPC); nothing is left behind.
    """
    temporary = path.with_name(f".{token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb+") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def write_file(path: Path, data: bytes | Iterable[bytes], mode: int = 0o600) -> None:
    """Write a whole file durably; its folder must exist.

    Args:
        path: The final name; an existing file is replaced atomically.
        data: The content, at once or in pieces.
        mode: Permission bits of the new file.

    Raises:
        OSError: Writing failed; nothing is left behind and an existing file is untouched.
    """
    with replacing(path, mode) as file:
        if isinstance(data, bytes):
            file.write(data)
        else:
            file.writelines(data)
