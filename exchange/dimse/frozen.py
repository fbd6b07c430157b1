"""The frozen bytes on their way out: read in pieces, and checked against their digest while they are read.

Whoever sends them must not let the last piece become effective (last fragment, closing boundary, rename)
before the iterator ended in order: it raises at its end when these are not the bytes that were proved.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import RawIOBase
from typing import BinaryIO, cast

from exchange.dicomio.filemeta import encode_file_meta, read_file_meta
from exchange.dicomio.stream import open_binary
from exchange.dicomio.window import Window
from exchange.domain.delivery import DAMAGED, InstanceOutcome, InstanceState, OutgoingInstance
from exchange.domain.errors import DeliveryError, InputError

PIECE = 256 * 1024
WHOLE_MAX = 4 * 1024 * 1024
"""Longest data set that `WholeReader` holds, in bytes."""
# Of the machine or the disk, not of this file: the next attempt may find it readable.
_PASSING = frozenset({errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})


class FrozenBytesError(DeliveryError):
    """The frozen file is not there, or not as it was proved; nothing complete of it has left.

    Attributes:
        altered: True when the file is gone or its bytes differ; False when it cannot be read just now.
    """

    def __init__(self, message: str, hint: str, *, altered: bool) -> None:
        super().__init__(message, hint)
        self.altered = altered


def frozen_pieces(instance: OutgoingInstance, *, with_file_meta: bool) -> Iterator[bytes]:
    """Read the frozen file in pieces of at most 256 KiB.

    Args:
        instance: What to read.
        with_file_meta: True for a Part 10 file with a fresh file meta, False for the data set alone.

    Raises:
        FrozenBytesError: It cannot be read, or its data set's SHA-256 is not `instance.sha256`.
    """
    state = sha256()
    with _opened(instance) as (file, _):
        if with_file_meta:
            yield fresh_file_meta(instance)
        while piece := file.read(PIECE):
            state.update(piece)
            yield piece
    _require(state.hexdigest(), instance)


class WholeReader:
    """Reads short data sets whole and checks them before their first byte leaves; one buffer for all."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def read(self, instance: OutgoingInstance) -> memoryview | None:
        """The data set, valid until the next call; None when it is too long to be held.

        Raises:
            FrozenBytesError: It cannot be read, or its SHA-256 is not `instance.sha256`.
        """
        with _opened(instance) as (file, length):
            if length > WHOLE_MAX:
                return None
            if length > len(self._buffer):
                self._buffer = bytearray(length)
            view = memoryview(self._buffer)[:length]
            filled = 0
            stream = cast("RawIOBase", file)  # both kinds of sources are, and BinaryIO has no readinto
            while count := stream.readinto(view[filled:]):
                filled += count
        _require(sha256(view[:filled]).hexdigest(), instance)
        return view


@contextmanager
def _opened(instance: OutgoingInstance) -> Iterator[tuple[BinaryIO, int]]:
    """The frozen file at the start of its data set, and how long that is; failures in our own words."""
    try:
        with open_binary(instance.source) as file:
            size = file.seek(0, 2)
            offset = read_file_meta(Window(file, size)).dataset_offset
            file.seek(offset)
            yield file, size - offset
    except (OSError, InputError) as error:
        raise FrozenBytesError(
            "cannot read the frozen file",
            "check the disk and the state folder, bring the file back from a backup, then retry the exchange",
            altered=getattr(error, "errno", None) not in _PASSING,
        ) from error


def _require(digest: str, instance: OutgoingInstance) -> None:
    if digest != instance.sha256:
        raise FrozenBytesError(
            "cannot send the frozen file: its bytes are not those that were proved",
            "find out who changed it, bring it back from a backup, then retry the exchange",
            altered=True,
        )


def fresh_file_meta(instance: OutgoingInstance) -> bytes:
    """Preamble and file meta for the way out: what a spool file's own meta says of its way in stays here."""
    return encode_file_meta(instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid)


def frozen_outcome(instance: OutgoingInstance, error: FrozenBytesError) -> InstanceOutcome:
    """Not sent: a damaged file waits for a person to bring it back, an unreadable one for the disk."""
    status = DAMAGED if error.altered else "unreadable"
    return InstanceOutcome(instance.sop_instance_uid, InstanceState.PENDING, status, str(error))
