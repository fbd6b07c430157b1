"""The C-STORE and C-ECHO provider (PS3.4 annexes A and B): Success means durable."""

import logging
import time
from collections.abc import Callable, Container, Sequence
from datetime import datetime
from queue import SimpleQueue
from threading import Thread
from typing import Any

import structlog
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context, evt
from pynetdicom import _config as pynetdicom_config
from pynetdicom.sop_class import Verification

from exchange.dicomio.examine import examine
from exchange.dicomio.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from exchange.dicomio.limits import Limits
from exchange.dicomio.quiet import silence
from exchange.dicomio.syntaxes import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from exchange.dimse.sockets import tune_association
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError, SpoolError, SpoolFullError
from exchange.domain.instance import SpooledInstance
from exchange.intake.listener import DicomListener, IntakeLimits
from exchange.intake.reception import DataSetSink, StoreReception, new_arrival_id
from exchange.intake.server import IntakeServer
from exchange.spool import ArrivalContext, Spool, SpoolWriter

# PS3.4 table B.2-1; the C0xx ones are ours to number.
SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
MISMATCH = 0xA900
_CANNOT_UNDERSTAND = {
    ReasonCode.NOT_DICOM: (0xC000, "not a DICOM data set"),
    ReasonCode.TRUNCATED: (0xC001, "data set is truncated"),
    ReasonCode.MISSING_UID: (0xC002, "SOPClassUID or SOPInstanceUID is missing"),
    ReasonCode.GROUP_0000: (0xC003, "data set holds group 0000"),
    ReasonCode.LIMIT_EXCEEDED: (0xC004, "data set exceeds a limit"),
    ReasonCode.DICOMDIR: (0xC005, "a DICOMDIR is no instance"),
}
_PROCESSING_FAILURE = 0xC0FF
_MISMATCH_COMMENT = "SOP Class or Instance UID differ from the command"

_log = structlog.get_logger()

# Private, retired and future storage SOP classes and any transfer syntax are taken as proposed.
pynetdicom_config.UNRESTRICTED_STORAGE_SERVICE = True
# Log lines and warnings of pydicom and pynetdicom quote what peers send: nothing of it may reach a log.
silence()
pynetdicom_config.LOG_HANDLER_LEVEL = "none"
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)  # noqa: TID251 - theirs, to be silenced

IdentifyPeer = Callable[[str, str, str], str]
OnArrival = Callable[[SpooledInstance], None]


class DicomIntake:
    """Takes instances over DICOM into a spool.

    Everything here runs on threads of its own: one per listener, two per association, one that tells of
    arrivals.

    Attributes:
        ports: The bound port of each listener, in their order, once started.
    """

    def __init__(
        self,
        listeners: Sequence[DicomListener],
        spool: Spool,
        clock: Callable[[], datetime],
        identify_peer: IdentifyPeer,
        on_arrival: OnArrival,
        *,
        limits: Limits | None = None,
    ) -> None:
        """Prepare; nothing listens before `start`.

        Args:
            listeners: Where to listen. Association limits are those of the first.
            spool: Where instances go.
            clock: Now, timezone-aware UTC.
            identify_peer: From calling AE title, address and certificate fingerprint ("" without TLS) to the
                name of a configured peer, "" when none. Called on association threads.
            on_arrival: Told of each durable arrival, one at a time, on a thread of its own: it never delays
                an answer. What it raises is logged; custody finds the arrival at the next start.
            limits: Structural limits on each data set.
        """
        self.ports: list[int] = []
        self._listeners = tuple(listeners)
        self._spool = spool
        self._clock = clock
        self._identify_peer = identify_peer
        self._on_arrival = on_arrival
        self._limits = limits or Limits()
        self._ae = _application_entity(self._listeners[0].limits if self._listeners else IntakeLimits())
        self._servers: list[IntakeServer] = []
        self._threads: list[Thread] = []
        self._told: SimpleQueue[SpooledInstance | None] = SimpleQueue()

    def start(self) -> None:
        """Bind all ports and serve.

        Raises:
            OSError: A port cannot be bound; nothing is left listening.
        """
        try:
            for listener in self._listeners:
                self._servers.append(self._make_server(listener))
        except OSError:
            for server in self._servers:
                server.server_close()
            self._servers.clear()
            raise
        self.ports = [server.socket.getsockname()[1] for server in self._servers]
        teller = Thread(target=self._tell, name="intake-arrivals", daemon=True)
        self._threads = [teller]
        for server in self._servers:
            self._ae._servers.append(server)  # noqa: SLF001 - as AE.start_server does; shutdown removes it
            self._threads.append(
                Thread(target=server.serve_forever, args=(0.1,), name="intake-listener", daemon=True)
            )
        for thread in self._threads:
            thread.start()

    def stop(self, grace_seconds: float = 10.0) -> None:
        """Refuse new connections, let running C-STOREs end within the grace, abort what is left.

        Returns when every arrival that was answered has been told.
        """
        deadline = time.monotonic() + grace_seconds
        for server in self._servers:
            server.shutdown()
        associations = self._ae.active_associations
        for assoc in associations:
            if not assoc.dimse.wait_idle(deadline - time.monotonic()):
                _log.warning("intake.cut_off")
            if assoc.is_established:
                assoc.abort()
            else:
                assoc.dul.to_user_queue.put(None)  # it may wait for an A-ASSOCIATE-RQ
                assoc.kill()
        for assoc in associations:
            assoc.join(max(deadline - time.monotonic(), 2.0))
        if self._threads:
            self._told.put(None)
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 2.0))
        self._servers.clear()
        self._threads.clear()

    def _make_server(self, listener: DicomListener) -> IntakeServer:
        def describe(assoc: Any) -> ArrivalContext:
            return self._describe(assoc, listener)

        def make_reception(assoc: Any, certificate_sha256: str) -> StoreReception:
            return StoreReception(assoc, self._spool, describe, certificate_sha256)

        handlers = [
            (evt.EVT_CONN_OPEN, tune_association),
            (evt.EVT_CONN_CLOSE, _wake),
            (evt.EVT_REQUESTED, _answer_as_called, [listener.ae_titles]),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_ECHO, _echo),
        ]
        syntaxes = [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED]
        contexts = [build_context(Verification, syntaxes)]
        return IntakeServer(self._ae, listener, contexts, handlers, make_reception)

    def _describe(self, assoc: Any, listener: DicomListener) -> ArrivalContext:
        calling_ae, address = str(assoc.requestor.ae_title).strip(), str(assoc.requestor.address)
        certificate = assoc.dimse.certificate_sha256
        return ArrivalContext(
            arrival_id=new_arrival_id(),
            protocol=listener.protocol,
            called_ae=str(assoc.acceptor.ae_title).strip(),
            calling_ae=calling_ae,
            peer=self._identify_peer(calling_ae, address, certificate),
            peer_address=address,
            peer_certificate_sha256=certificate,
        )

    def _store(self, event: Any) -> Any:
        """Answer one C-STORE-RQ whose data set was received completely."""
        sink = event.request.DataSet
        if not isinstance(sink, DataSetSink):
            return _status(_PROCESSING_FAILURE, "no data set")
        try:
            return self._store_from(sink, event.request)
        except SpoolFullError:
            _log.error("intake.spool_full")
            return _status(OUT_OF_RESOURCES, "no space left, try again later")
        except SpoolError as error:
            _log.error("intake.spool_failed", why=error.message)
            return _status(_PROCESSING_FAILURE, "cannot store")
        finally:
            sink.drop()
            event.assoc.dimse.settled(sink)

    def _store_from(self, sink: DataSetSink, request: Any) -> Any:
        if sink.failure is not None:
            raise sink.failure
        writer = sink.take()
        if writer is None:
            return _status(*_CANNOT_UNDERSTAND[ReasonCode.TRUNCATED])
        with writer:
            refusal = self._refusal(writer, request)
            if refusal is not None:
                _log.warning("intake.refused", status=f"0x{refusal[0]:04X}")
                return _status(*refusal)
            instance = writer.commit(self._clock())
        self._told.put(instance)
        return SUCCESS

    def _refusal(self, writer: SpoolWriter, request: Any) -> tuple[int, str] | None:
        """A cheap structural look at the bytes; what it cannot read but may be right passes."""
        try:
            layout = examine(writer.part, self._limits)
        except InputError as error:
            if error.code is ReasonCode.TRANSFER_SYNTAX:
                return None  # a syntax that we do not know is the route's to judge
            return _CANNOT_UNDERSTAND.get(error.code, (_PROCESSING_FAILURE, "cannot understand"))
        announced = (str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID))
        if announced != (layout.sop_class_uid, layout.sop_instance_uid):
            return MISMATCH, _MISMATCH_COMMENT
        return None

    def _tell(self) -> None:
        while (instance := self._told.get()) is not None:
            try:
                self._on_arrival(instance)
            except Exception as error:  # noqa: BLE001 - the boundary of one arrival; it is durable already
                _log.error("intake.arrival_untold", error=type(error).__name__, identity=instance.identity)


def _application_entity(limits: IntakeLimits) -> Any:
    ae = AE(ae_title="LOCKGATE")
    ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    ae.require_called_aet = True
    ae.maximum_pdu_size = limits.max_pdu
    ae.maximum_associations = limits.associations
    ae.acse_timeout = limits.acse_seconds
    ae.dimse_timeout = limits.dimse_seconds
    ae.network_timeout = limits.network_seconds
    return ae


def _answer_as_called(event: Any, ae_titles: Container[str]) -> None:
    """Answer under the title that was called, if it is ours; pynetdicom rejects the others (PS3.8 9.3.4)."""
    called = str(event.assoc.requestor.primitive.called_ae_title).strip()
    if called in ae_titles:
        event.assoc.acceptor.ae_title = called


def _wake(event: Any) -> None:
    """Let an association that waits for its A-ASSOCIATE-RQ notice that the connection is gone."""
    if event.assoc.requestor.primitive is None:
        event.assoc.dul.to_user_queue.put(None)


def _echo(_event: Any) -> int:
    return SUCCESS


def _status(code: int, comment: str) -> Any:
    ds = Dataset()
    ds.Status = code
    ds.ErrorComment = comment
    return ds
