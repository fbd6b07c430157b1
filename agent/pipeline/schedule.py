"""What is due now, derived from custody; the engine only carries it out.

`tick` may be called any time, any number of times: every enqueue is idempotent under `exchange/attempt`.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog

from agent.custody.attempts import count_recovery, running_attempt
from agent.custody.deliveries import delivery, due_deliveries, next_delivery_at
from agent.custody.holds import hold
from agent.custody.listings import list_exchanges, unfinished
from agent.custody.receipts import owed_receipts
from agent.custody.records import ExchangeRecord, HoldReason, OwedReceipt
from agent.engine.port import Engine
from agent.pipeline.appliance import Appliance
from agent.pipeline.attest import attest_delivery, attest_exchange
from agent.pipeline.settle import next_to_settle, reroute, settle_due
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import LockgateError
from exchange.domain.exchange import DeliveryState, ExchangeState

log = structlog.get_logger()

PROCESS, DELIVER = "process", "deliver"
STUDIES, DELIVERIES = "study", "delivery"
_TICK_SECONDS = 5.0


def tick(appliance: Appliance, engine: Engine) -> datetime:
    """Settle what is quiet, enqueue what is due; returns when to look again at the latest."""
    settle_due(appliance)
    for exchange in list_exchanges(appliance.custody, {ExchangeState.SETTLED}, limit=1000):
        _enqueue_exchange(appliance, engine, exchange)
    for one in due_deliveries(appliance.custody, appliance.clock()):
        number = one.attempts + 1
        engine.enqueue(
            DELIVER, f"{one.delivery_id}/{number}", (one.delivery_id, str(number)), DELIVERIES, again=True
        )
    _take_up(appliance, engine)
    _issue_owed(appliance)
    return _next_look(appliance)


def _next_look(appliance: Appliance) -> datetime:
    """When a study settles or a delivery is due next; what is past already was dealt with just now."""
    now = appliance.clock()
    due = (next_to_settle(appliance), next_delivery_at(appliance.custody))
    return min([now + timedelta(seconds=_TICK_SECONDS), *(one for one in due if one and one > now)])


def recover(appliance: Appliance) -> None:
    """Before the engine is launched: count what the last run left unfinished, hold what is poison.

    In this order, because the engine takes up its workflows as soon as it is launched.
    """
    for exchange in unfinished(appliance.custody).exchanges:
        if exchange.state is ExchangeState.PROCESSING:
            _count(appliance, exchange)


def start(appliance: Appliance, engine: Engine) -> None:
    """After the launch: enqueue running attempts afresh from custody, issue the receipts that are owed."""
    engine.stale()
    _take_up(appliance, engine)
    _issue_owed(appliance)
    # Killed between its last receipt and being closed: nothing is owed, and yet it is not at its end.
    for exchange in list_exchanges(appliance.custody, {ExchangeState.DELIVERING}, limit=10_000):
        _issued(partial(attest_exchange, appliance, exchange.exchange_id), exchange.exchange_id)


def _take_up(appliance: Appliance, engine: Engine) -> None:
    """Enqueue what custody says is running; nothing happens where the engine is at it.

    A workflow whose end could not be written (the disk was full) has ended without it; so it goes on.
    """
    left = unfinished(appliance.custody)
    for exchange in left.exchanges:
        if exchange.state is ExchangeState.PROCESSING:
            number = str(exchange.attempt_count)
            workflow_id = f"{exchange.exchange_id}/{number}"
            engine.enqueue(PROCESS, workflow_id, (exchange.exchange_id, number), STUDIES, again=True)
    for one in left.deliveries:
        if one.state is DeliveryState.ACTIVE:
            workflow_id = f"{one.delivery_id}/{one.attempts}"
            engine.enqueue(DELIVER, workflow_id, (one.delivery_id, str(one.attempts)), DELIVERIES, again=True)


def _issue_owed(appliance: Appliance) -> None:
    """Issue what could not be issued in its turn; harmless where its workflow is at it just now."""

    def issue(one: OwedReceipt) -> None:
        if one.slot == "R2":
            attest_delivery(appliance, delivery(appliance.custody, one.delivery_id))
        attest_exchange(appliance, one.exchange_id)

    for owed in owed_receipts(appliance.custody):
        _issued(partial(issue, owed), owed.exchange_id)


def _issued(issue: Callable[[], object], exchange_id: str) -> None:
    """Issue; what cannot be issued now is owed on, and stops neither the others nor the start."""
    try:
        issue()
    except (LockgateError, OSError) as error:
        log.error("receipt not issued yet", exchange_id=exchange_id, error_type=type(error).__name__)


def _enqueue_exchange(appliance: Appliance, engine: Engine, exchange: ExchangeRecord) -> None:
    if exchange.route is None:  # unrouted, and a person released it: perhaps a route takes it now
        for one in reroute(appliance, exchange):
            if one.route is not None and one.state is ExchangeState.SETTLED:
                _enqueue_exchange(appliance, engine, one)
        return
    number = exchange.attempt_count + 1
    workflow_id = f"{exchange.exchange_id}/{number}"
    engine.enqueue(PROCESS, workflow_id, (exchange.exchange_id, str(number)), STUDIES, again=True)


def _count(appliance: Appliance, exchange: ExchangeRecord) -> None:
    """A study that keeps taking the process down is held as poison."""
    recoveries = count_recovery(appliance.custody, exchange.exchange_id, exchange.attempt_count)
    attempt = running_attempt(appliance.custody, exchange.exchange_id)
    if recoveries <= appliance.configuration.site.limits.attempts or attempt is None:
        return
    reason = HoldReason(ReasonCode.POISON, "process", detail=f"unfinished at {recoveries} starts")
    hold(appliance.custody, exchange.exchange_id, [reason], appliance.clock(), attempt.token)
    log.error("exchange held", exchange_id=exchange.exchange_id, codes=[ReasonCode.POISON])
