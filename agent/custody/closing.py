"""The end of an exchange: closed when its receipts are complete, retired when retention is over."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.receipts import recorded
from agent.custody.records import ExchangeRecord
from agent.custody.rows import exchange_row, move
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import ENDED_DELIVERIES, ExchangeState


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


def deletable(database: Database) -> tuple[str, ...]:
    """Identities of spool files that no exchange needs any more and that are not marked deleted.

    The caller deletes the file only when the spool holds no arrival of it that custody has not indexed.
    """
    instances, members, exchanges = schema.instances, schema.members, schema.exchanges
    needed = (
        sa.select(members.c.identity)
        .join(exchanges, exchanges.c.exchange_id == members.c.exchange_id)
        .where(members.c.identity == instances.c.identity, exchanges.c.state != ExchangeState.RETIRED)
        .exists()
    )
    query = (
        sa.select(instances.c.identity)
        .where(instances.c.deleted_at.is_(None), ~needed)
        .order_by(instances.c.identity)
    )
    return database.read(lambda connection: tuple(connection.execute(query).scalars()))


def mark_deleted(database: Database, identities: Sequence[str], now: datetime) -> None:
    """Note that these spool files are gone. An arrival of the same bytes later takes the mark off."""
    table = schema.instances

    def work(connection: Connection) -> None:
        for identity in identities:
            connection.execute(
                sa.update(table)
                .where(table.c.identity == identity, table.c.deleted_at.is_(None))
                .values(deleted_at=now)
            )

    database.write(work)


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
    frozen, exchanges = schema.frozen, schema.exchanges
    others = (
        sa.select(frozen.c.path)
        .join(exchanges, exchanges.c.exchange_id == frozen.c.exchange_id)
        .where(frozen.c.exchange_id != exchange_id, exchanges.c.state != ExchangeState.RETIRED)
    )
    query = sa.select(frozen.c.path).where(frozen.c.exchange_id == exchange_id, frozen.c.path.not_in(others))
    return database.read(lambda connection: tuple(connection.execute(query).scalars()))
