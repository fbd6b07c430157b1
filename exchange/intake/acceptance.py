"""The one way into the spool, for C-STORE and STOW alike: a look at the bytes, then durable, then told.

    with acceptance.begin(sop_class_uid, sop_instance_uid, transfer_syntax_uid, context) as incoming:
        for piece in pieces:
            incoming.write(piece)
        answer = acceptance.accept(incoming)

Statuses are those of C-STORE (PS3.4 table B.2-1); STOW-RS uses the same as FailureReason (PS3.18 I.2.2).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Self
from uuid import UUID

import structlog

from exchange.dicomio.glance import glance_bare
from exchange.dicomio.limits import Limits
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError, LockgateError, SpoolError, SpoolFullError
from exchange.domain.glance import Glance
from exchange.domain.instance import SpooledInstance
from exchange.keys.entropy import random_bytes
from exchange.spool.records import ArrivalContext
from exchange.spool.store import Spool
from exchange.spool.writer import SpoolWriter

OUT_OF_RESOURCES = 0xA700
MISMATCH = 0xA900
_CANNOT_UNDERSTAND = {  # the C0xx statuses are ours to number
    ReasonCode.NOT_DICOM: (0xC000, "not a DICOM data set"),
    ReasonCode.TRUNCATED: (0xC001, "data set is truncated"),
    ReasonCode.MISSING_UID: (0xC002, "SOPClassUID or SOPInstanceUID is missing"),
    ReasonCode.GROUP_0000: (0xC003, "data set holds group 0000"),
    ReasonCode.LIMIT_EXCEEDED: (0xC004, "data set exceeds a limit"),
    ReasonCode.DICOMDIR: (0xC005, "a DICOMDIR is no instance"),
}
_PROCESSING_FAILURE = 0xC0FF
_log = structlog.get_logger()

OnArrival = Callable[[SpooledInstance], None]


@dataclass(frozen=True, slots=True)
class Accepted:
    """It is durable: the sender may be told Success."""

    instance: SpooledInstance


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing of it is kept.

    Attributes:
        status: For the response; 0xA7xx means that the sender may try again later.
        comment: For a person, at most 64 characters (LO), free of PHI.
    """

    status: int
    comment: str


class Incoming:
    """One instance on its way in; the end of a `with` block drops what was not accepted.

    Attributes:
        sop_class_uid: As the sender announced it.
        sop_instance_uid: As the sender announced it.
    """

    def __init__(self, writer: SpoolWriter, sop_class_uid: str, sop_instance_uid: str, room: int) -> None:
        self.sop_class_uid = sop_class_uid
        self.sop_instance_uid = sop_instance_uid
        self.writer = writer
        self._room = room

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes of the data set; the chunk may be reused afterwards.

        Raises:
            InputError: `limit-exceeded`: the data set is larger than what is taken.
            SpoolFullError: No space.
            SpoolError: The disk failed, or it was ended before.
        """
        self._room -= len(chunk)
        if self._room < 0:
            self.abort()
            raise InputError(
                ReasonCode.LIMIT_EXCEEDED,
                "cannot take the instance: it is larger than the limit",
                "raise limits.instance_mib in the site file",
            )
        self.writer.write(chunk)

    def abort(self) -> None:
        """Remove what was written; harmless after it was accepted."""
        self.writer.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


class Acceptance:
    """Takes instances into a spool. Safe for many threads."""

    def __init__(
        self,
        spool: Spool,
        clock: Callable[[], datetime],
        on_arrival: OnArrival,
        limits: Limits | None = None,
        *,
        instance_bytes: int = 16 * 1024**3,
        on_refused: Callable[[str], None] | None = None,
    ) -> None:
        """Prepare.

        Args:
            spool: Where instances go.
            clock: Now, timezone-aware UTC.
            on_arrival: Told of each durable arrival before `accept` returns, so it must be quick. What it
                raises is logged; custody finds the arrival at the next start.
            limits: Structural limits on each data set.
            instance_bytes: Largest data set.
            on_refused: Is told the status (`0xA700`) of each refusal.
        """
        self._spool = spool
        self._clock = clock
        self._on_arrival = on_arrival
        self._limits = limits or Limits()
        self._instance_bytes = instance_bytes
        self._on_refused = on_refused or (lambda _: None)

    def begin(
        self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, context: ArrivalContext
    ) -> Incoming:
        """Start to take an instance; its data set follows by `write`, then `accept`.

        Args:
            sop_class_uid: As the sender announces it; data, never a path.
            sop_instance_uid: Likewise.
            transfer_syntax_uid: Of the data set bytes.
            context: How it comes; its id is `new_arrival_id()`.

        Raises:
            SpoolFullError: No space.
            SpoolError: A UID is absurdly long, or the disk fails.
        """
        writer = self._spool.begin(sop_class_uid, sop_instance_uid, transfer_syntax_uid, context)
        return Incoming(writer, sop_class_uid, sop_instance_uid, self._instance_bytes)

    def accept(self, incoming: Incoming, study_instance_uid: str = "") -> Accepted | Refused:
        """Look at it, make it durable, tell of it; whatever the answer, it is ended.

        Args:
            incoming: From `begin`, with all its bytes.
            study_instance_uid: The study that it must belong to (STOW-RS to a study), "" for any.
        """
        with incoming:
            try:
                seen = self._look(incoming)
                if seen is not None and (refused := _mismatch(seen, incoming, study_instance_uid)):
                    return self._refuse(refused)
                instance = replace(incoming.writer.commit(self._clock()), glance=seen)
            except LockgateError as error:
                return self.refuse(error)
        try:
            self._on_arrival(instance)
        except Exception as error:  # noqa: BLE001 - the boundary of one arrival; it is durable already
            _log.error("intake.arrival_untold", error=type(error).__name__, identity=instance.identity)
        return Accepted(instance)

    def refuse(self, error: LockgateError) -> Refused:
        """What to answer when `begin`, `write` or `accept` failed; the failure is logged."""
        if isinstance(error, InputError):
            return self._refuse(_misunderstood(error))
        if isinstance(error, SpoolFullError):
            _log.error("intake.spool_full")
            return self._refuse(Refused(OUT_OF_RESOURCES, "no space left, try again later"))
        why = error.message if isinstance(error, SpoolError) else type(error).__name__
        _log.error("intake.spool_failed", why=why)
        return self._refuse(Refused(_PROCESSING_FAILURE, "cannot store"))

    def _refuse(self, refused: Refused) -> Refused:
        status = f"0x{refused.status:04X}"
        _log.warning("intake.refused", status=status)
        self._on_refused(status)
        return refused

    def _look(self, incoming: Incoming) -> Glance | None:
        """A cheap structural look at the bytes; what it cannot read but may be right passes."""
        try:
            writer = incoming.writer
            with writer.written() as stream:
                return glance_bare(stream, writer.byte_count, writer.announced, self._limits)
        except InputError as error:
            if error.code is ReasonCode.TRANSFER_SYNTAX:
                return None  # a syntax that we do not know is the route's to judge
            raise


def _mismatch(seen: Glance, incoming: Incoming, study_instance_uid: str) -> Refused | None:
    if (incoming.sop_class_uid, incoming.sop_instance_uid) != (seen.sop_class_uid, seen.sop_instance_uid):
        return Refused(MISMATCH, "SOP Class or Instance UID differ from the announced")
    if study_instance_uid not in ("", seen.study_instance_uid):
        return Refused(MISMATCH, "Study Instance UID differs from the announced")
    return None


def new_arrival_id() -> str:
    """A fresh id for an arrival, never from the wire."""
    return UUID(bytes=random_bytes(16), version=4).hex


def _misunderstood(error: InputError) -> Refused:
    return Refused(*_CANNOT_UNDERSTAND.get(error.code, (_PROCESSING_FAILURE, "cannot understand")))
