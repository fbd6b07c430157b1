"""A storage SCP that offers storage commitment, and answers as it is told."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from types import TracebackType
from typing import Any, Self

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.transport import ThreadedAssociationServer

from exchange.dimse.requesting import keep_responses
from tests.support.ports import HOST
from tests.support.scripted_scp import CT, EXPLICIT

COMMITMENT = "1.2.840.10008.1.20.1"
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
IMPLICIT = "1.2.840.10008.1.2"


@dataclass(frozen=True)
class Request:
    """One N-ACTION: its transaction and what it asks for."""

    transaction_uid: str
    instances: tuple[tuple[str, str], ...]

    @property
    def uids(self) -> list[str]:
        """SOP Instance UIDs, in order."""
        return [uid for _, uid in self.instances]


@dataclass(frozen=True)
class Report:
    """What is reported, and under which transaction."""

    transaction_uid: str
    committed: Sequence[tuple[str, str]] = ()
    failed: dict[tuple[str, str], int] = field(default_factory=dict)

    def dataset(self) -> Dataset:
        """The event information."""
        ds = Dataset()
        ds.TransactionUID = self.transaction_uid
        if self.committed:
            ds.ReferencedSOPSequence = [_reference(one) for one in self.committed]
        if self.failed:
            ds.FailedSOPSequence = [_reference(one, reason) for one, reason in self.failed.items()]
        return ds


def _reference(pair: tuple[str, str], reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = pair
    if reason is not None:
        item.FailureReason = reason
    return item


Answer = Callable[[Request], Iterable[Report]]


def commit_all(request: Request) -> list[Report]:
    """The good peer."""
    return [Report(request.transaction_uid, request.instances)]


def say_nothing(_: Request) -> list[Report]:
    """The peer that takes the request and never reports."""
    return []


class CommittingScp:
    """Stores digests; reports on the association of the request; a context manager.

    Attributes:
        answer: What is reported for a request; may be changed while it runs.
        status: Of the N-ACTION response.
        requests: What was asked.
        replies: Status of our answers to its reports.
        received: SOP Instance UID to the SHA-256 of the data set bytes of each coming.
    """

    def __init__(self, answer: Answer = commit_all, *, offers: bool = True, port: int = 0) -> None:
        self.answer = answer
        self.status = 0x0000
        self.requests: list[Request] = []
        self.replies: list[int | None] = []
        self.received: dict[str, list[str]] = {}
        self.port = port
        self._threads: list[threading.Thread] = []
        self._ae = AE("COMMITTER")
        self._ae.add_supported_context("1.2.840.10008.1.1")
        self._ae.add_supported_context(CT, [EXPLICIT, IMPLICIT])
        if offers:
            self._ae.add_supported_context(COMMITMENT, [IMPLICIT])
        self._server: Any = None

    def _store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        digest = sha256(event.encoded_dataset(include_meta=False)).hexdigest()
        self.received.setdefault(uid, []).append(digest)
        return 0x0000

    def _action(self, event: Any) -> tuple[int, None]:
        ds = event.action_information
        request = Request(
            str(ds.TransactionUID),
            tuple(
                (str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID))
                for item in ds.ReferencedSOPSequence
            ),
        )
        self.requests.append(request)
        reports = list(self.answer(request)) if self.status == 0x0000 else []
        if reports:
            thread = threading.Thread(target=self._report, args=(event.assoc, reports))
            self._threads.append(thread)
            thread.start()
        return self.status, None

    def _report(self, association: Any, reports: Sequence[Report]) -> None:
        for report in reports:
            try:
                status, _ = association.send_n_event_report(
                    report.dataset(), 2 if report.failed else 1, COMMITMENT, COMMITMENT_INSTANCE
                )
            except RuntimeError:  # the requestor has left
                return
            self.replies.append(status.Status if "Status" in status else None)

    def join(self) -> None:
        """Wait until its reports are answered."""
        for thread in self._threads:
            thread.join(10)

    def __enter__(self) -> Self:
        handlers = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_N_ACTION, self._action),
            (evt.EVT_CONN_OPEN, keep_responses),
        ]
        self._server = self._ae.make_server(
            (HOST, self.port), evt_handlers=handlers, server_class=ThreadedAssociationServer
        )
        self._ae._servers.append(self._server)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.port = self._server.socket.getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.join()
        self._server.shutdown()
