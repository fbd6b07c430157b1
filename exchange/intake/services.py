"""What is done with each request of an association: C-STORE, C-ECHO, and the notices of `notices`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from exchange.dicomio.syntaxes import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from exchange.dimse import commandset
from exchange.dimse.accepting import Context, Offer, is_storage
from exchange.dimse.commandset import Request, response
from exchange.domain.errors import LockgateError
from exchange.domain.notices import CommitmentReport, StudyNotice
from exchange.intake.acceptance import Acceptance, Incoming, Refused, new_arrival_id
from exchange.intake.notices import (
    COMMITMENT,
    INSTANCE_AVAILABILITY,
    MPPS,
    MPPS_NOTIFICATION,
    DataSetSource,
    Unacceptable,
    commitment_report,
    status_of,
    study_notice,
)
from exchange.spool.records import ArrivalContext

VERIFICATION = "1.2.840.10008.1.1"
NOTICE_BYTES = 16 * 1024 * 1024
"""Largest data set of a notice; it is held in memory. 50,000 instances need half of it."""

_NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG})
_MISSING_UID = Refused(0xC002, "SOPClassUID or SOPInstanceUID is missing")
_NOTICES = frozenset({INSTANCE_AVAILABILITY, MPPS})
_log = structlog.get_logger()

OnNotice = Callable[[StudyNotice], None]
OnCommitment = Callable[[CommitmentReport], None]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is at the other end of an association; fields as in `exchange.domain.instance.Arrival`."""

    protocol: str
    called_ae: str
    calling_ae: str
    peer: str
    address: str
    certificate_sha256: str

    def arrival(self) -> ArrivalContext:
        """A fresh arrival from this caller."""
        return ArrivalContext(
            arrival_id=new_arrival_id(),
            protocol=self.protocol,
            called_ae=self.called_ae,
            calling_ae=self.calling_ae,
            peer=self.peer,
            peer_address=self.address,
            peer_certificate_sha256=self.certificate_sha256,
        )


class Task(Protocol):
    """One request in work: all of its data set, then its answer."""

    def write(self, data: memoryview) -> None:
        """Take the next bytes of the data set; they are not there any more afterwards."""

    def answer(self) -> bytes:
        """Do what was asked; the response's command set."""

    def close(self) -> None:
        """Drop what was not finished; always called."""


class Services:
    """Everything that an association can be asked for."""

    def __init__(
        self,
        acceptance: Acceptance,
        clock: Callable[[], datetime],
        on_notice: OnNotice | None,
        on_commitment: OnCommitment | None,
    ) -> None:
        self._acceptance = acceptance
        self._clock = clock
        self._on_notice = on_notice
        self._on_commitment = on_commitment

    def offer(self, max_pdu: int) -> Offer:
        """What is accepted at negotiation: notices and commitments only when somebody takes them."""
        services = {VERIFICATION: _NATIVE | {DEFLATED}}
        if self._on_notice is not None:
            services |= dict.fromkeys((INSTANCE_AVAILABILITY, MPPS, MPPS_NOTIFICATION), _NATIVE)
        if self._on_commitment is not None:
            services[COMMITMENT] = _NATIVE
        return Offer(services, frozenset({COMMITMENT, MPPS_NOTIFICATION}), max_pdu)

    def begin(self, request: Request, context: Context, caller: Caller) -> Task:
        """Start on a request; its data set follows when it has one."""
        asked = (context.sop_class_uid, request.operation)
        if request.operation == commandset.C_ECHO:  # on whatever context a peer asks it
            return _Answered(response(request, commandset.SUCCESS))
        if request.operation == commandset.C_STORE:
            return self._store(request, context, caller)
        if asked == (MPPS_NOTIFICATION, commandset.N_EVENT_REPORT):
            return _Answered(response(request, commandset.SUCCESS))
        if context.sop_class_uid in _NOTICES and self._on_notice is not None:
            return _NoticeTask(request, context, caller, self._take_notice)
        if asked == (COMMITMENT, commandset.N_EVENT_REPORT) and self._on_commitment is not None:
            return _NoticeTask(request, context, caller, self._take_commitment)
        return _Answered(response(request, commandset.UNRECOGNIZED_OPERATION))

    def _store(self, request: Request, context: Context, caller: Caller) -> Task:
        if not is_storage(context.sop_class_uid):
            return _Answered(response(request, commandset.SOP_CLASS_NOT_SUPPORTED))
        return _StoreTask(request, context, caller, self._acceptance)

    def _take_notice(self, source: DataSetSource) -> str:
        assert self._on_notice is not None  # noqa: S101 - `begin` asked
        notice = study_notice(source, self._clock())
        self._on_notice(notice)
        return notice.notice_id

    def _take_commitment(self, source: DataSetSource) -> str:
        assert self._on_commitment is not None  # noqa: S101 - `begin` asked
        self._on_commitment(commitment_report(source))
        return ""


class _Answered:
    """A request whose answer needs no data set; one that comes nevertheless is read and dropped."""

    def __init__(self, command_set: bytes) -> None:
        self._command_set = command_set

    def write(self, data: memoryview) -> None: ...

    def answer(self) -> bytes:
        return self._command_set

    def close(self) -> None: ...


class _StoreTask:
    """C-STORE (PS3.4 B): the data set goes to the spool piece by piece.

    When it cannot be taken the rest is read and dropped, so that the peer gets its answer.
    """

    def __init__(self, request: Request, context: Context, caller: Caller, acceptance: Acceptance) -> None:
        self._request = request
        self._acceptance = acceptance
        self._refused: Refused | None = None
        self._incoming: Incoming | None = None
        if not request.sop_class_uid or not request.sop_instance_uid:
            self._refused = _MISSING_UID
            return
        try:
            self._incoming = acceptance.begin(
                request.sop_class_uid,
                request.sop_instance_uid,
                context.transfer_syntax_uid,
                caller.arrival(),
            )
        except LockgateError as error:
            self._refused = self._acceptance.refuse(error)

    def write(self, data: memoryview) -> None:
        if self._incoming is None or self._refused is not None:
            return
        try:
            self._incoming.write(data)
        except LockgateError as error:
            self._refused = self._acceptance.refuse(error)

    def answer(self) -> bytes:
        if self._incoming is not None and self._refused is None:
            result = self._acceptance.accept(self._incoming)
            if not isinstance(result, Refused):
                return response(self._request, commandset.SUCCESS)
            self._refused = result
        refused = self._refused or _MISSING_UID
        return response(self._request, refused.status, refused.comment)

    def close(self) -> None:
        if self._incoming is not None:
            self._incoming.abort()


class _NoticeTask:
    """A request with a small data set, which is made durable by a callback before it is answered."""

    def __init__(
        self, request: Request, context: Context, caller: Caller, take: Callable[[DataSetSource], str]
    ) -> None:
        self._request = request
        self._context = context
        self._caller = caller
        self._take = take
        self._data = bytearray()
        self._too_long = False

    def write(self, data: memoryview) -> None:
        if self._too_long or len(self._data) + len(data) > NOTICE_BYTES:
            self._too_long = True
            self._data.clear()
        else:
            self._data += data

    def answer(self) -> bytes:
        if self._too_long:
            return response(self._request, commandset.RESOURCE_LIMITATION, "data set exceeds a limit")
        source = DataSetSource(
            request=self._request,
            transfer_syntax_uid=self._context.transfer_syntax_uid,
            sop_class_uid=self._context.sop_class_uid,
            data=bytes(self._data),
            called_ae=self._caller.called_ae,
            calling_ae=self._caller.calling_ae,
            peer=self._caller.peer,
            peer_address=self._caller.address,
        )
        try:
            instance = self._take(source)
        except Unacceptable as error:
            _log.warning("intake.notice_refused", status=f"0x{error.status:04X}")
            return response(self._request, error.status, error.comment)
        except Exception as error:  # noqa: BLE001 - the boundary of one notice: what was not made durable
            status, comment = status_of(error)
            _log.error("intake.notice_failed", error=type(error).__name__, status=f"0x{status:04X}")
            return response(self._request, status, comment)
        return response(self._request, commandset.SUCCESS, sop_instance_uid=instance)

    def close(self) -> None: ...
