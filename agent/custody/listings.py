"""What people and metrics are shown, and what start-up has to take up again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.arrivals import members_of
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
    Member,
    ReceiptRecord,
)
from agent.custody.rows import columns, exchange_row, record
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import ENDED_DELIVERIES, DeliveryState, ExchangeState, HoldState
from exchange.domain.findings import Finding


@dataclass(frozen=True, slots=True)
class ExchangeDetail:
    """Everything custody knows of one exchange."""

    exchange: ExchangeRecord
    members: tuple[Member, ...]
    attempts: tuple[Attempt, ...]
    frozen: tuple[FrozenInstance, ...]
    findings: tuple[Finding, ...]
    deliveries: tuple[DeliveryRecord, ...]
    effects: tuple[Effect, ...]
    holds: tuple[HoldRecord, ...]
    decisions: tuple[DecisionRecord, ...]
    receipts: tuple[ReceiptRecord, ...]


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What start-up derives its work from.

    Attributes:
        exchanges: OPEN, SETTLED, PROCESSING and DELIVERING ones, oldest first. The workflow of a SETTLED one
            is attempt `attempt_count + 1`, that of a PROCESSING one is attempt `attempt_count`.
        deliveries: PENDING, ACTIVE and WAITING ones. The workflow of an ACTIVE one is attempt `attempts`,
            that of the others is attempt `attempts + 1`.
    """

    exchanges: tuple[ExchangeRecord, ...]
    deliveries: tuple[DeliveryRecord, ...]


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
    database: Database,
    states: Collection[ExchangeState] = (),
    limit: int = 100,
    route: str | None = None,
) -> tuple[ExchangeRecord, ...]:
    """Exchanges, newest first; of all states unless some are named."""
    table = schema.exchanges
    query = sa.select(*columns(ExchangeRecord, table)).limit(limit)
    query = query.order_by(table.c.created_at.desc(), table.c.exchange_id)
    if states:
        query = query.where(table.c.state.in_(list(states)))
    if route is not None:
        query = query.where(table.c.route == route)
    return database.read(lambda c: tuple(record(ExchangeRecord, row) for row in c.execute(query)))


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
    query = (
        sa.select(table.c.exchange_id).where(table.c.exchange_id.startswith(start, autoescape=True)).limit(2)
    )

    def work(connection: Connection) -> ExchangeRecord:
        found = list(connection.execute(query).scalars())
        if len(found) != 1:
            why = "more than one begins so" if found else "none begins so"
            raise CustodyError(f"cannot tell which exchange is meant: {why}", "see `lockgate exchanges list`")
        return exchange_row(connection, found[0])

    return database.read(work)


def show_exchange(database: Database, exchange_id: str) -> ExchangeDetail:
    """Everything about one exchange, from one snapshot.

    Raises:
        CustodyError: There is none of this id.
    """

    def work(connection: Connection) -> ExchangeDetail:
        found = exchange_row(connection, exchange_id)
        return ExchangeDetail(
            exchange=found,
            members=members_of(connection, exchange_id),
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


def unfinished(database: Database) -> Unfinished:
    """All that is under way, for the start-up sweep."""
    table = schema.exchanges
    states = [ExchangeState.OPEN, ExchangeState.SETTLED, ExchangeState.PROCESSING, ExchangeState.DELIVERING]
    query = (
        sa.select(*columns(ExchangeRecord, table))
        .where(table.c.state.in_(states))
        .order_by(table.c.created_at, table.c.exchange_id)
    )
    under_way = schema.deliveries.c.state.not_in(ENDED_DELIVERIES)

    def work(connection: Connection) -> Unfinished:
        exchanges = tuple(record(ExchangeRecord, row) for row in connection.execute(query))
        return Unfinished(exchanges, delivery_rows(connection, under_way))

    return database.read(work)


def counts(database: Database) -> Counts:
    """Totals, from one snapshot."""
    instances = schema.instances
    here = instances.c.deleted_at.is_(None)

    def work(connection: Connection) -> Counts:
        by_state = dict(_grouped(connection, schema.exchanges.c.state))
        by_delivery = dict(_grouped(connection, schema.deliveries.c.state))
        open_holds = _grouped(connection, schema.holds.c.code, schema.holds.c.state == HoldState.OPEN)
        number, size = connection.execute(
            sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(instances.c.byte_count), 0)).where(here)
        ).one()
        arrived = connection.execute(sa.select(sa.func.count()).select_from(schema.arrivals)).scalar_one()
        return Counts(
            exchanges={state: by_state.get(state, 0) for state in ExchangeState},
            deliveries={state: by_delivery.get(state, 0) for state in DeliveryState},
            open_holds=dict(open_holds),
            arrivals=arrived,
            instances=number,
            instance_bytes=int(size),
        )

    return database.read(work)


def _grouped(
    connection: Connection, column: "sa.Column[str]", which: "sa.ColumnElement[bool] | None" = None
) -> list[tuple[str, int]]:
    query = sa.select(column, sa.func.count()).group_by(column).order_by(column)
    if which is not None:
        query = query.where(which)
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
