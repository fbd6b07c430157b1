"""What people and metrics are shown."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.attempts import frozen_rows
from agent.custody.database import Database
from agent.custody.deliveries import delivery_rows
from agent.custody.holds import decision_rows, holds_of
from agent.custody.receipts import receipt_rows
from agent.custody.records import (
    Attempt,
    DecisionRecord,
    DeliveryRecord,
    Effect,
    ExchangeRecord,
    FrozenInstance,
    HoldRecord,
    ReceiptRecord,
)
from agent.custody.rows import columns, exchange_row, record
from agent.custody.totals import totals_of
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import DeliveryState, ExchangeState, HoldState
from exchange.domain.findings import Finding


@dataclass(frozen=True, slots=True)
class ExchangeDetail:
    """What custody knows of one exchange, beside its arrivals (`members`)."""

    exchange: ExchangeRecord
    attempts: tuple[Attempt, ...]
    frozen: tuple[FrozenInstance, ...]
    findings: tuple[Finding, ...]
    deliveries: tuple[DeliveryRecord, ...]
    effects: tuple[Effect, ...]
    holds: tuple[HoldRecord, ...]
    decisions: tuple[DecisionRecord, ...]
    receipts: tuple[ReceiptRecord, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Totals for status and metrics; every state is there, also at 0. Bytes are of data sets."""

    exchanges: Mapping[ExchangeState, int]
    deliveries: Mapping[DeliveryState, int]
    open_holds: Mapping[str, int]  # by code
    arrivals: int
    instances: int
    instance_bytes: int


def list_exchanges(
    database: Database, states: Collection[ExchangeState] = (), limit: int = 100, after: str | None = None
) -> tuple[ExchangeRecord, ...]:
    """Exchanges, newest first; of all states unless some are named.

    Args:
        database: Custody's database.
        states: Only these.
        limit: At most so many.
        after: The id of the exchange that ended the page before.

    Raises:
        CustodyError: There is no exchange `after`.
    """
    table = schema.exchanges
    query = sa.select(*columns(ExchangeRecord, table)).limit(limit)
    query = query.order_by(table.c.created_at.desc(), table.c.exchange_id)
    # Each state by itself: so an index gives the newest of it, however many there are of the others.
    wanted = [query.where(table.c.state == one) for one in states] or [query]

    def work(connection: Connection) -> tuple[ExchangeRecord, ...]:
        older = _older_than(connection, after)
        rows = [row for one in wanted for row in connection.execute(one.where(older))]
        found = sorted((record(ExchangeRecord, row) for row in rows), key=lambda one: one.exchange_id)
        return tuple(sorted(found, key=lambda one: one.created_at, reverse=True)[:limit])

    return database.read(work)


def _older_than(connection: Connection, exchange_id: str | None) -> "sa.ColumnElement[bool]":
    if exchange_id is None:
        return sa.true()
    table, last = schema.exchanges, exchange_row(connection, exchange_id)
    return sa.and_(
        table.c.created_at <= last.created_at,
        sa.or_(table.c.created_at < last.created_at, table.c.exchange_id > last.exchange_id),
    )


def exchange(database: Database, exchange_id: str) -> ExchangeRecord:
    """One exchange.

    Raises:
        CustodyError: There is none of this id.
    """
    return database.read(lambda connection: exchange_row(connection, exchange_id))


def find_exchange(database: Database, start: str) -> ExchangeRecord:
    """The exchange whose id begins with `start`, as people type it.

    Raises:
        CustodyError: None does, or more than one.
    """
    table = schema.exchanges
    query = sa.select(table.c.exchange_id).where(beginning(table.c.exchange_id, start)).limit(2)

    def work(connection: Connection) -> ExchangeRecord:
        found = list(connection.execute(query).scalars())
        if len(found) != 1:
            why = "more than one begins so" if found else "none begins so"
            raise CustodyError(f"cannot tell which exchange is meant: {why}", "see `lockgate exchanges list`")
        return exchange_row(connection, found[0])

    return database.read(work)


def show_exchange(database: Database, exchange_id: str) -> ExchangeDetail:
    """An exchange and what became of it, from one snapshot. Of a large study this is large.

    Raises:
        CustodyError: There is none of this id.
    """

    def work(connection: Connection) -> ExchangeDetail:
        found = exchange_row(connection, exchange_id)
        return ExchangeDetail(
            exchange=found,
            attempts=_attempts(connection, exchange_id),
            frozen=frozen_rows(connection, found),
            findings=_findings(connection, exchange_id),
            deliveries=delivery_rows(connection, schema.deliveries.c.exchange_id == exchange_id),
            effects=_effects(connection, exchange_id),
            holds=holds_of(connection, exchange_id, None),
            decisions=decision_rows(connection, exchange_id),
            receipts=receipt_rows(connection, schema.receipt_events.c.exchange_id == exchange_id),
        )

    return database.read(work)


def beginning(column: "sa.ColumnElement[str]", start: str) -> "sa.ColumnElement[bool]":
    """SQL: an id (lower-case hexadecimal) begins with `start`; as a range, which an index answers."""
    if not re.fullmatch("[0-9a-f]*", start):
        return column == start
    return sa.and_(column >= start, column < start + "g")  # no digit sorts behind g, in any collation


def find_holds(database: Database, start: str, limit: int = 2) -> tuple[str, ...]:
    """Ids of holds that begin with `start`, as people type it; at most `limit`."""
    table = schema.holds
    query = sa.select(table.c.hold_id).where(beginning(table.c.hold_id, start)).limit(limit)
    return database.read(lambda connection: tuple(connection.execute(query).scalars()))


def counts(database: Database) -> Counts:
    """Totals, from one snapshot; kept by the database as things happen, not counted here."""

    def work(connection: Connection) -> Counts:
        totals = totals_of(connection)
        by_state, by_delivery = totals.get("exchange", {}), totals.get("delivery", {})
        open_holds = _grouped(connection, schema.holds.c.code, schema.holds.c.state == HoldState.OPEN)
        return Counts(
            exchanges={state: by_state.get(state, 0) for state in ExchangeState},
            deliveries={state: by_delivery.get(state, 0) for state in DeliveryState},
            open_holds=dict(open_holds),
            arrivals=totals.get("arrivals", {}).get("", 0),
            instances=totals.get("instances", {}).get("", 0),
            instance_bytes=totals.get("instance_bytes", {}).get("", 0),
        )

    return database.read(work)


def _grouped(
    connection: Connection, column: "sa.Column[str]", which: "sa.ColumnElement[bool]"
) -> list[tuple[str, int]]:
    query = sa.select(column, sa.func.count()).where(which).group_by(column).order_by(column)
    return [(key, number) for key, number in connection.execute(query)]


def _attempts(connection: Connection, exchange_id: str) -> tuple[Attempt, ...]:
    table = schema.attempts
    query = sa.select(*columns(Attempt, table)).where(table.c.exchange_id == exchange_id)
    return tuple(record(Attempt, row) for row in connection.execute(query.order_by(table.c.number)))


def _findings(connection: Connection, exchange_id: str) -> tuple[Finding, ...]:
    table = schema.findings
    query = sa.select(*columns(Finding, table)).where(table.c.exchange_id == exchange_id)
    rows = connection.execute(query.order_by(table.c.attempt, table.c.position))
    return tuple(record(Finding, row) for row in rows)


def _effects(connection: Connection, exchange_id: str) -> tuple[Effect, ...]:
    table = schema.effects
    query = sa.select(*columns(Effect, table)).where(table.c.exchange_id == exchange_id)
    rows = connection.execute(query.order_by(table.c.destination, table.c.sop_instance_uid))
    return tuple(record(Effect, row) for row in rows)
