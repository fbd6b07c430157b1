"""How far what is under way has come; asked of what is under way only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.records import DeliveryRecord, ExchangeRecord, PeerRefusal
from agent.custody.rows import columns, insert_new, record
from exchange.domain.delivery import CONFIRMED, InstanceState
from exchange.domain.exchange import DeliveryState, ExchangeState


@dataclass(frozen=True, slots=True)
class Sent:
    """How far a delivery has come.

    Attributes:
        attempt_done, attempt_bytes: What the attempt that is running has brought over.
        attempt_since: When its first instance was confirmed; None before.
    """

    delivery: DeliveryRecord
    total: int
    done: int
    refused: int
    bytes: int
    byte_total: int
    attempt_done: int
    attempt_bytes: int
    attempt_since: datetime | None


def processing(database: Database, limit: int = 100) -> tuple[ExchangeRecord, ...]:
    """Exchanges being processed, the longest at it first."""
    table = schema.exchanges
    query = (
        sa.select(*columns(ExchangeRecord, table))
        .where(table.c.state == ExchangeState.PROCESSING)
        .order_by(table.c.created_at)
        .limit(limit)
    )
    return database.read(lambda c: tuple(record(ExchangeRecord, row) for row in c.execute(query)))


def sending(database: Database, limit: int = 300) -> tuple[tuple[ExchangeRecord, Sent], ...]:
    """Deliveries being sent, with their exchange."""
    table, exchanges = schema.deliveries, schema.exchanges
    query = (
        sa.select(*columns(DeliveryRecord, table)).where(table.c.state == DeliveryState.ACTIVE).limit(limit)
    )

    def work(connection: Connection) -> tuple[tuple[ExchangeRecord, Sent], ...]:
        found = [record(DeliveryRecord, row) for row in connection.execute(query).all()]
        ids = {one.exchange_id for one in found}
        of = sa.select(*columns(ExchangeRecord, exchanges)).where(exchanges.c.exchange_id.in_(ids))
        by_id = {
            one.exchange_id: one for one in (record(ExchangeRecord, row) for row in connection.execute(of))
        }
        return tuple(
            (by_id[one.exchange_id], _sent(connection, by_id[one.exchange_id], one)) for one in found
        )

    return database.read(work)


def sent_of(database: Database, exchange: ExchangeRecord) -> tuple[Sent, ...]:
    """How far each delivery of an exchange has come."""
    table = schema.deliveries
    query = (
        sa.select(*columns(DeliveryRecord, table))
        .where(table.c.exchange_id == exchange.exchange_id)
        .order_by(table.c.destination)
    )

    def work(connection: Connection) -> tuple[Sent, ...]:
        found = [record(DeliveryRecord, row) for row in connection.execute(query).all()]
        return tuple(_sent(connection, exchange, one) for one in found)

    return database.read(work)


def outgoing_kinds(database: Database, exchange: ExchangeRecord) -> Mapping[tuple[str, str], tuple[int, int]]:
    """What an exchange brings to a peer: (SOP class, transfer syntax) to count and largest size in bytes."""
    table = schema.frozen
    query = (
        sa.select(
            table.c.sop_class_uid,
            table.c.transfer_syntax_uid,
            sa.func.count(),
            sa.func.max(table.c.byte_count),
        )
        .where(table.c.exchange_id == exchange.exchange_id, table.c.revision == exchange.revision)
        .group_by(table.c.sop_class_uid, table.c.transfer_syntax_uid)
    )
    return database.read(lambda c: {(row[0], row[1]): (row[2], row[3]) for row in c.execute(query)})


def coming_bytes(database: Database) -> int:
    """Bytes of data sets of exchanges that are still to be cleaned: as much again will be written."""
    table = schema.exchanges
    states = [ExchangeState.OPEN, ExchangeState.SETTLED, ExchangeState.PROCESSING]
    query = sa.select(sa.func.coalesce(sa.func.sum(table.c.byte_count), 0)).where(table.c.state.in_(states))
    return database.read(lambda connection: int(connection.execute(query).scalar_one()))


def learn_refusals(database: Database, delivery_id: str, now: datetime) -> int:
    """Remember which kinds of object the peer refused in this delivery, and forget those that it took.

    Returns:
        How many kinds it refused.
    """
    deliveries, exchanges = schema.deliveries, schema.exchanges
    effects, frozen = schema.effects, schema.frozen
    query = (
        sa.select(
            deliveries.c.destination,
            frozen.c.sop_class_uid,
            frozen.c.transfer_syntax_uid,
            effects.c.state,
            sa.func.max(effects.c.status),
        )
        .join(exchanges, exchanges.c.exchange_id == deliveries.c.exchange_id)
        .join(
            effects,
            sa.and_(
                effects.c.exchange_id == deliveries.c.exchange_id,
                effects.c.destination == deliveries.c.destination,
            ),
        )
        .join(
            frozen,
            sa.and_(
                frozen.c.exchange_id == deliveries.c.exchange_id,
                frozen.c.revision == exchanges.c.revision,
                frozen.c.sop_instance_uid == effects.c.sop_instance_uid,
            ),
        )
        .where(deliveries.c.delivery_id == delivery_id)
        .group_by(
            deliveries.c.destination, frozen.c.sop_class_uid, frozen.c.transfer_syntax_uid, effects.c.state
        )
    )

    def work(connection: Connection) -> int:
        taken: set[tuple[str, str, str]] = set()
        refused: dict[tuple[str, str, str], str] = {}
        for destination, sop_class, syntax, state, status in connection.execute(query).all():
            if state in CONFIRMED:
                taken.add((destination, sop_class, syntax))
            elif state is InstanceState.REFUSED:
                refused[destination, sop_class, syntax] = status
        for kind in taken:
            connection.execute(sa.delete(schema.peer_refusals).where(_kind(*kind)))
        for kind in refused.keys() - taken:  # some were taken: it was the instance, not its kind
            _remember(connection, kind, refused[kind], now)
        return len(refused.keys() - taken)

    return database.write(work)


def refusals(database: Database) -> tuple[PeerRefusal, ...]:
    """Kinds of object that peers refused when they were last offered them."""
    table = schema.peer_refusals
    query = sa.select(*columns(PeerRefusal, table)).order_by(table.c.destination, table.c.sop_class_uid)
    return database.read(lambda c: tuple(record(PeerRefusal, row) for row in c.execute(query)))


def _kind(destination: str, sop_class_uid: str, transfer_syntax_uid: str) -> "sa.ColumnElement[bool]":
    table = schema.peer_refusals
    return sa.and_(
        table.c.destination == destination,
        table.c.sop_class_uid == sop_class_uid,
        table.c.transfer_syntax_uid == transfer_syntax_uid,
    )


def _remember(connection: Connection, kind: tuple[str, str, str], status: str, now: datetime) -> None:
    table = schema.peer_refusals
    row = dict(zip(("destination", "sop_class_uid", "transfer_syntax_uid"), kind, strict=True))
    if not insert_new(connection, table, [{**row, "status": status, "refused_at": now}]):
        connection.execute(sa.update(table).where(_kind(*kind)).values(status=status, refused_at=now))


def _sent(connection: Connection, exchange: ExchangeRecord, delivery: DeliveryRecord) -> Sent:
    effects, frozen = schema.effects, schema.frozen
    confirmed = effects.c.state.in_(list(CONFIRMED))
    mine = sa.and_(confirmed, effects.c.attempt == delivery.attempts)
    size = frozen.c.byte_count

    def total(
        which: "sa.ColumnElement[bool]", what: "sa.ColumnElement[int] | int" = 1
    ) -> "sa.ColumnElement[int]":
        return sa.func.coalesce(sa.func.sum(sa.case((which, what), else_=0)), 0)

    first = sa.func.min(sa.case((mine, effects.c.updated_at)), type_=effects.c.updated_at.type)
    query = (
        sa.select(
            sa.func.count(),
            total(confirmed),
            total(effects.c.state == InstanceState.REFUSED),
            total(confirmed, size),
            sa.func.coalesce(sa.func.sum(size), 0),
            total(mine),
            total(mine, size),
            first,
        )
        .select_from(effects)
        .join(
            frozen,
            sa.and_(
                frozen.c.exchange_id == effects.c.exchange_id,
                frozen.c.revision == exchange.revision,
                frozen.c.sop_instance_uid == effects.c.sop_instance_uid,
            ),
        )
        .where(effects.c.exchange_id == delivery.exchange_id, effects.c.destination == delivery.destination)
    )
    row = connection.execute(query).one()
    total_count, done, refused, size_done, size_total, attempt_done, attempt_size = map(int, row[:7])
    return Sent(
        delivery,
        total_count,
        done,
        refused,
        size_done,
        size_total,
        attempt_done,
        attempt_size,
        attempt_since=row[7],
    )
