"""One attempt to deliver by STOW-RS: requests, and what the peer's answers mean for each instance."""

import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock

import httpx
import structlog

from exchange.destinations.stow import StowBody, parse_store_answer
from exchange.destinations.stow_batches import Batch, BatchBounds, batches
from exchange.destinations.stow_errors import retry_after, unreachable
from exchange.destinations.stow_lanes import Done, Lanes, Verdict
from exchange.dicomio.syntaxes import EXPLICIT_LITTLE
from exchange.dimse.frozen import FrozenBytesError, frozen_outcome
from exchange.dimse.sockets import arm_quickack
from exchange.dimse.status import store_outcome
from exchange.dimse.tls import transport_facts
from exchange.domain.delivery import DeliveryReport, InstanceOutcome, InstanceState, OutgoingInstance
from exchange.domain.uid import is_uid

FAILURES_IN_A_ROW = 3
_ANSWER_MAX = 16 * 1024 * 1024  # bytes of a store response
_ACCEPT = "application/dicom+json, application/dicom+xml;q=0.5"
# Of the whole request, not of an instance: our credentials, the address, or the peer's load.
_NOT_NOW = {401, 403, 404, 405, 407, 408, 425, 429, 502, 503, 504, 507}
_MAY_HAVE_LANDED = {408, 502, 504}
_TOO_MANY = {429, 503}
_ADVICE = {
    401: "renew its token or client certificate",
    403: "renew its token or client certificate",
    404: "check its address",
    405: "check its address",
    407: "check its address",
    507: "it has no space left",
}
# A peer that takes requests and says «too many» is waited for within the attempt, this often and this long.
_BUSY_MOST = 4
_BUSY_SECONDS = 1.0
_BUSY_LONGEST = 10.0
_TRANSFER_SYNTAX_UNSUPPORTED = 0xC122  # PS3.18 I.2.2

_log = structlog.get_logger()


@dataclass
class StowDelivery:
    """One attempt: its outcomes so far, and whether it goes on. Outcomes are told one at a time."""

    base: str
    client: httpx.Client
    bounds: BatchBounds
    on_outcome: Callable[[InstanceOutcome], None]
    outcomes: list[InstanceOutcome] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    reachable: bool = True
    error: str = ""
    retry_after_seconds: float | None = None
    _failures: int = 0
    _successes: int = 0
    _busy: int = 0
    _lock: Lock = field(default_factory=Lock)

    def send(self, instances: Sequence[OutgoingInstance]) -> None:
        """Post them, several requests at once; one that is refused as a whole is halved and posted again."""
        sendable = self._sendable(instances)
        lanes = Lanes(self.bounds.requests, self._post, lambda: bool(self.error))
        lanes.run(batches(sendable, self.bounds))

    def report(self) -> DeliveryReport:
        """What was achieved."""
        return DeliveryReport(
            tuple(self.outcomes),
            self.reachable,
            self.error,
            dict(self.facts),
            retry_after_seconds=self.retry_after_seconds,
        )

    def _sendable(self, instances: Sequence[OutgoingInstance]) -> Batch:
        """Those that carry real UIDs; the others are refused here."""
        sendable = []
        for one in instances:
            if is_uid(one.transfer_syntax_uid) and is_uid(one.sop_instance_uid):
                sendable.append(one)
            else:
                words = "its SOP instance or transfer syntax is no UID"
                self._tell([_outcome(one, InstanceState.REFUSED, "", words)])
        return sendable

    def _post(self, batch: Batch) -> Done[Batch]:
        """Post one batch and tell its outcomes."""
        body = StowBody(batch)
        try:
            response, answer = self._exchange(body)
        except FrozenBytesError as error:
            return self._frozen(batch, body.finished, error)
        except httpx.HTTPError as error:
            return self._broken(batch, body.finished, error)
        status = response.status_code
        if status in (200, 202, 409):
            content_type = response.headers.get("Content-Type", "")
            return self._conclude(_answered(batch, status, content_type, answer))
        if status in _NOT_NOW or status < 400:
            return self._not_now(batch, status, retry_after(response.headers.get("Retry-After", "")))
        if len(batch) > 1:  # one bad instance shall not spoil the others
            return Done(Verdict.POOR, _halves(batch))
        return self._conclude([_refused(batch[0], status)])

    def _exchange(self, body: StowBody) -> tuple[httpx.Response, bytes]:
        headers = {
            "Content-Type": body.content_type,
            "Content-Length": str(body.content_length),
            "Accept": _ACCEPT,
        }
        request = self.client.build_request("POST", f"{self.base}/studies", content=body, headers=headers)
        response = self.client.send(request, stream=True)
        try:
            stream = response.extensions.get("network_stream")
            connection = stream.get_extra_info("socket") if stream is not None else None
            if isinstance(connection, socket.socket):
                # A peer with Nagle on holds the answer's body until its head was acknowledged.
                arm_quickack(connection)
            self.facts = transport_facts(connection if isinstance(connection, ssl.SSLSocket) else None)
            return response, _read_bounded(response)
        finally:
            response.close()

    def _conclude(self, outcomes: Sequence[InstanceOutcome]) -> Done[Batch]:
        """Tell what a request achieved; a peer that achieves nothing time after time is itself unwell."""
        self._tell(outcomes)
        unwell = all(each.state in (InstanceState.PENDING, InstanceState.UNKNOWN) for each in outcomes)
        with self._lock:
            self._failures = self._failures + 1 if unwell else 0
            self._successes += not unwell
            if self._failures >= FAILURES_IN_A_ROW:
                last = outcomes[-1].detail
                self._stop(f"cannot go on: {self._failures} requests in a row failed, last: {last}")
        return Done(Verdict.POOR if unwell else Verdict.GOOD)

    def _not_now(self, batch: Batch, status: int, wait: float | None) -> Done[Batch]:
        """The peer took nothing of the request: later in this attempt, or in the next one."""
        with self._lock:
            pause = _BUSY_SECONDS if wait is None else wait
            patient = self._successes > 0 and self._busy < _BUSY_MOST and pause <= _BUSY_LONGEST
            if status in _TOO_MANY and patient and not self.error:
                self._busy += 1
                return Done(Verdict.BUSY, [batch], pause)
            self.retry_after_seconds = wait
            self.reachable = status not in (502, 503, 504)
            advice = f"; {_ADVICE[status]}" if status in _ADVICE else ""
            self._stop(f"cannot deliver: the peer answered HTTP {status}{advice}")
        state = InstanceState.UNKNOWN if status in _MAY_HAVE_LANDED else InstanceState.PENDING
        words = "the peer did not take the request"
        self._tell([_outcome(each, state, str(status), words) for each in batch])
        return Done(Verdict.POOR)

    def _frozen(self, batch: Batch, sent: int, error: FrozenBytesError) -> Done[Batch]:
        """The request was cut at an instance whose file failed; the others go again without it."""
        if len(batch) == 1:
            self._tell([frozen_outcome(batch[0], error)])
            return Done(Verdict.POOR)
        _log.error("frozen.unusable", at=sent)
        return Done(Verdict.POOR, [part for part in (batch[:sent], [batch[sent]], batch[sent + 1 :]) if part])

    def _broken(self, batch: Batch, sent: int, error: httpx.HTTPError) -> Done[Batch]:
        """The connection failed: parts that were whole may have landed, the others cannot have."""
        never = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        with self._lock:
            self.reachable = not never or self._successes > 0
            self._stop(str(unreachable(self.base, error)))
        if not never:
            lost, broke = (
                "no answer came; it may have landed",
                "the connection broke before all of it was sent",
            )
            self._tell([_outcome(each, InstanceState.UNKNOWN, "", lost) for each in batch[:sent]])
            self._tell([_outcome(each, InstanceState.PENDING, "", broke) for each in batch[sent:]])
        return Done(Verdict.POOR)

    def _stop(self, why: str) -> None:
        """End the attempt; the first reason counts."""
        self.error = self.error or why

    def _tell(self, outcomes: Sequence[InstanceOutcome]) -> None:
        with self._lock:
            for outcome in outcomes:
                self.outcomes.append(outcome)
                self.on_outcome(outcome)


def _answered(batch: Batch, status: int, content_type: str, body: bytes) -> list[InstanceOutcome]:
    """What a store response's data set says of each instance."""
    answer = parse_store_answer(content_type, body)
    outcomes = []
    for each in batch:
        uid = each.sop_instance_uid
        if uid in answer.failed:
            # FailureReason 0 would read as success: an absent one is a processing failure.
            outcomes.append(_failed(each, answer.failed[uid] or 0x0110))
        elif uid in answer.stored:
            outcomes.append(store_outcome(uid, answer.stored[uid]))
        elif status == 409:  # "unable to store any instances" (PS3.18 table 10.5.3-1)
            words = "the peer stored nothing of the request"
            outcomes.append(_outcome(each, InstanceState.REFUSED, "409", words))
        else:
            words = "the peer's answer does not name it"
            outcomes.append(_outcome(each, InstanceState.UNKNOWN, str(status), words))
    return outcomes


def _failed(instance: OutgoingInstance, reason: int) -> InstanceOutcome:
    outcome = store_outcome(instance.sop_instance_uid, reason)
    if reason != _TRANSFER_SYNTAX_UNSUPPORTED:
        return outcome
    return _with_wish(instance, outcome)


def _refused(instance: OutgoingInstance, status: int) -> InstanceOutcome:
    """One that went alone and was refused by status."""
    state = InstanceState.UNKNOWN if status >= 500 else InstanceState.REFUSED
    outcome = _outcome(instance, state, str(status), f"the peer answered HTTP {status}")
    return _with_wish(instance, outcome) if status == 415 else outcome


def _with_wish(instance: OutgoingInstance, outcome: InstanceOutcome) -> InstanceOutcome:
    """A peer that cannot take a syntax takes explicit VR little endian, which all must (PS3.18 8.7.3)."""
    wanted = () if instance.transfer_syntax_uid == EXPLICIT_LITTLE else (EXPLICIT_LITTLE,)
    return InstanceOutcome(outcome.sop_instance_uid, outcome.state, outcome.status, outcome.detail, wanted)


def _outcome(instance: OutgoingInstance, state: InstanceState, status: str, detail: str) -> InstanceOutcome:
    return InstanceOutcome(instance.sop_instance_uid, state, status, detail)


def _halves(batch: Batch) -> list[Batch]:
    middle = len(batch) // 2
    return [batch[:middle], batch[middle:]]


def _read_bounded(response: httpx.Response) -> bytes:
    """The response's body; what is beyond 16 MiB makes it unreadable, so that nothing is taken from it."""
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > _ANSWER_MAX:
            return b""
    return bytes(body)
