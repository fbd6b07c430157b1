"""settle: which studies are complete, by evidence, and which routes they take."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import structlog

from agent.custody.arrivals import members
from agent.custody.records import ExchangeRecord, RouteDecision, Settlement
from agent.custody.settling import due_to_settle, next_settle_at, route_again, settle
from agent.pipeline.appliance import Appliance
from agent.policy.facts import ConnectionFacts, ContentFacts, HeaderFacts
from agent.policy.routes import EffectiveRoute
from exchange.dicomio.getters import text, texts
from exchange.dicomio.header import read_header
from exchange.domain.errors import InputError, SpoolError
from exchange.journal.events import Event, EventKind

log = structlog.get_logger()


def settle_due(appliance: Appliance) -> tuple[ExchangeRecord, ...]:
    """Settle every study that has been quiet for its route's time.

    A quiet timer is evidence of quiet, not of completeness: it is recorded with `expected: unknown`.
    """
    settled: list[ExchangeRecord] = []
    for exchange in due_to_settle(appliance.custody, appliance.clock(), lambda one: _quiet(appliance, one)):
        settled += _settle_one(appliance, exchange)
    return tuple(settled)


def next_to_settle(appliance: Appliance) -> datetime | None:
    """When the next open study will have been quiet for its route's time; None when none is open."""
    return next_settle_at(appliance.custody, lambda one: _quiet(appliance, one))


def reroute(appliance: Appliance, exchange: ExchangeRecord) -> tuple[ExchangeRecord, ...]:
    """Match an exchange again that had been unrouted and was released by a person."""
    decisions = _decide(appliance, exchange)
    return route_again(appliance.custody, exchange.exchange_id, decisions, appliance.clock())


def _quiet(appliance: Appliance, exchange: ExchangeRecord) -> timedelta:
    return timedelta(seconds=appliance.configuration.routes.quiet_seconds(_connection(exchange)))


def _connection(exchange: ExchangeRecord) -> ConnectionFacts:
    return ConnectionFacts(exchange.called_ae, exchange.calling_ae, exchange.peer)


def _settle_one(appliance: Appliance, exchange: ExchangeRecord) -> tuple[ExchangeRecord, ...]:
    evidence = {
        "rule": "quiet-timer",
        "quietSeconds": _quiet(appliance, exchange).total_seconds(),
        "expected": "unknown",
    }
    decisions = _decide(appliance, exchange)
    settlement = Settlement(exchange.exchange_id, exchange.instance_count, decisions, evidence)
    opened = settle(appliance.custody, settlement, appliance.clock())
    for one in opened:
        appliance.journal.append(
            Event(
                EventKind.EXCHANGE_OPENED,
                {
                    "exchange": one.exchange_id,
                    "route": one.route or "unrouted",
                    "instances": one.instance_count,
                    "follows": one.follows or "",
                },
            )
        )
        log.info(
            "settled",
            exchange_id=one.exchange_id,
            route=one.route or "unrouted",
            instances=one.instance_count,
        )
    return opened


def _decide(appliance: Appliance, exchange: ExchangeRecord) -> tuple[RouteDecision, ...]:
    """The routes by connection and content, the first match first."""
    configuration = appliance.configuration
    content = ContentFacts.of(_headers(appliance, exchange))
    matched = configuration.routes.match(_connection(exchange), content)
    return tuple(_decision(route, configuration.loaded.sha256) for route in matched)


def _decision(route: EffectiveRoute, config_sha256: str) -> RouteDecision:
    return RouteDecision(
        route=route.name,
        direction=route.direction,
        profile_id=route.profile.profile_id if route.profile else "",
        pseudonym_domain=route.pseudonym_domain,
        config_sha256=config_sha256,
    )


def _headers(appliance: Appliance, exchange: ExchangeRecord) -> Iterator[HeaderFacts]:
    """Facts of one instance per series: routing looks at series and study, not at every slice."""
    seen: set[str] = set()
    for member in members(appliance.custody, exchange.exchange_id):
        if member.series_instance_uid in seen or member.unreadable_code:
            continue
        seen.add(member.series_instance_uid)
        try:
            ds = read_header(appliance.spool.path(member.identity))
        except (InputError, SpoolError):
            continue  # what cannot be read is held later, with its reason
        yield HeaderFacts(
            modality=text(ds, "Modality"),
            body_part=text(ds, "BodyPartExamined"),
            study_description=text(ds, "StudyDescription"),
            referring=" ".join(texts(ds, "ReferringPhysicianName")),
        )
