"""The report of a span of time, from custody: what went through, was held, was decided, and is attested."""

import zipfile
from datetime import datetime
from pathlib import Path

from agent.config.models import Site
from agent.config.people_answers import (
    ReportAnswer,
    ReportedDecision,
    ReportedDelivery,
    ReportedExchange,
    ReportedReceipt,
)
from agent.custody.activity import Passage, passages
from agent.custody.database import Database
from agent.custody.records import ReceiptRecord
from exchange.domain.exchange import HoldState
from exchange.receipts.bundle import has_proof


def report(database: Database, site: Site, begin: datetime, end: datetime) -> ReportAnswer:
    """Exchanges that were opened from `begin` on and before `end`, oldest first; timezone-aware."""
    found = tuple(_reported(one, site.state) for one in passages(database, begin, end))
    return ReportAnswer(site=site.site, appliance=site.appliance, begin=begin, end=end, exchanges=found)


def _reported(one: Passage, state: Path) -> ReportedExchange:
    exchange = one.exchange
    return ReportedExchange(
        exchange=exchange.exchange_id,
        route=exchange.route or "",
        direction=exchange.direction.value if exchange.direction else "",
        opened=exchange.created_at,
        closed=exchange.closed_at,
        state=exchange.state.value,
        code=exchange.error_code,
        studyAsSent=exchange.study_uid_sent,
        instances=exchange.instance_count,
        bytes=exchange.byte_count,
        deliveries=tuple(
            ReportedDelivery(destination=sent.destination, state=sent.state.value, attempts=sent.attempts)
            for sent in one.deliveries
        ),
        holds=tuple(hold.code for hold in one.holds),
        openHolds=sum(hold.state is HoldState.OPEN for hold in one.holds),
        decisions=tuple(
            ReportedDecision(
                at=decision.decided_at,
                hold=decision.code,
                decision=decision.kind.value,
                reason=decision.reason_code.value,
                role=decision.role.value,
                person=decision.by_asserted,
            )
            for decision in one.decisions
        ),
        receipts=tuple(_receipt(each, state) for each in one.receipts if each.edition == "partner"),
    )


def _receipt(one: ReceiptRecord, state: Path) -> ReportedReceipt:
    return ReportedReceipt(
        receipt=one.receipt_id,
        slot=one.slot,
        stage=one.stage,
        at=one.issued_at,
        paeSha256=one.pae_sha256,
        proof=_has_proof(state / one.path),
    )


def _has_proof(bundle: Path) -> bool:
    """Whether a bundle of ours carries a log proof; one that is gone carries none."""
    try:
        return has_proof(bundle.read_bytes())
    except (OSError, zipfile.BadZipFile):
        return False
