"""`/metrics` for Prometheus: what the pipeline counted, and what custody says at the moment of the scrape.

Labels are names of the site file, states and published codes; nothing here can come from a study. Every
question to custody is answered by an index or by totals that the database keeps, so a scrape costs the same
however much has gone through.
"""

import shutil
import socket
from collections.abc import Iterator

import anyio.to_thread
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent.config.models import MetricsListener
from agent.custody.circuits import peer_health
from agent.custody.listings import Counts, counts
from agent.custody.queueing import Backlog, backlog
from agent.pipeline.appliance import Appliance
from agent.pipeline.circuit import shown
from agent.pipeline.forecast import certificates_left
from exchange.domain.errors import ConfigurationError
from exchange.intake.embedded import EmbeddedServer

CIRCUITS = ("closed", "half-open", "open")


class ScrapedGauges(Collector):
    """What is so at the moment of the scrape."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance = appliance

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing beforehand: collecting once more to learn the names would ask custody for nothing."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Ask custody, disk and certificates."""
        custody = self._appliance.custody
        yield from _totals(counts(custody))
        yield from self._waiting(backlog(custody))
        yield from self._circuits()
        yield from self._disk()
        yield _gauge("open_associations", "DICOM associations that callers hold open", self._associations())
        left = GaugeMetricFamily(
            "lockgate_certificate_days_left",
            "Days until the first certificate for a peer (or of our listeners) ends",
            labels=["peer"],
        )
        for peer, days in certificates_left(self._appliance).items():
            left.add_metric([peer], days)
        yield left

    def _associations(self) -> float:
        return float(self._appliance.metrics.open_associations())

    def _waiting(self, lanes: tuple[Backlog, ...]) -> Iterator[GaugeMetricFamily]:
        now = self._appliance.clock()
        labels = ["peer", "route"]
        queued = GaugeMetricFamily(
            "lockgate_queued", "What waits for a peer, or (peer empty) to be processed", labels=labels
        )
        oldest = GaugeMetricFamily(
            "lockgate_oldest_waiting_seconds", "Age of the oldest that waits, by the same", labels=labels
        )
        for lane in lanes:
            place = [lane.destination, lane.route]
            queued.add_metric(place, lane.count)
            oldest.add_metric(place, max((now - lane.oldest).total_seconds(), 0.0))
        yield queued
        yield oldest

    def _circuits(self) -> Iterator[GaugeMetricFamily]:
        now, health = self._appliance.clock(), peer_health(self._appliance.custody)
        circuit = GaugeMetricFamily(
            "lockgate_circuit", "1 for the state that a peer's circuit is in", labels=["peer", "state"]
        )
        failures = GaugeMetricFamily(
            "lockgate_unreachable_in_a_row", "Attempts in a row that did not reach the peer", labels=["peer"]
        )
        for peer in self._appliance.configuration.site.peers:
            known = health.get(peer)
            state = shown(known, now)
            for one in CIRCUITS:
                circuit.add_metric([peer, one], float(one == state))
            failures.add_metric([peer], known.failures if known else 0)
        yield circuit
        yield failures

    def _disk(self) -> Iterator[GaugeMetricFamily]:
        site = self._appliance.configuration.site
        yield _gauge("spool_free_bytes", "Free space on the spool's disk", disk_free(self._appliance))
        reserve = site.limits.spool_reserve_mib * 1024 * 1024
        yield _gauge("spool_reserve_bytes", "Free space that intake leaves", reserve)


def disk_free(appliance: Appliance) -> int:
    """Free bytes on the spool's disk; 0 when it cannot be asked (it is gone)."""
    try:
        return shutil.disk_usage(appliance.configuration.site.spool_folder).free
    except OSError:
        return 0


def exposition(appliance: Appliance) -> bytes:
    """All metrics as Prometheus reads them.

    Raises:
        CustodyError: The database cannot be asked.
    """
    scraped = CollectorRegistry(auto_describe=False)
    scraped.register(ScrapedGauges(appliance))
    return generate_latest(appliance.metrics.registry) + generate_latest(scraped)


def metrics_endpoint(appliance: Appliance) -> Route:
    """`/metrics`, for the control socket and for a listener of its own."""

    async def scrape(_request: Request) -> Response:
        text = await anyio.to_thread.run_sync(exposition, appliance)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return Route("/metrics", scrape)


def metrics_server(appliance: Appliance) -> EmbeddedServer:
    """A server of `/metrics` and nothing else; give it `bind_metrics(...)` to serve on."""
    app = Starlette(routes=[metrics_endpoint(appliance)])
    return EmbeddedServer(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))


def bind_metrics(settings: MetricsListener) -> socket.socket:
    """Bind the listener of `listen.metrics`.

    Raises:
        ConfigurationError: The address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"cannot listen for metrics on port {settings.port}: {error.strerror}",
            "change listen.metrics, or stop what has the port",
        ) from None
    return listener


def _totals(found: Counts) -> Iterator[GaugeMetricFamily]:
    exchanges = GaugeMetricFamily("lockgate_exchanges", "Exchanges by state", labels=["state"])
    for state, count in found.exchanges.items():
        exchanges.add_metric([state.value], count)
    deliveries = GaugeMetricFamily("lockgate_deliveries", "Deliveries by state", labels=["state"])
    for sent, count in found.deliveries.items():
        deliveries.add_metric([sent.value], count)
    holds = GaugeMetricFamily("lockgate_open_holds", "Open holds by code", labels=["code"])
    for code, count in found.open_holds.items():
        holds.add_metric([code], count)
    yield from (exchanges, deliveries, holds)
    yield _gauge("instances", "Instances in custody", found.instances)
    yield _gauge("spool_used_bytes", "Bytes of data sets in custody", found.instance_bytes)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"lockgate_{name}", text, value=value)
