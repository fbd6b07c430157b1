"""What is known of an open study: what has come, what IAN and MPPS name, what archives have counted."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

from agent.custody.conflicts import presence
from agent.custody.notices import FINAL_STATUSES, notices_of
from agent.custody.records import ExchangeRecord
from agent.custody.settling import expect
from agent.pipeline.appliance import Appliance
from agent.pipeline.degraded import ARCHIVE
from agent.policy.settling import Outcome, Reply, Rule, Seen, Terms
from exchange.archive.find import find_study
from exchange.domain.errors import LockgateError, PeerRefused, PeerUnavailable
from exchange.domain.notices import NoticeKind, StudyNotice
from exchange.log.events import Event, EventKind
from exchange.log.events import Outcome as EventOutcome
from exchange.receipts.statement import timestamp

SECONDS = 20.0
"""For one archive to answer, connecting included."""


def gather(appliance: Appliance, exchange: ExchangeRecord) -> tuple[Seen, tuple[StudyNotice, ...]]:
    """All that is known of an open study, and the notices that it is known from."""
    notices = notices_of(appliance.custody, exchange.study_instance_uid)
    named = {uid for notice in notices for uid in notice.sop_instance_uids}
    here = presence(appliance.custody, exchange.exchange_id, named)
    steps = [one for one in notices if one.kind is NoticeKind.MPPS]
    seen = Seen(
        last_arrival_at=exchange.last_arrival_at,
        received=here.received,
        named=len(named) if named else None,
        missing=here.missing,
        step_open=any(one.status not in FINAL_STATUSES for one in steps),
        fresh=here.fresh,
        sender_connected=appliance.senders.connected(exchange.called_ae, exchange.calling_ae),
        replies=replies_of(exchange),
    )
    return seen, notices


def replies_of(exchange: ExchangeRecord) -> tuple[Reply, ...]:
    """What archives have answered so far."""
    return tuple(
        Reply(
            peer,
            Outcome(one["outcome"]),
            int(one["count"]),
            datetime.fromisoformat(one["at"]),
            int(one["asks"]),
        )
        for peer, one in exchange.expectation.items()
    )


def ask(appliance: Appliance, exchange: ExchangeRecord, peers: Sequence[str]) -> None:
    """Ask these archives in a thread, keep what they say, and wake the schedule."""
    appliance.questions.begin(exchange.exchange_id, partial(_ask_all, appliance, exchange, tuple(peers)))


def evidence_of(terms: Terms, seen: Seen, rule: Rule, notices: Sequence[StudyNotice]) -> dict[str, Any]:
    """What is recorded with the exchange and told on its receipts: counts, codes, names of peers; no UIDs."""
    evidence: dict[str, Any] = {
        "rule": rule.value,
        "quietSeconds": terms.quiet.total_seconds(),
        "expected": "unknown" if seen.expected is None else seen.expected,
        "received": seen.received,
        "sources": [*map(_reply_source, seen.replies), *map(_notice_source, notices)],
    }
    if seen.lacking:
        evidence["missing"] = seen.lacking
    if seen.step_open:
        evidence["stepOpen"] = "yes"
    if seen.conflicting:
        evidence["conflicting"] = "yes"
    return evidence


def _reply_source(reply: Reply) -> dict[str, Any]:
    count = {"count": reply.count} if reply.outcome is Outcome.COUNTED else {}
    return {
        "kind": "c-find",
        "peer": reply.peer,
        "outcome": reply.outcome.value,
        **count,
        "at": timestamp(reply.at),
    }


def _notice_source(notice: StudyNotice) -> dict[str, Any]:
    ended = notice.kind is NoticeKind.IAN or notice.status in FINAL_STATUSES
    return {
        "kind": notice.kind.value,
        "peer": notice.peer,
        "outcome": "named" if ended else "in-progress",
        "count": len(notice.sop_instance_uids),
        "at": timestamp(notice.received_at),
    }


def _ask_all(appliance: Appliance, exchange: ExchangeRecord, peers: Sequence[str]) -> None:
    before = {one.peer: one for one in replies_of(exchange)}
    answers: dict[str, Mapping[str, Any]] = {}
    for peer in peers:
        outcome, count = _ask_one(appliance, peer, exchange.study_instance_uid)
        known = before.get(peer)
        again = known is not None and known.at >= exchange.last_arrival_at
        asks = known.asks + 1 if known is not None and again else 1
        reply = asdict(Reply(peer, outcome, count, appliance.clock(), asks))
        answers[peer] = {**reply, "outcome": outcome.value, "at": reply["at"].isoformat()}
        appliance.log.append(
            Event(
                EventKind.ARCHIVE_ASKED,
                {"exchange": exchange.exchange_id, "peer": peer, "answer": outcome.value, "count": count},
                EventOutcome.OK if outcome is Outcome.COUNTED else EventOutcome.FAILED,
            )
        )
    expect(appliance.custody, exchange.exchange_id, answers)
    appliance.wake()


def _ask_one(appliance: Appliance, name: str, study_instance_uid: str) -> tuple[Outcome, int]:
    """One archive's answer; one that is down is an answer, too, and is not waited for again and again."""
    if appliance.questions.is_silent(name):
        return Outcome.UNREACHABLE, 0
    try:
        peer = appliance.configuration.dicom_peer(name)
        holding = find_study(peer, study_instance_uid, seconds=SECONDS)
    except PeerUnavailable:
        appliance.questions.note(name, reached=False)
        appliance.degraded.note(appliance, ARCHIVE, name, sound=False)
        return Outcome.UNREACHABLE, 0
    except (PeerRefused, LockgateError):
        return Outcome.REFUSED, 0
    appliance.questions.note(name, reached=True)
    appliance.degraded.note(appliance, ARCHIVE, name, sound=True)
    return (Outcome.COUNTED, holding.count) if holding.found else (Outcome.NOT_FOUND, 0)
