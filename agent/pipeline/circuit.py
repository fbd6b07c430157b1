"""The circuit breaker of a peer: after some attempts in a row that did not reach it, its deliveries wait.

One delivery is let through when the pause is over; if it reaches the peer, all that wait are due at once,
else the pause doubles. What waits meanwhile burns no attempt. `after` and `retried` are pure; `note_attempt`
is what a delivery calls at its end.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from agent.custody.circuits import change_health, make_due
from agent.custody.records import PeerHealth
from agent.pipeline.appliance import Appliance
from agent.pipeline.configuration import Configuration
from exchange.log.events import Event, EventKind, Outcome

log = structlog.get_logger()

CLOSED, OPEN = "closed", "open"
UNREACHABLE = "unreachable"
_FAILURES = 3
_DOUBLINGS = 16
_SUCCESS_NOTED_EVERY = timedelta(minutes=1)  # a peer that always answers costs no write at each attempt


@dataclass(frozen=True, slots=True)
class Rules:
    """When a circuit opens and for how long.

    Attributes:
        failures: Attempts in a row that did not reach the peer.
        first: The first pause; each further one doubles.
        most: The longest pause.
    """

    failures: int = _FAILURES
    first: timedelta = timedelta(seconds=5)
    most: timedelta = timedelta(minutes=10)


def rules_for(configuration: Configuration, destination: str) -> Rules:
    """The shortest pauses (`retry:`) of the routes that deliver to this peer."""
    retries = [one.retry for one in configuration.site.routes if destination in one.deliver]
    if not retries:
        return Rules()
    first = min(one.first_seconds for one in retries)
    most = max(first, min(one.most_seconds for one in retries))
    return Rules(first=timedelta(seconds=first), most=timedelta(seconds=most))


def new_health(destination: str, now: datetime) -> PeerHealth:
    """Of a peer that nothing is known of."""
    return PeerHealth(destination, CLOSED, 0, 0, None, "", now, None)


def is_open(health: PeerHealth | None, now: datetime) -> bool:
    """Whether nothing may be sent now."""
    return health is not None and health.state == OPEN and _until(health) > now


def is_probing(health: PeerHealth | None, now: datetime) -> bool:
    """Whether the pause is over and one delivery may find out."""
    return health is not None and health.state == OPEN and _until(health) <= now


def shown(health: PeerHealth | None, now: datetime) -> str:
    """`closed`, `open` or `half-open`, for people and metrics."""
    if is_open(health, now):
        return OPEN
    return "half-open" if is_probing(health, now) else CLOSED


def after(before: PeerHealth, reachable: bool, code: str, now: datetime, rules: Rules) -> PeerHealth:  # noqa: FBT001 - the one fact
    """The health after one more attempt.

    Args:
        before: As it was.
        reachable: Whether the peer could be reached.
        code: PHI-free code of what went wrong, "" when nothing did.
        now: The time of it.
        rules: When to open.
    """
    if reachable:
        seen = before.last_success_at
        if before.state == CLOSED and not before.failures and seen and now - seen < _SUCCESS_NOTED_EVERY:
            return before
        closed = replace(before, state=CLOSED, failures=0, trips=0, open_until=None)
        return replace(closed, last_error_code="", last_success_at=now, updated_at=now)
    failed = replace(
        before, failures=before.failures + 1, last_error_code=code or UNREACHABLE, updated_at=now
    )
    if before.state == OPEN and _until(before) > now:
        return failed  # it had begun before the circuit opened: the pause stays as it is
    if before.state == CLOSED and failed.failures < rules.failures:
        return failed
    pause = min(rules.first * 2 ** min(before.trips, _DOUBLINGS), rules.most)
    return replace(failed, state=OPEN, trips=before.trips + 1, open_until=now + pause)


def retried(before: PeerHealth, now: datetime) -> PeerHealth:
    """A person wants it tried now: the pause is over, one delivery finds out."""
    return replace(before, open_until=now, updated_at=now) if before.state == OPEN else before


def note_attempt(appliance: Appliance, destination: str, reachable: bool, code: str) -> None:  # noqa: FBT001 - the one fact
    """Remember how an attempt to reach a peer ended; opens or closes its circuit.

    Args:
        appliance: The running appliance.
        destination: The peer's name.
        reachable: Whether it could be reached at all, whatever it said then.
        code: PHI-free code of what went wrong, "" when nothing did.
    """
    now = appliance.clock()
    rules = rules_for(appliance.configuration, destination)
    before, health = change_health(
        appliance.custody,
        destination,
        lambda known: after(known or new_health(destination, now), reachable, code, now, rules),
    )
    was = before.state if before else CLOSED
    if health.state == OPEN and (before is None or before.trips != health.trips):
        _opened(appliance, health, now)
    elif was == OPEN and health.state == CLOSED:
        _closed(appliance, health, now)


def retry_peer(appliance: Appliance, destination: str) -> None:
    """Override an open circuit: the next delivery is tried at once."""
    now = appliance.clock()
    change_health(
        appliance.custody, destination, lambda known: retried(known or new_health(destination, now), now)
    )


def _opened(appliance: Appliance, health: PeerHealth, now: datetime) -> None:
    pause = round((_until(health) - now).total_seconds(), 1)
    log.warning(
        "peer not reachable: its deliveries wait",
        destination=health.destination,
        code=health.last_error_code,
        attempt=health.failures,
        retry_seconds=pause,
    )
    appliance.metrics.circuit_opened(health.destination)
    if health.trips == 1:  # each further pause is a line in the log, not an event of its own
        fields: dict[str, str | int] = {"peer": health.destination, "failures": health.failures}
        fields["code"] = health.last_error_code
        appliance.log.append(Event(EventKind.DEGRADED_ENTER, fields, Outcome.FAILED))


def _closed(appliance: Appliance, health: PeerHealth, now: datetime) -> None:
    waiting = make_due(appliance.custody, health.destination, UNREACHABLE, now)
    log.info("peer reachable again", destination=health.destination, pending=waiting)
    appliance.log.append(Event(EventKind.DEGRADED_LEAVE, {"peer": health.destination, "waiting": waiting}))
    appliance.wake()


def _until(health: PeerHealth) -> datetime:
    return health.open_until or health.updated_at
