"""What is due now, derived from custody; the engine only carries it out.

`tick` may be called any time, any number of times: every enqueue is idempotent under `exchange/attempt`.
"""

from datetime import datetime, timedelta

import structlog

from agent.custody.attempts import count_recovery, running_attempt
from agent.custody.deliveries import due_deliveries
from agent.custody.holds import hold
from agent.custody.listings import list_exchanges, unfinished
from agent.custody.receipts import owed_receipts
from agent.custody.records import ExchangeRecord, HoldReason
from agent.engine.port import Engine
from agent.pipeline.appliance import Appliance
from agent.pipeline.attest import attest_delivery, attest_exchange
from agent.pipeline.settle import reroute, settle_due
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import CustodyError
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
    return appliance.clock() + timedelta(seconds=_TICK_SECONDS)


def start(appliance: Appliance, engine: Engine) -> None:
    """Take up what the last run left: the engine's stale workflows, running attempts, owed receipts."""
    engine.stale()
    left = unfinished(appliance.custody)
    for exchange in left.exchanges:
        if exchange.state is ExchangeState.PROCESSING:
            _take_up(appliance, engine, exchange)
    for one in left.deliveries:
        if one.state is DeliveryState.ACTIVE:
            workflow_id = f"{one.delivery_id}/{one.attempts}"
            engine.enqueue(DELIVER, workflow_id, (one.delivery_id, str(one.attempts)), DELIVERIES, again=True)
    settle_owed(appliance)


def settle_owed(appliance: Appliance) -> None:
    """Issue the R2 and R3 that a crash came before."""
    from agent.custody.deliveries import delivery

    for owed in owed_receipts(appliance.custody):
        if owed.slot == "R2":
            attest_delivery(appliance, delivery(appliance.custody, owed.delivery_id))
    for owed in owed_receipts(appliance.custody):
        if owed.slot == "R3":
            attest_exchange(appliance, owed.exchange_id)
    for exchange in list_exchanges(appliance.custody, {ExchangeState.DELIVERING}, limit=10_000):
        attest_exchange(appliance, exchange.exchange_id)


def _enqueue_exchange(appliance: Appliance, engine: Engine, exchange: ExchangeRecord) -> None:
    if exchange.route is None:  # unrouted, and a person released it: perhaps a route takes it now
        reroute(appliance, exchange)
        return
    number = exchange.attempt_count + 1
    workflow_id = f"{exchange.exchange_id}/{number}"
    engine.enqueue(PROCESS, workflow_id, (exchange.exchange_id, str(number)), STUDIES, again=True)


def _take_up(appliance: Appliance, engine: Engine, exchange: ExchangeRecord) -> None:
    """A running attempt that the last run left; a study that keeps taking us down is held as poison."""
    number = exchange.attempt_count
    recoveries = count_recovery(appliance.custody, exchange.exchange_id, number)
    attempt = running_attempt(appliance.custody, exchange.exchange_id)
    if recoveries > appliance.configuration.site.limits.attempts and attempt is not None:
        reason = HoldReason(ReasonCode.POISON, "process", detail=f"unfinished at {recoveries} starts")
        try:
            hold(appliance.custody, exchange.exchange_id, [reason], appliance.clock(), attempt.token)
        except CustodyError:
            log.warning("not held", exchange_id=exchange.exchange_id, code=ReasonCode.POISON)
        return
    workflow_id = f"{exchange.exchange_id}/{number}"
    engine.enqueue(PROCESS, workflow_id, (exchange.exchange_id, str(number)), STUDIES, again=True)
