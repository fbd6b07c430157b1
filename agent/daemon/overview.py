"""What `status` shows besides totals: what is under way and how far, each peer, and what will go wrong."""

from dataclasses import asdict

from agent.custody.progress import Sent, processing, sending, sent_of
from agent.custody.queueing import Backlog, backlog
from agent.custody.records import ExchangeRecord
from agent.daemon.answers import (
    ForecastAnswer,
    PeerAnswer,
    QueueAnswer,
    StatusAnswer,
    StepAnswer,
    UnderWayAnswer,
)
from agent.daemon.metrics import disk_free
from agent.pipeline.appliance import Appliance
from agent.pipeline.circuit import shown
from agent.pipeline.forecast import Forecast, Known, known, of_appliance, of_exchange, of_peer
from agent.pipeline.progress import Step, step_of
from exchange.domain.exchange import ENDED_DELIVERIES, Priority


def with_overview(appliance: Appliance, status: StatusAnswer) -> StatusAnswer:
    """The status with what is under way; asks custody of that only, not of what has ended."""
    facts, lanes = known(appliance), backlog(appliance.custody)
    return status.model_copy(
        update={
            "spool_free_bytes": disk_free(appliance),
            "under_way": _under_way(appliance, facts),
            "peers": tuple(_peer(appliance, name, lanes, facts) for name in _peers(appliance, lanes)),
            "queues": tuple(
                QueueAnswer(route=one.route, count=one.count, oldest_at=one.oldest)
                for one in lanes
                if not one.destination
            ),
            "forecasts": _forecasts(of_appliance(appliance)),
        }
    )


def steps_of(appliance: Appliance, exchange: ExchangeRecord) -> tuple[StepAnswer, ...]:
    """How far one exchange has come, for `exchanges show`."""
    now = appliance.clock()
    cleaning = appliance.progress.of(exchange.exchange_id, now)
    sent = sent_of(appliance.custody, exchange)
    first = [cleaning] if cleaning is not None and not sent else []
    return tuple(_step(one) for one in (*first, *(step_of(each, now) for each in sent)))


def forecasts_of(appliance: Appliance, exchange: ExchangeRecord) -> tuple[ForecastAnswer, ...]:
    """What will go wrong with the deliveries of one exchange that have not ended."""
    open_ones = [
        one.delivery.destination
        for one in sent_of(appliance.custody, exchange)
        if one.delivery.state not in ENDED_DELIVERIES
    ]
    return _forecasts(of_exchange(appliance, exchange, open_ones, known(appliance)))


def _under_way(appliance: Appliance, facts: Known) -> tuple[UnderWayAnswer, ...]:
    now = facts.now
    found = [
        _one(one, appliance.progress.of(one.exchange_id, now), ()) for one in processing(appliance.custody)
    ]
    for exchange, sent in sending(appliance.custody):
        found.append(_one(exchange, step_of(sent, now), _codes(appliance, exchange, sent, facts)))
    return tuple(found)


def _codes(appliance: Appliance, exchange: ExchangeRecord, sent: Sent, facts: Known) -> tuple[str, ...]:
    found = of_exchange(appliance, exchange, [sent.delivery.destination], facts)
    return tuple(one.code for one in found)


def _one(exchange: ExchangeRecord, step: Step | None, codes: tuple[str, ...]) -> UnderWayAnswer:
    return UnderWayAnswer(
        exchange_id=exchange.exchange_id,
        route=exchange.route or "",
        state=exchange.state,
        priority=Priority(exchange.priority).name.lower(),
        instance_count=exchange.instance_count,
        byte_count=exchange.byte_count,
        since=exchange.settled_at or exchange.created_at,
        step=None if step is None else _step(step),
        forecasts=codes,
    )


def _peers(appliance: Appliance, lanes: tuple[Backlog, ...]) -> list[str]:
    """Those of the site file, and those that it no longer names while something waits for them."""
    return sorted(
        {*appliance.configuration.site.peers, *(one.destination for one in lanes if one.destination)}
    )


def _peer(appliance: Appliance, name: str, lanes: tuple[Backlog, ...], facts: Known) -> PeerAnswer:
    mine, health = [one for one in lanes if one.destination == name], facts.health.get(name)
    return PeerAnswer(
        peer=name,
        protocol=appliance.configuration.protocol_of(name),
        circuit=shown(health, facts.now),
        failures=health.failures if health else 0,
        retry_at=health.open_until if health else None,
        last_error_code=health.last_error_code if health else "",
        last_success_at=health.last_success_at if health else None,
        waiting=sum(one.count for one in mine),
        oldest_at=min((one.oldest for one in mine), default=None),
        forecasts=_forecasts(of_peer(appliance, name, facts)),
    )


def _step(step: Step) -> StepAnswer:
    return StepAnswer.model_validate(asdict(step))


def _forecasts(found: tuple[Forecast, ...]) -> tuple[ForecastAnswer, ...]:
    return tuple(ForecastAnswer.model_validate(asdict(one)) for one in found)
