"""The STOW-RS server of a site: its doors, its bounds, its socket."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import anyio
import structlog

from agent.config.models import DicomwebListener, Site, StowDoor
from exchange.dimse.tls import parse_pin, server_context
from exchange.domain.errors import ConfigurationError
from exchange.domain.instance import SpooledInstance
from exchange.intake.acceptance import Acceptance
from exchange.intake.embedded import EmbeddedServer
from exchange.intake.stow_app import StowLimits, StowService
from exchange.intake.stow_doors import BearerToken, Door
from exchange.intake.stow_server import StowListener, stow_server
from exchange.spool.store import Spool

_MIB = 1024 * 1024

log = structlog.get_logger()


@dataclass(slots=True)
class DicomwebServer:
    """A server that is bound; it answers once `serve` runs.

    Attributes:
        port: Where it listens.
    """

    server: EmbeddedServer
    listener: socket.socket
    grace_seconds: float
    port: int = 0
    _ended: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self.port = self.listener.getsockname()[1]

    async def serve(self) -> None:
        """Serve until `stop`."""
        try:
            await self.server.serve([self.listener])
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Take nothing more; requests that are being served have the grace, then they are cut."""
        self.server.should_exit = True
        with anyio.move_on_after(self.grace_seconds + 2) as waiting:
            await self._ended.wait()
        if waiting.cancelled_caught:
            log.warning("intake.cut_off", listener="dicomweb")


def open_dicomweb(
    site: Site,
    spool: Spool,
    clock: Callable[[], datetime],
    on_arrival: Callable[[SpooledInstance], None],
    grace_seconds: float,
    on_refused: Callable[[str], None] | None = None,
) -> DicomwebServer | None:
    """Bind the STOW-RS server of a site; None where the site has none. Blocking: not for the event loop.

    Args:
        site: Its `listen.dicomweb` and limits.
        spool: Where instances go.
        clock: Now, timezone-aware UTC.
        on_arrival: Told of each durable arrival; quick.
        grace_seconds: For requests that are being served when the server is told to stop.
        on_refused: Is told the status of each instance that was refused.

    Raises:
        ConfigurationError: Its certificates cannot be used, or the port cannot be bound.
    """
    settings = site.listen.dicomweb
    if settings is None:
        return None
    acceptance = Acceptance(
        spool,
        clock,
        on_arrival,
        instance_bytes=site.limits.instance_mib * _MIB,
        on_refused=on_refused,
    )
    limits = StowLimits(
        requests=site.limits.associations,
        request_bytes=site.limits.request_mib * _MIB,
        idle_seconds=site.limits.idle_seconds,
    )
    service = StowService({door.called_ae: _door(door) for door in settings.doors}, acceptance, limits)
    listener = _listener(settings, grace_seconds)
    server = stow_server(service.app(), listener)
    try:
        bound = listener.bind()
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen for DICOMweb: {error.strerror}",
            "another process has the port; see lockgate doctor",
        ) from error
    return DicomwebServer(server, bound, grace_seconds)


def _listener(settings: DicomwebListener, grace_seconds: float) -> StowListener:
    tls = None
    if settings.cert is not None and settings.key is not None:
        tls = server_context(settings.cert, settings.key, settings.client_ca)
    return StowListener(settings.host, settings.port, tls, grace_seconds)


def _door(settings: StowDoor) -> Door:
    token = BearerToken(settings.token_file) if settings.token_file is not None else None
    return Door(settings.called_ae, settings.peer or "", token, parse_pin(settings.pin or ""))
