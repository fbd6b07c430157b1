"""The running appliance: one anyio task group around intake, schedule, engine and control socket.

The event loop only waits: everything that blocks runs in threads (intake and DBOS in their own, the rest
through `to_thread`) or in worker processes. On SIGTERM intake stops first, running steps get a grace, and the
process leaves by `os._exit`: a step that outlives its grace can neither send nor write: custody refuses
its token.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import structlog
from anyio.abc import TaskGroup

from agent.config.models import Site
from agent.custody.listings import counts
from agent.daemon.answers import StatusAnswer
from agent.daemon.arrivals import ArrivalQueue, index_spool
from agent.daemon.build import (
    Parts,
    agent_facts,
    build,
    cleans_pixels,
    name_recognitions,
    read_configuration,
)
from agent.daemon.control import ControlInterface
from agent.daemon.control_socket import bind_control, control_server
from agent.daemon.dicomweb import DicomwebServer, open_dicomweb
from agent.daemon.metrics import bind_metrics, metrics_server
from agent.daemon.systemd import Notifier, watchdog_seconds
from agent.engine.steps import place_of
from agent.pipeline.commitments import take_commitment
from agent.pipeline.configuration import Configuration
from agent.pipeline.housekeeping import keep_house
from agent.pipeline.notices import take_notice
from agent.pipeline.policies import log_policies, log_roles
from agent.pipeline.receipt_keys import take_key
from agent.pipeline.retire import sweep_frozen
from agent.pipeline.schedule import recover, start, tick
from agent.pipeline.work import WARM, WarmTask
from exchange.dimse.tls import server_context
from exchange.domain.errors import ConfigurationError, LockgateError
from exchange.intake.dicom import DicomIntake
from exchange.intake.embedded import EmbeddedServer
from exchange.intake.listener import DicomListener, IntakeLimits
from exchange.log.events import Event, EventKind, Outcome

log = structlog.get_logger()

GRACE_SECONDS = 10
_LEAST_PAUSE_SECONDS, _MOST_PAUSE_SECONDS = 0.02, 0.25
_PAUSE_SHARE = 3
"""The schedule pauses so many times as long as its last look took, within these bounds."""

_ANSWER_SECONDS = 0.25
_RETIRE_SECONDS = 3600
_WARM_SECONDS = 120.0
_SWITCH_SECONDS = 0.0005


class Daemon:
    """One appliance, from start to orderly stop."""

    def __init__(self, file: Path, notifier: Notifier | None = None) -> None:
        self._file = file
        self._notifier = notifier or Notifier()
        self._stack = ExitStack()
        self._parts: Parts
        self._intake: DicomIntake
        self._dicomweb: DicomwebServer | None = None
        self._arrivals: ArrivalQueue
        self._wake = anyio.Event()
        self._ae_titles = AcceptedTitles()
        self._started_at: datetime
        self._metrics: socket.socket | None = None
        self._stopping = False

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            LockgateError: The appliance cannot start; nothing was served.
        """
        try:
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
                await self._serve(signals)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._stack.close)

    async def _serve(self, signals: Any) -> None:
        portal = anyio.from_thread.BlockingPortal()
        async with portal, anyio.create_task_group() as tasks:
            listener = await anyio.to_thread.run_sync(self._open, portal)
            server = control_server(self._interface().app())
            tasks.start_soon(server.serve, [listener])
            if self._dicomweb is not None:
                tasks.start_soon(self._dicomweb.serve)
            if self._metrics is not None:
                tasks.start_soon(metrics_server(self._parts.appliance).serve, [self._metrics])
            # Abandoned when a task fails: the thread waits for arrivals, and they are durable already.
            tasks.start_soon(partial(anyio.to_thread.run_sync, self._arrivals.run, abandon_on_cancel=True))
            tasks.start_soon(self._schedule)
            tasks.start_soon(partial(anyio.to_thread.run_sync, self._warm, abandon_on_cancel=True))
            tasks.start_soon(self._retire)
            tasks.start_soon(self._feed_watchdog)
            self._notifier.ready(f"serving {len(self._site.routes)} routes")
            self._say_ready()
            await self._obey(signals)
            await self._stop(server, tasks)

    @property
    def _site(self) -> Site:
        return self._parts.appliance.configuration.site

    def _open(self, portal: anyio.from_thread.BlockingPortal) -> socket.socket:
        """Everything that must be there before anyone may connect, in order; in a thread."""
        configuration = read_configuration(self._file)
        self._parts = build(configuration, self._stack)
        appliance = self._parts.appliance
        self._started_at = appliance.clock()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop is stopping: nobody waits any more
                portal.start_task_soon(self._set_wake)

        appliance.wake = wake
        appliance.log.append(
            Event(
                EventKind.BOOT,
                {
                    "version": metadata.version("lockgate"),
                    "configSha256": configuration.loaded.sha256,
                    "firmwareProfile": appliance.firmware_profile,
                },
            )
        )
        log_policies(appliance)
        log.info("spool indexed", count=index_spool(appliance))
        recover(appliance)
        sweep_frozen(appliance)
        self._parts.engine.launch()
        self._stack.callback(self._parts.engine.close, GRACE_SECONDS)
        start(appliance, self._parts.engine)
        self._arrivals = ArrivalQueue(appliance, wake)
        appliance.unrecorded = self._arrivals.oldest
        self._intake = DicomIntake(
            intake_listeners(configuration, self._ae_titles),
            appliance.spool,
            appliance.clock,
            lambda calling, address, _certificate: appliance.configuration.identify_peer(calling, address),
            self._arrivals.put,
            on_notice=partial(take_notice, appliance),
            on_commitment=partial(take_commitment, appliance),
            watcher=appliance.senders,
            on_refused=partial(appliance.metrics.refused_at_intake, "dimse"),
        )
        appliance.senders.on_closed = self._association_ended
        appliance.metrics.open_associations = appliance.senders.count
        try:
            self._intake.start()
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen for DICOM: {error.strerror}",
                "another process has the port; see lockgate doctor",
            ) from error
        self._stack.callback(self._intake.stop, GRACE_SECONDS / 2)
        self._stack.callback(self._arrivals.close)
        self._dicomweb = open_dicomweb(
            self._site,
            appliance.spool,
            appliance.clock,
            self._arrivals.put,
            GRACE_SECONDS / 2,
            partial(appliance.metrics.refused_at_intake, "stow"),
        )
        if self._site.listen.metrics is not None:
            self._metrics = bind_metrics(self._site.listen.metrics)
        return self._stack.enter_context(bind_control(self._site.control_socket))

    def _set_wake(self) -> None:
        self._wake.set()

    def _association_ended(self) -> None:
        """A study may be complete by that; when nobody is connected, nothing more is to be gathered."""
        appliance = self._parts.appliance
        if not appliance.senders.count():
            self._arrivals.hurry()
        appliance.wake()

    async def _schedule(self) -> None:
        """Look at what is due: when woken, when custody says so, and now and then.

        Between two looks there is a pause in proportion: a burst of arrivals is looked at once, not at each,
        and a look that takes long leaves the processor to others.
        """
        parts = self._parts
        while not self._stopping:
            self._wake = anyio.Event()  # before the look: what comes up during it must not be missed
            began = time.monotonic()
            try:
                due = await anyio.to_thread.run_sync(tick, parts.appliance, parts.engine)
            except Exception as error:  # noqa: BLE001 - the boundary: also what the engine's database raises
                log.error("schedule failed", error_type=type(error).__name__, at=place_of(error))
                due = parts.appliance.clock()
            await anyio.sleep(look_pause(time.monotonic() - began))
            with anyio.move_on_after((due - parts.appliance.clock()).total_seconds()):
                await self._wake.wait()

    def _warm(self) -> None:
        """Start a worker and build its readers, so that the first study does not wait for them."""
        appliance = self._parts.appliance
        try:
            configuration = appliance.configuration
            task = WarmTask(cleans_pixels(configuration), name_recognitions(configuration))
            appliance.pool.submit(WARM, task, seconds=_WARM_SECONDS)
        except LockgateError as error:
            log.error("worker not ready", error_type=type(error).__name__, reason=str(error))

    async def _retire(self) -> None:
        while not self._stopping:
            try:
                await anyio.to_thread.run_sync(keep_house, self._parts.appliance, self._parts.engine)
            except LockgateError as error:
                log.error("retirement failed", error_type=type(error).__name__)
            await anyio.sleep(_RETIRE_SECONDS)

    async def _feed_watchdog(self) -> None:
        interval = watchdog_seconds()
        while interval is not None:
            self._notifier.alive()
            await anyio.sleep(interval)

    async def _obey(self, signals: Any) -> None:
        async for number in signals:
            if number != signal.SIGHUP:
                log.info("stopping", signal=signal.Signals(number).name)
                return
            with suppress(LockgateError):
                await anyio.to_thread.run_sync(self._reload)

    def _reload(self) -> None:
        """Read the site file again; with a mistake in it the old configuration goes on serving.

        Raises:
            ConfigurationError: The mistakes; also when what is open (ports, stores) would have to change.
        """
        appliance = self._parts.appliance
        self._notifier.reloading()
        try:
            configuration = read_configuration(self._file)
            refuse_moved_stores(appliance.configuration.site, configuration.site)
        except LockgateError as error:
            log.error("reload refused, the old configuration goes on", reason=_problems(error))
            appliance.log.append(Event(EventKind.CONFIG_CHANGED, {}, Outcome.FAILED))
            self._notifier.ready("reload refused: the old configuration goes on serving")
            raise
        before, appliance.configuration = appliance.configuration, configuration
        self._ae_titles.accept(configuration.site.accepted_ae_titles)
        facts = agent_facts(configuration, self._parts.firmware)
        appliance.issuer = replace(appliance.issuer, agent=facts)
        take_key(appliance)
        digest = configuration.loaded.sha256
        appliance.log.append(Event(EventKind.CONFIG_CHANGED, {"configSha256": digest}))
        log_policies(appliance)
        log_roles(appliance, before, configuration)
        log.info("configuration reloaded", digest=digest)
        self._notifier.ready(f"serving {len(configuration.site.routes)} routes")
        appliance.wake()

    async def _stop(self, server: EmbeddedServer, tasks: TaskGroup) -> None:
        self._stopping = True
        self._notifier.stopping()
        if self._dicomweb is not None:
            await self._dicomweb.stop()
        await anyio.to_thread.run_sync(self._intake.stop, GRACE_SECONDS / 2)
        self._arrivals.close()
        self._wake.set()
        await anyio.to_thread.run_sync(self._close_engine)
        server.should_exit = True
        await anyio.sleep(_ANSWER_SECONDS)  # an answer that is being written may end
        tasks.cancel_scope.cancel()

    def _close_engine(self) -> None:
        """Let running steps end within the grace; then nobody works and nobody answers any more."""
        self._parts.engine.close(GRACE_SECONDS)
        self._parts.appliance.log.append(Event(EventKind.SHUTDOWN))
        self._site.control_socket.unlink(missing_ok=True)

    def _interface(self) -> ControlInterface:
        return ControlInterface(self._parts.appliance, self._status, self._reload)

    def _status(self) -> StatusAnswer:
        appliance = self._parts.appliance
        totals = counts(appliance.custody)
        return StatusAnswer(
            site=self._site.site,
            appliance=self._site.appliance,
            version=metadata.version("lockgate"),
            pid=os.getpid(),
            started_at=self._started_at,
            config_sha256=appliance.configuration.loaded.sha256,
            firmware_profile=appliance.firmware_profile,
            workers=appliance.slots,
            ports=self._ports,
            quarantined=appliance.spool.quarantined(),
            exchanges=dict(totals.exchanges),
            deliveries=dict(totals.deliveries),
            holds=dict(totals.open_holds),
            instances=totals.instances,
            arrivals=totals.arrivals,
            bytes=totals.instance_bytes,
        )

    @property
    def _ports(self) -> tuple[int, ...]:
        web = (self._dicomweb.port,) if self._dicomweb is not None else ()
        return (*self._intake.ports, *web)

    def _say_ready(self) -> None:
        for port in self._ports:
            log.info("listening", port=port)
        log.info("ready", site=self._site.site, appliance=self._site.appliance, pid=os.getpid())


def look_pause(seconds: float) -> float:
    """How long the schedule rests after a look that took so long, in seconds."""
    return min(max(seconds * _PAUSE_SHARE, _LEAST_PAUSE_SECONDS), _MOST_PAUSE_SECONDS)


class AcceptedTitles:
    """The AE titles that may be called; a reload changes them while the listeners stay open."""

    def __init__(self) -> None:
        self._titles: frozenset[str] = frozenset()

    def accept(self, titles: frozenset[str]) -> None:
        """These and no others from now on."""
        self._titles = titles

    def __contains__(self, title: object) -> bool:
        return title in self._titles


def intake_listeners(configuration: Configuration, titles: AcceptedTitles) -> tuple[DicomListener, ...]:
    """The DICOM listeners of a site; both accept every AE title of listeners and routes.

    Raises:
        ConfigurationError: A certificate cannot be used.
    """
    site, found = configuration.site, []
    titles.accept(site.accepted_ae_titles)
    limits = IntakeLimits(
        max_pdu=site.limits.pdu_bytes,
        associations=site.limits.associations,
        network_seconds=site.limits.idle_seconds,
        instance_bytes=site.limits.instance_mib * 1024 * 1024,
    )
    plain, tls = site.listen.dicom, site.listen.dicom_tls
    if plain is not None:
        found.append(DicomListener(plain.host, plain.port, titles, None, limits))
    if tls is not None:
        context = server_context(tls.cert, tls.key, tls.client_ca)
        found.append(DicomListener(tls.host, tls.port, titles, context, limits))
    return tuple(found)


def refuse_moved_stores(before: Site, after: Site) -> None:
    """A reload changes routes, peers and people; ports, stores and identity need a restart.

    Raises:
        ConfigurationError: One of them has changed.
    """
    fixed: Iterable[str] = (
        "site", "appliance", "state", "database", "spool", "keys", "log_heads", "listen",
        "firmware_profile", "limits",
    )  # fmt: skip
    changed = [name for name in fixed if getattr(before, name) != getattr(after, name)]
    if changed:
        raise ConfigurationError(
            f"cannot reload: {', '.join(changed)} changed", "these need a restart; nothing was changed"
        )


def _problems(error: LockgateError) -> str:
    """Where the mistakes are; a site file holds no patient's data."""
    return str(error)[:2000]


def run_daemon(file: Path) -> None:
    """Run until told to stop, then leave at once: a thread that hangs in a peer must not keep us.

    Raises:
        LockgateError: The appliance cannot start.
    """
    # Intake threads wait for the interpreter's lock at each instance: 5 ms, the default, is longer than most
    # of them take.
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        anyio.run(Daemon(file).run)
    except BaseExceptionGroup as group:
        raise _cause(group) from None
    os._exit(0)


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What ended the task groups, without their wrapping: the first of our own errors, else the first."""
    ours = group.subgroup(LockgateError)
    found: BaseException = ours or group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
