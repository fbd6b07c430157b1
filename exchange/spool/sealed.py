"""Sealed files as sources: read in clear by whoever has the data key, here or in a worker process."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from exchange.dicomio.filemeta import encode_file_meta
from exchange.domain.instance import Hash
from exchange.durable import replacing
from exchange.keys.entropy import random_bytes
from exchange.keys.storage import KEY_BYTES, WRAPPED_BYTES, FileKeyEncryption
from exchange.spool.envelope import (
    NO_EPOCH,
    PREFIX_BYTES,
    ChangedError,
    Header,
    Prefix,
    content_cipher,
    decode_prefix,
    file_bytes,
    new_salt,
    open_header,
    seal_header,
    sealed_header_bytes,
)
from exchange.spool.sealer import Buffers, Sealer, write_at
from exchange.spool.stream import PlainStream, as_binary, changed, chunk_loader


def new_data_key() -> bytes:
    """A fresh random key for one file."""
    return random_bytes(KEY_BYTES)


def wrap(kek: bytes, key: bytes, bound_to: bytes) -> bytes:
    """A data key under a key-encryption key, bound to what it is for (`exchange.keys.storage`)."""
    return FileKeyEncryption(kek).wrap(key, bound_to)


def unwrap(kek: bytes, wrapped: bytes, bound_to: bytes) -> bytes:
    """The data key again.

    Raises:
        KeysError: It was wrapped by another key, for something else, or was changed.
    """
    return FileKeyEncryption(kek).unwrap(wrapped, bound_to)


@dataclass(frozen=True, slots=True)
class SealedSource:
    """A sealed file with its key. Its repr shows no key; pickled, it crosses to our own workers only.

    Attributes:
        path: The sealed file.
        key: Its data key.
        name: Whose content it must be: an identity of the spool, or what `seal_file` was told.
    """

    path: Path
    key: bytes = field(repr=False)
    name: str

    def open_plain(self) -> BinaryIO:
        """The content in clear; a bare data set comes under a fresh file meta.

        Raises:
            OSError: It cannot be read, was changed, or is another file than it should be.
        """
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            prefix, header = open_sealed(descriptor, self.key, self.name)
            cipher = content_cipher(prefix, self.key, header.meta)
            load = chunk_loader(descriptor, cipher, prefix.content_offset, header.byte_count)
            meta = b""
            if header.meta:
                sop_class_uid, sop_instance_uid, transfer_syntax_uid = header.meta
                meta = encode_file_meta(sop_class_uid, sop_instance_uid, transfer_syntax_uid)
            return as_binary(PlainStream(meta, header.byte_count, load, lambda: os.close(descriptor)))
        except ChangedError:
            os.close(descriptor)
            raise changed() from None
        except BaseException:
            os.close(descriptor)
            raise

    def is_file(self) -> bool:
        """Whether it is there."""
        return self.path.is_file()


def read_prefix(descriptor: int) -> Prefix:
    """The part of a sealed file that is in clear.

    Raises:
        ChangedError: This is no sealed file.
        OSError: It cannot be read.
    """
    return decode_prefix(os.pread(descriptor, PREFIX_BYTES, 0))


def open_sealed(descriptor: int, data_key: bytes, name: str) -> tuple[Prefix, Header]:
    """Open prefix and header, and check that the file is the one that `name` says, and as long as it was.

    Raises:
        ChangedError: It is not.
        OSError: It cannot be read.
    """
    prefix = read_prefix(descriptor)
    header = open_header(prefix, data_key, os.pread(descriptor, prefix.header_bytes, PREFIX_BYTES))
    if header.name != name:
        raise ChangedError("it is another file than its name says")
    if header.meta and len(header.meta) != len(("class", "instance", "syntax")):
        raise ChangedError("not a header of ours")
    if os.fstat(descriptor).st_size != file_bytes(prefix, header.byte_count):
        raise ChangedError("it is shorter or longer than what was sealed")
    return prefix, header


def seal_file(target: Path, chunks: Iterable[bytes | memoryview], key: bytes, name: str = "") -> int:
    """Write a whole file sealed and durable under its name; an existing one is replaced atomically.

    Args:
        target: The final name; its folder exists.
        chunks: The content, in pieces of any size.
        key: A fresh data key (`new_data_key`); never used for another file.
        name: Whose content it is; default: the file's name. `SealedSource` must be given the same.

    Returns:
        Length of the content.

    Raises:
        OSError: Writing failed; nothing is left behind.
    """
    name = name or target.name
    state: Hash = sha256()
    prefix = Prefix(
        salt=new_salt(),
        file_id=random_bytes(len(NO_EPOCH)),
        epoch_id=NO_EPOCH,
        epoch_wrapped=bytes(WRAPPED_BYTES),
        header_bytes=sealed_header_bytes(Header(name, 0).encode()),
    )
    with replacing(target) as file:
        cipher = content_cipher(prefix, key, ())
        sealer = Sealer(file.fileno(), prefix.content_offset, cipher, state, Buffers())
        try:
            for chunk in chunks:
                sealer.write(chunk)
            sealer.finish()
        finally:
            sealer.close()
        write_at(file.fileno(), seal_header(prefix, key, Header(name, sealer.byte_count).encode()), 0)
    return sealer.byte_count
