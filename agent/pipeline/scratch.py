"""The files of an attempt before they are frozen: in clear where they name nobody, else sealed.

A cleaned file that still carries an identity is made and proved in memory, and reaches the disk sealed only
(ADR 8, 16).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from exchange.dicomio.stream import open_binary
from exchange.domain.source import Source
from exchange.spool.sealed import SealedSource, seal_file
from redact.stage import CleanedInstance, InstanceCleaner

_PIECE = 1 << 20


def plain_file(folder: Path, key: str) -> Path:
    """Where a cleaned instance is written that names nobody."""
    return folder / f"{key}.dcm"


def sealed_file(folder: Path, identity: str) -> Path:
    """Where an instance is written that carries an identity."""
    return folder / f"{identity}.sealed"


def store_sealed(target: Path, key: bytes, chunks: Iterator[bytes], sha256: str) -> Source:
    """Write a file sealed, under the inner name that `frozen_source` asks for."""
    seal_file(target, chunks, key, sha256)
    return SealedSource(target, key, sha256)


def clean_to(
    folder: Path, name: str, cleaner: InstanceCleaner, source: Source, key: bytes | None
) -> CleanedInstance:
    """Clean and prove one instance: into its plain file, or, with a key, in memory and then sealed.

    Args:
        folder: The attempt's.
        name: Of the instance: its identity.
        cleaner: Of its study.
        source: The original.
        key: A fresh data key; None where the cleaned file names nobody.

    Raises:
        HeldError: It must not pass; nothing is written.
        InputError: The source cannot be read.
        OSError: Writing failed, or there is no memory for it.
    """
    if key is None:
        return cleaner.run(source, plain_file(folder, name))
    target = sealed_file(folder, name)
    with _in_memory() as (path, sink):
        done = cleaner.run(source, path, sink)
        with open_binary(path) as file:
            store_sealed(target, key, iter(lambda: file.read(_PIECE), b""), done.written.sha256)
    return replace(done, path=target)


@contextmanager
def _in_memory() -> Iterator[tuple[Path, BinaryIO]]:
    """A file without a name, gone with this block or this process, and a path by which it can be read."""
    descriptor = os.memfd_create("cleaned", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb+") as sink:
        yield Path(f"/proc/self/fd/{descriptor}"), sink
