"""Receiving a C-STORE: data set fragments go straight into a spool part file, never into memory.

pynetdicom collects a data set by calling `write` on the message's `data_set`; here that object is a
`DataSetSink`. Everything else of the message exchange stays pynetdicom's.
"""

from collections.abc import Callable
from io import BytesIO
from threading import Condition, Lock
from typing import Any
from uuid import uuid4

import structlog
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage

from exchange.domain.errors import SpoolError
from exchange.spool import ArrivalContext, Spool, SpoolWriter

_COMMAND_MAX = 64 * 1024  # bytes; a C-STORE-RQ command set needs about 300

_log = structlog.get_logger()


class BadMessageError(Exception):
    """A message that no conforming peer sends; the association is aborted."""


class DataSetSink(BytesIO):
    """Takes the fragments of one data set.

    Attributes:
        failure: Why the spool could not take them; the rest of the data set is then read and dropped, so
            that the peer gets its answer.
    """

    def __init__(self, open_writer: Callable[[], SpoolWriter]) -> None:
        super().__init__()
        self.failure: SpoolError | None = None
        self._open_writer = open_writer
        self._writer: SpoolWriter | None = None
        self._lock = Lock()
        self._ended = False

    def write(self, chunk: Any, /) -> int:
        """Pass a fragment on to the spool."""
        with self._lock:
            if self._ended:
                raise BadMessageError("the association has ended")
            if self.failure is None:
                try:
                    if self._writer is None:
                        self._writer = self._open_writer()
                    self._writer.write(chunk)
                except SpoolError as error:
                    self.failure = error
        return len(chunk)

    def take(self) -> SpoolWriter | None:
        """Hand over the writer; from now on the taker ends it. None for an empty data set."""
        with self._lock:
            self._ended = True
            writer, self._writer = self._writer, None
            return writer

    def drop(self) -> None:
        """Remove what was received so far; nothing after `take`."""
        writer = self.take()
        if writer is not None:
            writer.abort()


class StoreReception(DIMSEServiceProvider):  # type: ignore[misc] # pynetdicom has no stubs
    """The DIMSE provider of one association, receiving into the spool.

    Attributes:
        certificate_sha256: Fingerprint of the caller's certificate, "" without TLS.
    """

    def __init__(
        self, assoc: Any, spool: Spool, describe: Callable[[Any], ArrivalContext], certificate_sha256: str
    ) -> None:
        super().__init__(assoc)
        self.message: Any = None
        self.certificate_sha256 = certificate_sha256
        self._spool = spool
        self._describe = describe
        self._state = Condition()
        self._unanswered = 0
        self._sinks: list[DataSetSink] = []
        self._closed = False

    def receive_primitive(self, primitive: Any) -> None:
        """Take one P-DATA primitive; a broken message aborts the association."""
        if self.message is None:
            self.message = self._new_message()
        message = self.message
        try:
            super().receive_primitive(primitive)
            if message.encoded_command_set.tell() > _COMMAND_MAX:
                raise BadMessageError("the command set is too long")
        except Exception as error:  # noqa: BLE001 - the boundary of one association: whatever a peer sends
            _log.warning("intake.bad_message", error=type(error).__name__)
            self._drop_message(message)
            self.dul.event_queue.put("Evt19")  # invalid PDU: A-ABORT by the provider (PS3.8 9.2)
        if self.message is None:
            with self._state:
                self._unanswered += 1

    def send_msg(self, primitive: Any, context_id: int) -> None:
        """Send an answer."""
        super().send_msg(primitive, context_id)
        with self._state:
            self._unanswered = max(0, self._unanswered - 1)
            self._state.notify_all()

    def wait_idle(self, timeout: float) -> bool:
        """Wait until no message is being received or answered.

        Args:
            timeout: Seconds.

        Returns:
            False when it did not become idle in time.
        """
        with self._state:
            return self._state.wait_for(self._is_idle, max(timeout, 0.0))

    def close(self) -> None:
        """The association is over: what was not complete is removed, whoever waits is told."""
        with self._state:
            self._closed = True
            sinks, self._sinks = self._sinks, []
            self._state.notify_all()
        for sink in sinks:
            sink.drop()

    def settled(self, sink: DataSetSink) -> None:
        """This data set was answered."""
        with self._state:
            if sink in self._sinks:
                self._sinks.remove(sink)

    def _is_idle(self) -> bool:
        return self._closed or (self.message is None and not self._unanswered)

    def _new_message(self) -> Any:
        message = DIMSEMessage()
        sink = DataSetSink(lambda: self._open_writer(message))
        message.data_set = sink
        with self._state:
            if self._closed:
                sink.drop()
            else:
                self._sinks.append(sink)
        return message

    def _drop_message(self, message: Any) -> None:
        if isinstance(message.data_set, DataSetSink):
            message.data_set.drop()
            self.settled(message.data_set)
        self.message = None

    def _open_writer(self, message: Any) -> SpoolWriter:
        if not isinstance(message, C_STORE_RQ):
            raise BadMessageError("a data set came with a message that has none here")
        command = message.command_set
        context = self.assoc._accepted_cx[message.context_id]  # noqa: SLF001 - pynetdicom itself reads it so
        return self._spool.begin(
            str(command.AffectedSOPClassUID),
            str(command.AffectedSOPInstanceUID),
            str(context.transfer_syntax[0]),
            self._describe(self.assoc),
        )


def new_arrival_id() -> str:
    """A fresh id for an arrival, never from the wire."""
    return uuid4().hex
