"""settle: which studies are complete, by evidence, and which routes they take."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from agent.custody.arrivals import members
from agent.custody.records import ExchangeRecord, RouteDecision, Settlement
from agent.custody.settling import announced, open_exchanges, route_again, settle
from agent.pipeline.appliance import Appliance
from agent.pipeline.evidence import ask, evidence_of, gather
from agent.pipeline.resend import end_resend
from agent.pipeline.sources import member_source
from agent.policy.facts import ConnectionFacts, ContentFacts, HeaderFacts
from agent.policy.routes import EffectiveRoute
from agent.policy.settling import GRACE, Terms, weigh
from exchange.dicomio.getters import text, texts
from exchange.dicomio.header import read_header
from exchange.domain.errors import InputError, SpoolError
from exchange.domain.exchange import Priority
from exchange.log.events import Event, EventKind

log = structlog.get_logger()


def settle_due(appliance: Appliance) -> tuple[ExchangeRecord, ...]:
    """Settle every study that has arrived, by what is known of it (`agent.policy.settling`).

    Archives are asked in threads of their own: a study whose question is under way is looked at when the
    answer has come. Arrivals that custody has not recorded yet may be of any study: for as long as they have
    been waiting, nothing counts as quiet.
    """
    settled: list[ExchangeRecord] = []
    now = appliance.clock()
    now = min(now, appliance.unrecorded() or now)
    asked = appliance.questions.under_way()  # before custody is read: an answer in between is not missed
    announced_ids = announced(appliance.custody)
    for exchange in open_exchanges(appliance.custody):
        terms = _terms(appliance, exchange)
        soon = _first_look(exchange, terms, announced_ids)
        if exchange.exchange_id in asked or soon > now:
            continue
        seen, notices = gather(appliance, exchange)
        verdict = weigh(terms, seen, now)
        if verdict.ask:
            ask(appliance, exchange, verdict.ask)
        elif verdict.rule is not None:
            settled += _settle_one(appliance, exchange, evidence_of(terms, seen, verdict.rule, notices))
    return tuple(settled)


def next_to_settle(appliance: Appliance, looked_at: datetime) -> datetime | None:
    """When an open study is to be looked at next, unless something happens before; None when none is open.

    What was looked at already and waits for more is looked at again at each tick: no moment is told for it.

    Args:
        appliance: The running appliance.
        looked_at: When the last look began; what has become due since then may have been missed by it.
    """
    announced_ids = announced(appliance.custody)
    looks = (
        _first_look(one, _terms(appliance, one), announced_ids) for one in open_exchanges(appliance.custody)
    )
    return min((look for look in looks if look > looked_at), default=None)


def reroute(appliance: Appliance, exchange: ExchangeRecord) -> tuple[ExchangeRecord, ...]:
    """Match an exchange again that had been unrouted and was released by a person."""
    decisions = _decide(appliance, exchange)
    opened = route_again(appliance.custody, exchange.exchange_id, decisions, appliance.clock())
    for one in opened:
        end_resend(appliance, one)
    return opened


def _terms(appliance: Appliance, exchange: ExchangeRecord) -> Terms:
    terms = appliance.configuration.routes.settle_terms(_connection(exchange))
    # Nobody can be asked about a study that cannot be named.
    return terms if exchange.study_instance_uid else replace(terms, queries=())


def _first_look(exchange: ExchangeRecord, terms: Terms, announced_ids: frozenset[str]) -> datetime:
    """The earliest moment at which anything could be decided; cheap: it is asked of every open one."""
    soon = exchange.exchange_id in announced_ids or exchange.expectation
    return exchange.last_arrival_at + (min(GRACE, terms.quiet) if soon else terms.quiet)


def _connection(exchange: ExchangeRecord) -> ConnectionFacts:
    return ConnectionFacts(exchange.called_ae, exchange.calling_ae, exchange.peer)


def _settle_one(
    appliance: Appliance, exchange: ExchangeRecord, evidence: Mapping[str, Any]
) -> tuple[ExchangeRecord, ...]:
    decisions = _decide(appliance, exchange)
    settlement = Settlement(exchange.exchange_id, exchange.instance_count, decisions, evidence)
    opened = settle(appliance.custody, settlement, appliance.clock())
    for one in opened:
        appliance.metrics.settled(one.route or "unrouted", one.peer, one.instance_count, one.byte_count)
        appliance.log.append(
            Event(
                EventKind.EXCHANGE_OPENED,
                {
                    "exchange": one.exchange_id,
                    "route": one.route or "unrouted",
                    "instances": one.instance_count,
                    "follows": one.follows or "",
                    "rule": str(one.evidence["rule"]),
                    "expected": one.evidence["expected"],
                    "received": int(one.evidence["received"]),
                },
            )
        )
        log.info(
            "settled",
            exchange_id=one.exchange_id,
            route=one.route or "unrouted",
            instances=one.instance_count,
            reason=one.evidence["rule"],
            missing=one.evidence.get("missing", 0),
        )
        end_resend(appliance, one)
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
        on_resend=route.route.on_resend,
        priority=int(Priority[route.route.priority.upper()]),
    )


def _headers(appliance: Appliance, exchange: ExchangeRecord) -> Iterator[HeaderFacts]:
    """Facts of one instance per series: routing looks at series and study, not at every slice."""
    seen: set[str] = set()
    for member in members(appliance.custody, exchange.exchange_id):
        if member.series_instance_uid in seen or member.unreadable_code:
            continue
        seen.add(member.series_instance_uid)
        try:
            ds = read_header(member_source(appliance, member))
        except (InputError, SpoolError, OSError):
            continue  # what cannot be read is held later, with its reason
        yield HeaderFacts(
            modality=text(ds, "Modality"),
            body_part=text(ds, "BodyPartExamined"),
            study_description=text(ds, "StudyDescription"),
            referring=" ".join(texts(ds, "ReferringPhysicianName")),
        )
