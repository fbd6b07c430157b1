"""The report of a span of time as a page and as a table (CSV) for a spreadsheet."""

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from io import StringIO

from agent.config.people_answers import ReportAnswer, ReportedExchange
from exchange.receipts.pages.markup import (
    Cell,
    Content,
    Markup,
    Tone,
    document,
    facts,
    heading,
    paragraph,
    table,
)
from exchange.receipts.pages.wording import counted

_TONES: dict[str, Tone] = {"closed": "good", "retired": "good", "rejected": "bad", "held": "open"}
_COLUMNS = (
    "exchange", "route", "direction", "opened", "closed", "state", "code", "studyAsSent", "instances",
    "bytes", "destinations", "holds", "openHolds", "decisions", "receipts", "withProof",
)  # fmt: skip


def report_page(answer: ReportAnswer) -> str:
    """HTML: totals first, then one row an exchange, then every decision and every receipt."""
    parts = [
        heading("Exchanges of studies", 1),
        paragraph(
            f"{answer.site}, appliance {answer.appliance}: opened from {_moment(answer.begin)} "
            f"and before {_moment(answer.end)}",
            "lead",
        ),
        *_totals(answer),
        *_exchanges(answer),
        *_decisions(answer),
        *_receipts(answer),
    ]
    foot = (
        "Listed from the appliance's own records. What counts as evidence is each signed receipt: "
        "lockgate receipts export, lockgate verify."
    )
    return document(f"Exchanges of {answer.site}", parts, foot)


def report_csv(answer: ReportAnswer) -> str:
    """CSV (RFC 4180), one row an exchange; what a spreadsheet would take for a formula is quoted."""
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for one in answer.exchanges:
        writer.writerow(_harmless(value) for value in _row(one))
    return out.getvalue()


def _row(one: ReportedExchange) -> tuple[str, ...]:
    return (
        one.exchange,
        one.route,
        one.direction,
        one.opened.isoformat(),
        one.closed.isoformat() if one.closed else "",
        one.state,
        one.code,
        one.studyAsSent,
        str(one.instances),
        str(one.bytes),
        "; ".join(f"{sent.destination}={sent.state}" for sent in one.deliveries),
        "; ".join(one.holds),
        str(one.openHolds),
        "; ".join(f"{each.hold}={each.decision} by {each.person} ({each.reason})" for each in one.decisions),
        "; ".join(each.receipt for each in one.receipts),
        str(sum(each.proof for each in one.receipts)),
    )


def _harmless(value: str) -> str:
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _totals(answer: ReportAnswer) -> Iterator[Markup]:
    states = Counter(one.state for one in answer.exchanges)
    receipts = [each for one in answer.exchanges for each in one.receipts]
    rows: list[tuple[str, Content]] = [
        ("Exchanges", f"{len(answer.exchanges):,}"),
        ("By outcome", ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))),
        ("Instances", f"{sum(one.instances for one in answer.exchanges):,}"),
        ("Held at some time", f"{sum(bool(one.holds) for one in answer.exchanges):,}"),
        ("Waiting for a person", f"{sum(bool(one.openHolds) for one in answer.exchanges):,}"),
        ("Decisions", f"{sum(len(one.decisions) for one in answer.exchanges):,}"),
        (
            "Receipts",
            f"{len(receipts):,}, of which {sum(each.proof for each in receipts):,} with a log proof",
        ),
    ]
    yield facts(rows)


def _exchanges(answer: ReportAnswer) -> Iterator[Markup]:
    yield heading("Exchanges")
    if not answer.exchanges:
        yield paragraph("There was none.")
    yield table(
        ("Opened (UTC)", "Exchange", "Route", "Outcome", "Instances", "Destinations", "Held for"),
        [
            (
                _moment(one.opened),
                Cell(one.exchange[:8], "code"),
                f"{one.route or 'none'} ({one.direction})" if one.direction else one.route or "none",
                Cell(one.state + (f": {one.code}" if one.code else ""), _TONES.get(one.state, "plain")),
                f"{one.instances:,}",
                ", ".join(f"{sent.destination}: {sent.state}" for sent in one.deliveries),
                ", ".join(one.holds) + (f" ({counted(one.openHolds, 'hold')} open)" if one.openHolds else ""),
            )
            for one in answer.exchanges
        ],
    )


def _decisions(answer: ReportAnswer) -> Iterator[Markup]:
    yield heading("Decisions")
    listed = [(one, each) for one in answer.exchanges for each in one.decisions]
    if not listed:
        yield paragraph("Nobody had to decide.")
    yield table(
        ("When (UTC)", "Exchange", "Hold", "Decision", "Reason", "Person"),
        [
            (
                _moment(each.at),
                Cell(one.exchange[:8], "code"),
                each.hold,
                each.decision,
                each.reason,
                f"{each.person}, {each.role}",
            )
            for one, each in listed
        ],
    )


def _receipts(answer: ReportAnswer) -> Iterator[Markup]:
    yield heading("Receipts")
    yield table(
        ("Issued (UTC)", "Exchange", "Receipt", "Stage", "Log proof"),
        [
            (
                _moment(each.at),
                Cell(one.exchange[:8], "code"),
                Cell(each.receipt, "code"),
                f"{each.slot} {each.stage}",
                "yes" if each.proof else "no",
            )
            for one in answer.exchanges
            for each in one.receipts
        ],
    )


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
