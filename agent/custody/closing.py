"""The end of an exchange: closed when its receipts are complete, retired when retention is over."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.receipts import recorded
from agent.custody.records import ExchangeRecord, Location
from agent.custody.rows import exchange_row, move
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import ENDED_DELIVERIES, ExchangeState, HoldState


def close(database: Database, exchange_id: str, now: datetime) -> ExchangeRecord:
    """Close an exchange: every delivery has ended and has its R2, and R3 is recorded. Idempotent.

    Raises:
        CustodyError: One of these is missing, or it is not delivering.
    """

    def work(connection: Connection) -> ExchangeRecord:
        exchange = exchange_row(connection, exchange_id)
        if exchange.state is ExchangeState.CLOSED:
            return exchange
        table, mine = schema.deliveries, schema.deliveries.c.exchange_id == exchange_id
        ended = sa.and_(
            table.c.state.in_(ENDED_DELIVERIES), recorded("R2", table.c.exchange_id, table.c.delivery_id)
        )
        if connection.execute(sa.select(table.c.delivery_id).where(mine, ~ended)).first() is not None:
            raise CustodyError(f"cannot close exchange {exchange_id}: a delivery or its receipt is not there")
        last = sa.select(recorded("R3", sa.literal(exchange_id), ""))
        if not connection.execute(last).scalar_one():
            raise CustodyError(f"cannot close exchange {exchange_id}: its last receipt is not recorded")
        move(connection, exchange, ExchangeState.CLOSED, {ExchangeState.DELIVERING}, closed_at=now)
        connection.execute(sa.update(table).where(mine).values(concluded=1))
        return exchange_row(connection, exchange_id)

    return database.write(work)


def retire(database: Database, exchange_id: str) -> ExchangeRecord:
    """End the retention of a closed or rejected exchange; what may be deleted is then in `deletable`.

    Raises:
        CustodyError: It is still under way, or R3 is not recorded.
    """

    def work(connection: Connection) -> ExchangeRecord:
        exchange = exchange_row(connection, exchange_id)
        if exchange.state is ExchangeState.RETIRED:
            return exchange
        last = sa.select(recorded("R3", sa.literal(exchange_id), ""))
        if not connection.execute(last).scalar_one():
            raise CustodyError(f"cannot retire exchange {exchange_id}: its last receipt is not recorded")
        ended = {ExchangeState.CLOSED, ExchangeState.REJECTED}
        move(connection, exchange, ExchangeState.RETIRED, ended)
        return exchange_row(connection, exchange_id)

    return database.write(work)


def retirable(database: Database, before: datetime, limit: int = 1000) -> tuple[str, ...]:
    """Exchanges that ended before a time, oldest first; those that wait for a person are left out."""
    table, holds = schema.exchanges, schema.holds
    open_hold = (
        sa.select(holds.c.hold_id)
        .where(holds.c.exchange_id == table.c.exchange_id, holds.c.state == HoldState.OPEN)
        .exists()
    )
    query = (
        sa.select(table.c.exchange_id)
        .where(
            table.c.state.in_([ExchangeState.CLOSED, ExchangeState.REJECTED]),
            table.c.receipted == 1,
            table.c.closed_at < before,
            ~open_hold,
        )
        .order_by(table.c.closed_at)
        .limit(limit)
    )
    return database.read(lambda connection: tuple(connection.execute(query).scalars()))


def deletable(database: Database) -> tuple[str, ...]:
    """Identities of spool files of retired exchanges that nobody needs any more and that are still there.

    Only exchanges are looked at of which this has not been said before (`mark_cleared`). `erase_key` asks
    again, under the spool's lock, before a file is deleted.
    """
    instances = schema.instances
    query = _left_behind(schema.exchanges.c.retention_step == 0)
    query = query.with_only_columns(instances.c.identity).distinct().order_by(instances.c.identity)
    return database.read(lambda connection: tuple(connection.execute(query).scalars()))


def mark_cleared(database: Database) -> int:
    """Note of retired exchanges that nothing of them lies in the spool that nobody else needs; how many."""
    table = schema.exchanges
    mine = table.alias("mine")
    left = _left_behind(schema.exchanges.c.exchange_id == mine.c.exchange_id).exists()
    done = sa.select(mine.c.exchange_id).where(
        mine.c.state == ExchangeState.RETIRED, mine.c.retention_step == 0, ~left
    )
    statement = sa.update(table).where(table.c.exchange_id.in_(done)).values(retention_step=1)
    return database.write(lambda connection: connection.execute(statement).rowcount)


def _left_behind(which: "sa.ColumnElement[bool]") -> "sa.Select[Any]":
    """Instances in the spool of retired exchanges (of these) that no other exchange needs."""
    instances, members, exchanges = schema.instances, schema.members, schema.exchanges
    return (
        sa.select(instances.c.identity)
        .select_from(
            exchanges.join(members, members.c.exchange_id == exchanges.c.exchange_id).join(
                instances, instances.c.identity == members.c.identity
            )
        )
        .where(
            exchanges.c.state == ExchangeState.RETIRED,
            which,
            instances.c.deleted_at.is_(None),
            ~_needed(instances.c.identity).exists(),
        )
    )


def erase_key(database: Database, identity: str, arrival_ids: Collection[str], now: datetime) -> bool:
    """Destroy what opens a spool file and note that the file is gone, provided that nobody needs it.

    An arrival of the same bytes later brings a new key and takes the note off.

    Args:
        database: Custody's database.
        identity: Which instance.
        arrival_ids: Every arrival of it that lies in the spool.
        now: The time of it.

    Returns:
        False when an exchange needs it, or one of these arrivals has no row yet: the file must stay.
    """
    table = schema.instances

    def work(connection: Connection) -> bool:
        if connection.execute(_needed(sa.literal(identity))).first() is not None:
            return False
        known = sa.select(schema.arrivals.c.arrival_id).where(schema.arrivals.c.identity == identity)
        if not set(arrival_ids) <= set(connection.execute(known).scalars()):
            return False
        connection.execute(
            sa.update(table)
            .where(table.c.identity == identity, table.c.deleted_at.is_(None))
            .values(deleted_at=now, wrapped_key=None)
        )
        return True

    return database.write(work)


def _needed(identity: "sa.ColumnElement[str]") -> "sa.Select[tuple[str]]":
    """Rows exist where an exchange that has not retired holds this instance."""
    members, exchanges = schema.members.alias("needing"), schema.exchanges.alias("needing_exchange")
    return (
        sa.select(members.c.identity)
        .join(exchanges, exchanges.c.exchange_id == members.c.exchange_id)
        .where(members.c.identity == identity, exchanges.c.state != ExchangeState.RETIRED)
    )


def live_frozen(database: Database) -> frozenset[str]:
    """Paths of frozen files that an exchange still needs: all but those of retired ones."""
    frozen, exchanges = schema.frozen, schema.exchanges
    query = (
        sa.select(frozen.c.path)
        .join(exchanges, exchanges.c.exchange_id == frozen.c.exchange_id)
        .where(exchanges.c.state != ExchangeState.RETIRED)
    )
    return database.read(lambda connection: frozenset(connection.execute(query).scalars()))


def unshared_frozen(database: Database, exchange_id: str) -> tuple[str, ...]:
    """Paths of this exchange's frozen files that no other exchange still needs (a re-send shares them)."""
    frozen, other, exchanges = schema.frozen, schema.frozen.alias("other"), schema.exchanges
    needed = (
        sa.select(other.c.path)
        .join(exchanges, exchanges.c.exchange_id == other.c.exchange_id)
        .where(
            other.c.path == frozen.c.path,
            other.c.exchange_id != exchange_id,
            exchanges.c.state != ExchangeState.RETIRED,
        )
        .exists()
    )
    query = sa.select(frozen.c.path).where(
        frozen.c.exchange_id == exchange_id, frozen.c.location == Location.FROZEN, ~needed
    )
    return database.read(lambda connection: tuple(connection.execute(query).scalars()))
