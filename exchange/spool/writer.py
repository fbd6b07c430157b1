"""One instance on its way into the spool."""

import os
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

import structlog

from exchange.domain.errors import SpoolError
from exchange.domain.instance import SpooledInstance, identity_hash
from exchange.spool.disk import disk
from exchange.spool.envelope import Prefix, content_cipher, seal_header, sealed_header_bytes
from exchange.spool.records import arrival_header
from exchange.spool.sealer import Buffers, Sealer, write_at
from exchange.spool.stream import PlainStream, as_binary

_CHECK_EVERY = 16 * 1024 * 1024  # bytes written between looks at the reserve

_log = structlog.get_logger()


class Taker(Protocol):
    """What a writer asks of its spool."""

    @property
    def buffers(self) -> Buffers:
        """Where chunk buffers come from."""

    def check_reserve(self) -> None:
        """Refuse when free space is below the reserve (SpoolFullError)."""

    def adopt(self, part: Path, instance: SpooledInstance, key: bytes) -> SpooledInstance:
        """Give a fsynced part file its name, or note one more arrival of the same bytes."""

    def forget(self, arrival_id: str) -> None:
        """This arrival is no longer being written, and has come to nothing."""

    def done(self, arrival_id: str) -> None:
        """This arrival is no longer being written, because it is durable."""


@dataclass(frozen=True, slots=True)
class FileKeys:
    """What a new spool file is sealed with.

    Attributes:
        data_key: Random, of this file only.
        prefix: The clear part; its `header_bytes` are set by the writer.
    """

    data_key: bytes = field(repr=False)
    prefix: Prefix


class SpoolWriter:
    """One instance on its way in, ended by `commit` or `abort`; the end of a `with` block is an `abort`."""

    def __init__(self, spool: Taker, instance: SpooledInstance, part: Path, keys: FileKeys) -> None:
        """Create the part file; `Spool.begin` is the way to a writer.

        Raises:
            OSError: It cannot be created.
        """
        self._spool = spool
        self._instance = instance
        self._part = part
        self._key = keys.data_key
        meta = (instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid)
        self._prefix = replace(
            keys.prefix, header_bytes=sealed_header_bytes(arrival_header(instance).encode())
        )
        self._hash = identity_hash(*meta)
        self._unchecked = 0
        self._descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        cipher = content_cipher(self._prefix, self._key, meta)
        self._sealer: Sealer | None = Sealer(
            self._descriptor, self._prefix.content_offset, cipher, self._hash, spool.buffers
        )

    @property
    def byte_count(self) -> int:
        """Bytes of the data set taken so far; 0 after the end."""
        return 0 if self._sealer is None else self._sealer.byte_count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the data set; the caller may use its buffer again afterwards.

        Raises:
            SpoolFullError: No space, or the reserve would be touched; everything of this instance is removed.
            SpoolError: The disk failed, or the writer was ended before.
        """
        sealer = self._sealer
        if sealer is None:
            raise SpoolError("cannot write: this writer was ended before")
        try:
            with disk():
                sealer.write(chunk)
            self._unchecked += len(chunk)
            if self._unchecked >= _CHECK_EVERY:
                self._unchecked = 0
                self._spool.check_reserve()
        except SpoolError:
            self.abort()
            raise

    @property
    def announced(self) -> tuple[str, str, str]:
        """SOP class, SOP instance and transfer syntax UID, as the sender said them."""
        one = self._instance
        return one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid

    def written(self) -> BinaryIO:
        """The data set as far as it came, in clear, for a look before `commit`.

        It is good until more is written or the writer is ended.

        Raises:
            SpoolError: The writer was ended before.
        """
        sealer = self._sealer
        if sealer is None:
            raise SpoolError("cannot read: this writer was ended before")
        return as_binary(PlainStream(b"", sealer.byte_count, sealer.loader(), lambda: None))

    def commit(self, received_at: datetime) -> SpooledInstance:
        """Make it durable: content and names are fsynced when this returns.

        Args:
            received_at: Now, by the caller's clock; timezone-aware UTC.

        Raises:
            SpoolFullError: No space; everything of this arrival is removed.
            SpoolError: The disk failed, or the writer was ended before.
        """
        sealer = self._sealer
        if sealer is None:
            raise SpoolError("cannot commit: this writer was ended before")
        try:
            with disk():
                sealer.finish()
                done = replace(
                    self._instance,
                    identity=self._hash.hexdigest(),
                    byte_count=sealer.byte_count,
                    arrival=replace(self._instance.arrival, received_at=received_at),
                )
                header = arrival_header(done).encode()
                write_at(self._descriptor, seal_header(self._prefix, self._key, header), 0)
                os.fsync(self._descriptor)
                done = self._spool.adopt(self._part, done, self._key)
            self._end()
            self._spool.done(done.arrival.arrival_id)
            return done
        finally:
            self.abort()

    def abort(self) -> None:
        """Remove what was written; harmless after `commit`."""
        if self._sealer is not None:
            self._end()
            self._spool.forget(self._instance.arrival.arrival_id)

    def _end(self) -> None:
        sealer, self._sealer = self._sealer, None
        if sealer is None:
            return
        sealer.close()
        try:
            os.close(self._descriptor)
            self._part.unlink(missing_ok=True)
        except OSError:  # `sweep` removes what is left; an accepted instance has its own name by now
            _log.warning("spool.close_failed", arrival=self._instance.arrival.arrival_id)
