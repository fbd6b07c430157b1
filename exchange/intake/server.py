"""The TCP side: accept, handshake in a thread of its own, associate; one slow caller never delays another."""

import socket
import ssl
import sys
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import structlog
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from exchange.intake.listener import DicomListener
from exchange.intake.reception import StoreReception

_log = structlog.get_logger()


class IntakeRequestHandler(RequestHandler):  # type: ignore[misc] # pynetdicom has no stubs
    """Sets up the association of one connection."""

    server: "IntakeServer"

    def _create_association(self) -> Any:
        assoc = super()._create_association()
        limits = self.server.listener.limits
        reception = self.server.make_reception(assoc, _fingerprint(self.request))
        assoc.dimse = reception
        assoc.dul.artim_timer.timeout = limits.artim_seconds
        self.request.settimeout(limits.network_seconds)
        run = assoc.run

        def run_then_clean_up() -> None:
            # pynetdicom has ways to end without telling anyone; this is the one place that is always reached.
            try:
                run()
            finally:
                reception.close()
                self.server.shutdown_request(self.request)

        assoc.run = run_then_clean_up
        return assoc


class IntakeServer(ThreadedAssociationServer):  # type: ignore[misc] # pynetdicom has no stubs
    """One listening socket.

    Attributes:
        listener: What it listens for.
        make_reception: Builds the DIMSE provider of an association, from it and a certificate fingerprint.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        ae: Any,
        listener: DicomListener,
        contexts: list[Any],
        handlers: list[Any],
        make_reception: Callable[[Any, str], StoreReception],
    ) -> None:
        self.listener = listener
        self.make_reception = make_reception
        super().__init__(
            ae,
            (listener.host, listener.port),
            ae.ae_title,  # replaced by the title that was called, when it is ours
            contexts,
            evt_handlers=handlers,
            request_handler=IntakeRequestHandler,
        )

    def verify_request(self, request: socket.socket, client_address: Any) -> bool:  # noqa: ARG002
        """Drop connections far beyond the limit; up to it, peers get a proper rejection."""
        return len(self.ae.active_associations) < 2 * self.listener.limits.associations

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Shake hands, then associate; in this connection's own thread."""
        if self.listener.tls is not None:
            request.settimeout(self.listener.limits.artim_seconds)
            try:
                request = self.listener.tls.wrap_socket(
                    request, server_side=True, do_handshake_on_connect=False
                )
                request.do_handshake()
            except OSError as error:
                _log.warning("intake.tls_refused", reason=getattr(error, "reason", type(error).__name__))
                request.close()
                return
        super().process_request_thread(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A connection that failed before its association; the others do not notice."""
        _log.warning("intake.connection_failed", error=type(sys.exc_info()[1]).__name__)


def _fingerprint(connection: socket.socket) -> str:
    if not isinstance(connection, ssl.SSLSocket):
        return ""
    certificate = connection.getpeercert(binary_form=True)
    return sha256(certificate).hexdigest() if certificate else ""
