"""What is due now, derived from custody; the engine only carries it out.

Only as much is handed to the engine as may run at once: what waits, waits in custody, where a more urgent
study overtakes, routes take turns by their share, and a destination that is down holds nobody else up. Each
has slots of its own, and none while its circuit is open.

`tick` may be called any time, any number of times: every enqueue is idempotent under `exchange/attempt`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog

from agent.custody.attempts import count_recovery, running_attempt
from agent.custody.circuits import peer_health
from agent.custody.deliveries import delivery
from agent.custody.holds import hold
from agent.custody.queueing import (
    QueuedDelivery,
    destinations_of,
    next_due_after,
    queued_deliveries,
    queued_exchanges,
    running,
    unclosed,
    unrouted_settled,
    waiting_lanes,
    waiting_routes,
)
from agent.custody.receipts import owed_receipts
from agent.custody.records import HoldReason, OwedReceipt, PeerHealth
from agent.engine.port import Engine
from agent.pipeline.appliance import Appliance
from agent.pipeline.attest import attest_delivery, attest_exchange
from agent.pipeline.circuit import is_open, is_probing
from agent.pipeline.clockwatch import watch_clock
from agent.pipeline.commitments import ask_overdue, next_overdue
from agent.pipeline.degraded import watch_disk
from agent.pipeline.settle import next_to_settle, reroute, settle_due
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import LockgateError

log = structlog.get_logger()

PROCESS, DELIVER = "process", "deliver"
STUDIES, DELIVERIES = "study", "delivery"
PEER_SLOTS = 2
"""Deliveries at once to one peer; each of them may use several associations."""

SLOTS = 32
"""Deliveries at once to all peers together; the first one of each peer is always let through."""

MOST_DELIVERIES = 256
"""What the engine may have running: `SLOTS` and one of each peer; more peers than that must wait."""

_TICK_SECONDS = 5.0


def tick(appliance: Appliance, engine: Engine) -> datetime:
    """Settle what is quiet, hand over what may run; returns when to look again at the latest."""
    began = appliance.clock()
    watch_clock(appliance)
    watch_disk(appliance)
    settle_due(appliance)
    ask_overdue(appliance)
    for exchange in unrouted_settled(appliance.custody):
        reroute(appliance, exchange)
    if appliance.can_sign:
        _take_up(appliance, engine)
        _hand_over_studies(appliance, engine)
        _hand_over_deliveries(appliance, engine)
        _issue_owed(appliance)
    return _next_look(appliance, began)


def _next_look(appliance: Appliance, began: datetime) -> datetime:
    """When a study settles, a pause or an open circuit ends.

    What was past when this look began was dealt with; what came up since may have been missed by it.
    """
    circuits = (one.open_until for one in peer_health(appliance.custody).values())
    custody = appliance.custody
    own = (next_to_settle(appliance, began), next_overdue(appliance), next_due_after(custody, began))
    due = (*own, *circuits)
    latest = appliance.clock() + timedelta(seconds=_TICK_SECONDS)
    return min([latest, *(one for one in due if one and one > began)])


def recover(appliance: Appliance) -> None:
    """Before the engine is launched: count what the last run left unfinished, hold what is poison.

    In this order, because the engine takes up its workflows as soon as it is launched.
    """
    for exchange_id, attempt in running(appliance.custody).exchanges:
        _count(appliance, exchange_id, attempt)


def start(appliance: Appliance, engine: Engine) -> None:
    """After the launch: take up running attempts afresh from custody, issue the receipts that are owed."""
    stale = engine.stale()
    if stale:
        log.info("workflows of another version are begun anew", count=len(stale))
    _take_up(appliance, engine)
    _issue_owed(appliance)


def _take_up(appliance: Appliance, engine: Engine) -> None:
    """Enqueue what custody says is running; nothing happens where the engine is at it.

    A workflow whose end could not be written (the disk was full) has ended without it; so it goes on.
    """
    # The engine first: what ends in between is no longer running in custody, and is not begun again.
    busy = {queue: engine.in_flight(queue) for queue in (STUDIES, DELIVERIES)}
    left = running(appliance.custody)
    for name, queue, found in (
        (PROCESS, STUDIES, left.exchanges),
        (DELIVER, DELIVERIES, left.deliveries),
    ):
        for one, number in found:
            if f"{one}/{number}" not in busy[queue]:
                engine.enqueue(name, f"{one}/{number}", (one, str(number)), queue, again=True)


def _hand_over_studies(appliance: Appliance, engine: Engine) -> None:
    busy = engine.in_flight(STUDIES)
    free = engine.limit(STUDIES) - len(busy)
    if free <= 0:
        return
    queues = {
        # what was handed over a moment ago may still wait here
        route: [
            one
            for one in queued_exchanges(appliance.custody, route, free + len(busy))
            if f"{one.exchange_id}/{one.attempt}" not in busy
        ]
        for route in waiting_routes(appliance.custody)
    }
    for one in appliance.turns[PROCESS].take(queues, _shares(appliance), free):
        workflow_id = f"{one.exchange_id}/{one.attempt}"
        engine.enqueue(PROCESS, workflow_id, (one.exchange_id, str(one.attempt)), STUDIES, again=True)


def _hand_over_deliveries(appliance: Appliance, engine: Engine) -> None:
    lanes: dict[str, list[str]] = defaultdict(list)
    for destination, route in waiting_lanes(appliance.custody):
        lanes[destination].append(route)
    if not lanes:
        return
    health = peer_health(appliance.custody)
    handed = engine.in_flight(DELIVERIES)
    busy = _busy(appliance, handed)
    free = SLOTS - busy.total()
    # Who has least under way comes first: the slots of all together are shared out evenly.
    for destination in sorted(lanes, key=lambda name: (busy[name], name)):
        wanted = peer_slots(health.get(destination), busy[destination], free, appliance.clock())
        probing = is_probing(health.get(destination), appliance.clock())
        queues = _queues(appliance, destination, lanes[destination], wanted, handed, probing=probing)
        for one in appliance.turns[f"{DELIVER}/{destination}"].take(queues, _shares(appliance), wanted):
            free -= 1
            engine.enqueue(
                DELIVER,
                f"{one.delivery_id}/{one.attempt}",
                (one.delivery_id, str(one.attempt)),
                DELIVERIES,
                again=True,
            )


def peer_slots(health: PeerHealth | None, busy: int, free: int, now: datetime) -> int:
    """How many further deliveries a peer may be given.

    Args:
        health: Its circuit: none while open, one as a probe when the pause is over.
        busy: How many it has.
        free: What is left of the slots of all peers together; the first of a peer does not ask.
        now: The time of it.
    """
    if is_open(health, now):
        return 0
    if is_probing(health, now):
        return 0 if busy else 1
    return max(min(PEER_SLOTS - busy, max(free, 0 if busy else 1)), 0)


def _queues(
    appliance: Appliance,
    destination: str,
    routes: list[str],
    wanted: int,
    handed: frozenset[str],
    *,
    probing: bool,
) -> dict[str, list[QueuedDelivery]]:
    """By route, what may be tried next; what was handed over a moment ago is left out."""
    if wanted <= 0:
        return {}
    now, most = appliance.clock(), wanted + len(handed)
    return {
        route: [
            one
            for one in queued_deliveries(appliance.custody, (destination, route), now, most, paused=probing)
            if f"{one.delivery_id}/{one.attempt}" not in handed
        ]
        for route in routes
    }


def _busy(appliance: Appliance, handed: frozenset[str]) -> Counter[str]:
    """Deliveries under way by destination: what custody calls active and what the engine was handed."""
    ids = {workflow_id.partition("/")[0] for workflow_id in handed}
    return Counter(destinations_of(appliance.custody, ids).values())


def _shares(appliance: Appliance) -> dict[str, int]:
    return {route.name: route.share for route in appliance.configuration.site.routes}


def _issue_owed(appliance: Appliance) -> None:
    """Issue what could not be issued in its turn; harmless where its workflow is at it just now."""

    def issue(one: OwedReceipt) -> None:
        if one.slot == "R2":
            attest_delivery(appliance, delivery(appliance.custody, one.delivery_id))
        attest_exchange(appliance, one.exchange_id)

    for owed in owed_receipts(appliance.custody):
        _issued(partial(issue, owed), owed.exchange_id)
    # Stopped between its last receipt and being closed: nothing is owed, and yet it is not at its end.
    for exchange_id in unclosed(appliance.custody):
        _issued(partial(attest_exchange, appliance, exchange_id), exchange_id)


def _issued(issue: Callable[[], object], exchange_id: str) -> None:
    """Issue; what cannot be issued now is owed on, and stops neither the others nor the start."""
    try:
        issue()
    except (LockgateError, OSError) as error:
        log.error("receipt not issued yet", exchange_id=exchange_id, error_type=type(error).__name__)


def _count(appliance: Appliance, exchange_id: str, number: int) -> None:
    """A study that keeps taking the process down is held as poison."""
    recoveries = count_recovery(appliance.custody, exchange_id, number)
    attempt = running_attempt(appliance.custody, exchange_id)
    if recoveries <= appliance.configuration.site.limits.attempts or attempt is None:
        return
    reason = HoldReason(ReasonCode.POISON, "process", detail=f"unfinished at {recoveries} starts")
    hold(appliance.custody, exchange_id, [reason], appliance.clock(), attempt.token)
    log.error("exchange held", exchange_id=exchange_id, codes=[ReasonCode.POISON])
