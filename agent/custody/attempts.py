"""Attempts at an exchange, and the frozen bytes that one of them produces."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.holds import require_token
from agent.custody.records import Attempt, ExchangeRecord, FrozenInstance
from agent.custody.rows import columns, end_attempt, exchange_row, insert_new, move, record, values_of
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import ExchangeState
from exchange.domain.findings import Finding

_CHUNK = 500  # rows of one statement: what it binds is built at once


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What an attempt produced: accepted as a whole, or not at all."""

    instances: tuple[FrozenInstance, ...]
    study_uid_sent: str
    counts: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def begin_attempt(database: Database, exchange_id: str, number: int, now: datetime) -> Attempt:
    """Start attempt `number` (compare-and-set SETTLED to PROCESSING), or find it running already.

    Engines are at-least-once: a step that was killed before its result was kept runs again and gets the same
    token. Whoever comes with another number gets none.

    Raises:
        CustodyError: This is not the exchange's next or running attempt.
    """

    def work(connection: Connection) -> Attempt:
        exchange = exchange_row(connection, exchange_id)
        if exchange.state is ExchangeState.PROCESSING and exchange.attempt_count == number:
            return _attempt(connection, exchange_id, number)
        if exchange.attempt_count != number - 1:
            raise CustodyError(f"cannot begin attempt {number} of exchange {exchange_id}: it is not the next")
        if exchange.route is None:
            raise CustodyError(f"cannot begin an attempt of exchange {exchange_id}: it has no route")
        move(
            connection,
            exchange,
            ExchangeState.PROCESSING,
            {ExchangeState.SETTLED},
            attempt_count=number,
            error_code="",
        )
        connection.execute(
            sa.insert(schema.attempts).values(
                exchange_id=exchange_id, number=number, token=secrets.token_hex(16), started_at=now
            )
        )
        return _attempt(connection, exchange_id, number)

    return database.write(work)


def check_token(database: Database, exchange_id: str, token: str) -> ExchangeRecord:
    """Refuse an attempt that is over: asked before every effect, because a step may outlive its grace.

    Raises:
        CustodyError: The exchange is not processing under this token.
    """

    def work(connection: Connection) -> ExchangeRecord:
        return _processing(connection, exchange_id, token)

    return database.read(work)


def abandon_attempt(
    database: Database, exchange_id: str, token: str, outcome: str, now: datetime
) -> ExchangeRecord:
    """End an attempt that failed for a passing reason; the exchange is SETTLED again and may be tried anew.

    Args:
        database: Custody's database.
        exchange_id: Which exchange.
        token: The running attempt's.
        outcome: A PHI-free code.
        now: The time of it.

    Raises:
        CustodyError: The attempt is over already.
    """

    def work(connection: Connection) -> ExchangeRecord:
        exchange = _processing(connection, exchange_id, token)
        move(connection, exchange, ExchangeState.SETTLED, {ExchangeState.PROCESSING}, error_code=outcome)
        end_attempt(connection, exchange, outcome, now)
        return exchange_row(connection, exchange_id)

    return database.write(work)


def count_recovery(database: Database, exchange_id: str, number: int) -> int:
    """Note that start-up found this attempt unfinished; how often that has happened to it.

    A study that takes the process down each time is poison: past a low number the caller holds it.

    Raises:
        CustodyError: There is no such attempt.
    """

    def work(connection: Connection) -> int:
        table = schema.attempts
        connection.execute(
            sa.update(table)
            .where(table.c.exchange_id == exchange_id, table.c.number == number, table.c.ended_at.is_(None))
            .values(recoveries=table.c.recoveries + 1)
        )
        return _attempt(connection, exchange_id, number).recoveries

    return database.write(work)


def running_attempt(database: Database, exchange_id: str) -> Attempt | None:
    """The attempt that is running, None when there is none."""

    def work(connection: Connection) -> Attempt | None:
        exchange = exchange_row(connection, exchange_id)
        if exchange.state is not ExchangeState.PROCESSING:
            return None
        return _attempt(connection, exchange_id, exchange.attempt_count)

    return database.read(work)


def accept_frozen(database: Database, exchange_id: str, token: str, cleaned: Cleaned) -> None:
    """Accept the cleaned bytes of a whole exchange, which the caller has made durable.

    Until the first receipt takes its place (`reserve_receipt`) an attempt may bring other bytes, for example
    after a person's decision; they replace the earlier ones. From then on they never change.

    Raises:
        CustodyError: The attempt is over, an instance is not a member, or a receipt names other bytes.
    """
    if not cleaned.instances:
        raise CustodyError(f"cannot accept exchange {exchange_id}: nothing was cleaned")

    after = {one.identity: one.sha256 for one in cleaned.instances}

    def work(connection: Connection) -> None:
        exchange = _processing(connection, exchange_id, token)
        table = schema.frozen
        query = sa.select(table.c.identity, table.c.sha256).where(_of_revision(exchange))
        if {one.identity: one.sha256 for one in connection.execute(query)} != after:
            _replace_frozen(connection, exchange, cleaned)

    database.write(work)


def frozen_of(database: Database, exchange_id: str) -> tuple[FrozenInstance, ...]:
    """The frozen instances of the exchange's current revision, by SOP Instance UID; empty before."""
    return database.read(lambda c: frozen_rows(c, exchange_row(c, exchange_id)))


def frozen_rows(connection: Connection, exchange: ExchangeRecord) -> tuple[FrozenInstance, ...]:
    """`frozen_of`, inside a transaction."""
    table = schema.frozen
    query = (
        sa.select(*columns(FrozenInstance, table))
        .where(_of_revision(exchange))
        .order_by(table.c.sop_instance_uid)
    )
    return tuple(record(FrozenInstance, row) for row in connection.execute(query))


def _of_revision(exchange: ExchangeRecord) -> "sa.ColumnElement[bool]":
    table = schema.frozen
    return sa.and_(table.c.exchange_id == exchange.exchange_id, table.c.revision == exchange.revision)


def _processing(connection: Connection, exchange_id: str, token: str) -> ExchangeRecord:
    exchange = exchange_row(connection, exchange_id)
    if exchange.state is not ExchangeState.PROCESSING:
        raise CustodyError(f"cannot go on with exchange {exchange_id}: it is {exchange.state}")
    require_token(connection, exchange, token)
    return exchange


def _attempt(connection: Connection, exchange_id: str, number: int) -> Attempt:
    table = schema.attempts
    row = connection.execute(
        sa.select(*columns(Attempt, table)).where(
            table.c.exchange_id == exchange_id, table.c.number == number
        )
    ).one_or_none()
    if row is None:
        raise CustodyError(f"cannot find attempt {number} of exchange {exchange_id}")
    return record(Attempt, row)


def _replace_frozen(connection: Connection, exchange: ExchangeRecord, cleaned: Cleaned) -> None:
    table, events = schema.frozen, schema.receipt_events
    attested = sa.select(events.c.receipt_id).where(
        events.c.exchange_id == exchange.exchange_id,
        events.c.slot == "R1",
        events.c.revision == exchange.revision,
    )
    if connection.execute(attested).first() is not None:
        raise CustodyError(
            f"cannot accept other bytes for exchange {exchange.exchange_id}: they are attested"
        )
    _require_members(connection, exchange.exchange_id, {one.identity for one in cleaned.instances})
    connection.execute(sa.delete(table).where(_of_revision(exchange)))
    place = {"exchange_id": exchange.exchange_id, "revision": exchange.revision}
    for start in range(0, len(cleaned.instances), _CHUNK):
        part = cleaned.instances[start : start + _CHUNK]
        connection.execute(sa.insert(table), [{**place, **values_of(one)} for one in part])
    _record_findings(connection, exchange, cleaned.findings)
    _record_outcome(connection, exchange.exchange_id, cleaned)


def _require_members(connection: Connection, exchange_id: str, identities: set[str]) -> None:
    table = schema.members
    known = connection.execute(
        sa.select(table.c.identity).where(table.c.exchange_id == exchange_id)
    ).scalars()
    if not identities <= set(known):
        raise CustodyError(f"cannot accept exchange {exchange_id}: it has no such instance")


def _record_findings(connection: Connection, exchange: ExchangeRecord, found: Sequence[Finding]) -> None:
    rows = [
        {
            "exchange_id": exchange.exchange_id,
            "attempt": exchange.attempt_count,
            "position": position,
            "finding_id": one.finding_id,
            "severity": one.severity,
            "evidence": one.evidence,
        }
        for position, one in enumerate(found)
    ]
    insert_new(connection, schema.findings, rows)


def _record_outcome(connection: Connection, exchange_id: str, cleaned: Cleaned) -> None:
    table = schema.exchanges
    connection.execute(
        sa.update(table)
        .where(table.c.exchange_id == exchange_id)
        .values(study_uid_sent=cleaned.study_uid_sent, counts=dict(cleaned.counts))
    )
