"""What the pipeline counts as it works, for Prometheus; what can be asked of custody is asked at each scrape.

Labels are names of the site file (route, peer), published codes and stage names: never anything from a study.
A label's value comes from the configuration or a fixed list, so the number of series is bounded.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram

from exchange.domain.exchange import DeliveryState

_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600)


class Metrics:
    """Counters and histograms of one appliance, in a registry of their own. Thread-safe.

    They begin at 0 with the process, as Prometheus expects of counters.

    Attributes:
        open_associations: How many associations callers hold open; set by whoever runs the listeners.
    """

    def __init__(self) -> None:
        self.open_associations: Callable[[], int] = lambda: 0
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, labels: list[str]) -> Counter:
            return Counter(name, text, labels, namespace="lockgate", registry=self.registry)

        self._accepted = counter("accepted_instances", "Instances taken into custody", ["protocol", "peer"])
        self._accepted_bytes = counter(
            "accepted_bytes", "Bytes of data sets taken into custody", ["protocol", "peer"]
        )
        self._refused = counter("refused_instances", "Instances refused at intake", ["protocol", "code"])
        self._settled = counter("settled_exchanges", "Exchanges put on a route", ["route", "peer"])
        self._settled_instances = counter(
            "settled_instances", "Accepted instances put on a route", ["route", "peer"]
        )
        self._settled_bytes = counter(
            "settled_bytes", "Bytes of accepted data sets put on a route", ["route", "peer"]
        )
        self._held = counter("held_exchanges", "Exchanges stopped for a person", ["route", "code"])
        self._sent = counter("delivered_instances", "Instances that a peer confirmed", ["peer", "route"])
        self._sent_bytes = counter("delivered_bytes", "Bytes that a peer confirmed", ["peer", "route"])
        self._instances_refused = counter(
            "refused_deliveries_instances", "Instances that a peer refused for good", ["peer", "route"]
        )
        self._ended = counter("ended_deliveries", "Deliveries that ended", ["peer", "route", "outcome"])
        self._attempts = counter(
            "delivery_attempts", "Attempts to deliver, by how they ended", ["peer", "code"]
        )
        self._receipts = counter("issued_receipts", "Receipts issued", ["slot"])
        self._opened = counter("circuit_openings", "Times that a peer's circuit opened", ["peer"])
        self._stages = Histogram(
            "stage_seconds",
            "Duration of a stage of one exchange",
            ["stage", "route"],
            buckets=_SECONDS,
            namespace="lockgate",
            registry=self.registry,
        )

    def accepted(self, protocol: str, peer: str, byte_count: int, count: int = 1) -> None:
        """Instances were taken into custody: `protocol` dimse or stow, the configured peer's name or ""."""
        self._accepted.labels(protocol, peer).inc(count)
        self._accepted_bytes.labels(protocol, peer).inc(byte_count)

    def refused_at_intake(self, protocol: str, code: str) -> None:
        """An instance was refused with a published code or a DICOM or HTTP status."""
        self._refused.labels(protocol, code).inc()

    def settled(self, route: str, peer: str, instances: int, byte_count: int) -> None:
        """An exchange was put on a route ("unrouted" when none took it); its sender's name or ""."""
        self._settled.labels(route, peer).inc()
        self._settled_instances.labels(route, peer).inc(instances)
        self._settled_bytes.labels(route, peer).inc(byte_count)

    def held(self, route: str, code: str) -> None:
        """An exchange was held; the first code counts."""
        self._held.labels(route, code).inc()

    def delivered(self, peer: str, route: str, byte_count: int, count: int = 1) -> None:
        """A peer confirmed instances."""
        self._sent.labels(peer, route).inc(count)
        self._sent_bytes.labels(peer, route).inc(byte_count)

    def refused_by_peer(self, peer: str, route: str, count: int = 1) -> None:
        """A peer refused instances for good."""
        self._instances_refused.labels(peer, route).inc(count)

    def delivery_ended(self, peer: str, route: str, outcome: DeliveryState) -> None:
        """A delivery ended for good."""
        self._ended.labels(peer, route, outcome.value).inc()

    def attempt(self, peer: str, code: str) -> None:
        """An attempt to deliver ended, by its code: `incomplete`, `unreachable` and the like."""
        self._attempts.labels(peer, code).inc()

    def receipt(self, slot: str) -> None:
        """A receipt was issued: R1, R2 or R3."""
        self._receipts.labels(slot).inc()

    def circuit_opened(self, peer: str) -> None:
        """A peer's circuit opened."""
        self._opened.labels(peer).inc()

    def stage(self, stage: str, route: str, seconds: float) -> None:
        """A stage of an exchange took so long."""
        self._stages.labels(stage, route).observe(seconds)

    @contextmanager
    def timed(self, stage: str, route: str) -> Iterator[None]:
        """Time a stage, however it ends."""
        began = perf_counter()
        try:
            yield
        finally:
            self.stage(stage, route, perf_counter() - began)
