"""From the tables of an earlier version to those of this one, in one transaction, under the opening's lock.

Migrations only add: tables, columns with a default, indexes. So they need no list of steps of their own that
could be wrong: what this version's tables have and the database has not is made, from any earlier version.
What older rows must be told (`_BACKFILL`) is said per version.
"""

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateColumn

from agent.custody import schema, totals
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import DeliveryState, ExchangeState

OLDEST = 1
"""The oldest schema version that can be brought up to this one."""


def create(connection: Connection) -> None:
    """Make everything in an empty database."""
    schema.metadata.create_all(connection)
    totals.install(connection)


def migrate(connection: Connection, found: int) -> None:
    """Bring a database of an earlier version up to this one; what is there is kept.

    Args:
        connection: In the transaction of the opening; rolled back as a whole when anything fails.
        found: The version that it has.

    Raises:
        CustodyError: The version is newer than this program, or older than what can be migrated.
    """
    if not OLDEST <= found < schema.SCHEMA_VERSION:
        raise CustodyError(
            f"cannot open the database: its schema is version {found}, "
            f"this program knows {schema.SCHEMA_VERSION}",
            "start the version of lockgate that wrote it, or a newer one",
        )
    schema.metadata.create_all(connection)  # the tables that are missing
    for table in schema.metadata.sorted_tables:
        _add_columns(connection, table)
        _exchange_indexes(connection, table)
    for version, tell in _BACKFILL.items():
        if found < version:
            tell(connection)
    totals.install(connection)
    totals.recount(connection)
    connection.execute(sa.update(schema.schema_version).values(version=schema.SCHEMA_VERSION))


def _add_columns(connection: Connection, table: sa.Table) -> None:
    there = {one["name"] for one in sa.inspect(connection).get_columns(table.name)}
    for column in table.columns:
        if column.name not in there:
            described = CreateColumn(column).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {described}")


def _exchange_indexes(connection: Connection, table: sa.Table) -> None:
    """Drop indexes that no query needs any more and make those that are new."""
    there = {str(one["name"]) for one in sa.inspect(connection).get_indexes(table.name)}
    wanted = {str(one.name): one for one in table.indexes}
    for name in sorted(there - wanted.keys()):
        if name.startswith("ix_"):  # uniqueness is never given up
            connection.exec_driver_sql(f"DROP INDEX {name}")
    for name in sorted(wanted.keys() - there):
        wanted[name].create(connection)


def _to_2(connection: Connection) -> None:
    """Version 1 kept neither what is owed nor the route of a delivery in the row itself."""
    exchanges, deliveries = schema.exchanges, schema.deliveries
    events, receipts = schema.receipt_events, schema.receipts
    last = (
        sa.select(events.c.exchange_id)
        .join(receipts, receipts.c.receipt_id == events.c.receipt_id)
        .where(events.c.slot == "R3")
        .group_by(events.c.exchange_id)
        .having(sa.func.count() >= 2)  # both editions
    )
    connection.execute(sa.update(exchanges).where(exchanges.c.exchange_id.in_(last)).values(receipted=1))
    over = sa.select(exchanges.c.exchange_id).where(
        exchanges.c.state.in_([ExchangeState.CLOSED, ExchangeState.RETIRED])
    )
    connection.execute(sa.update(deliveries).where(deliveries.c.exchange_id.in_(over)).values(concluded=1))
    route = (
        sa.select(sa.func.coalesce(exchanges.c.route, ""))
        .where(exchanges.c.exchange_id == deliveries.c.exchange_id)
        .scalar_subquery()
    )
    connection.execute(sa.update(deliveries).values(route=route))
    pending = sa.update(deliveries).where(deliveries.c.state == DeliveryState.PENDING)
    connection.execute(pending.values(next_attempt_at=deliveries.c.created_at))


_BACKFILL: dict[int, Callable[[Connection], None]] = {2: _to_2}
