"""What is left of a retired exchange: the database does not grow without end.

Three steps, each far behind the one before. When its files are gone (1), what only the work needed goes:
effects, findings, attempts, the particulars of cleaning (2). What a late instance or a re-send is judged by
(members, digests and UIDs of what has left) stays for years, and goes then (3). The exchange's own row, its
deliveries, holds, decisions and receipts stay for good: what has been signed can always be explained.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from exchange.domain.exchange import ExchangeState

FILES_GONE, COMPACTED, FORGOTTEN = 1, 2, 3
_AT_ONCE = 50  # exchanges in a transaction: a writer that accepts a study must not wait long
_VACUUM_PAGES = 2000


def compact(database: Database, before: datetime, limit: int = 1000) -> int:
    """Step 2 for exchanges that ended before a time and whose files are gone; how many."""
    return _step(database, before, limit, FILES_GONE, _compact)


def forget(database: Database, before: datetime, limit: int = 1000) -> int:
    """Step 3: from here on a late instance of these studies is cleaned as a new one; how many exchanges."""
    return _step(database, before, limit, COMPACTED, _forget)


def give_back_space(database: Database) -> None:
    """Let the file become smaller by some free pages; nothing on PostgreSQL, whose autovacuum does it."""
    if database.dialect != "sqlite":
        return

    def work(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        # A script is stepped to its end (a page at each step); a statement without columns only once.
        driver.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")

    database.write(work)


def _step(
    database: Database,
    before: datetime,
    limit: int,
    done: int,
    work: Callable[[Connection, Sequence[str]], None],
) -> int:
    table, total = schema.exchanges, 0
    query = (
        sa.select(table.c.exchange_id)
        .where(
            table.c.state == ExchangeState.RETIRED,
            table.c.retention_step == done,
            table.c.closed_at < before,
        )
        .order_by(table.c.closed_at)
    )

    def some(connection: Connection) -> int:
        ids = connection.execute(query.limit(min(_AT_ONCE, limit - total))).scalars().all()
        if ids:
            work(connection, ids)
            mark = sa.update(table).where(table.c.exchange_id.in_(ids)).values(retention_step=done + 1)
            connection.execute(mark)
        return len(ids)

    while total < limit and (found := database.write(some)):
        total += found
    return total


def _compact(connection: Connection, ids: Sequence[str]) -> None:
    for table in (schema.effects, schema.findings, schema.renditions, schema.attempts):
        connection.execute(sa.delete(table).where(table.c.exchange_id.in_(ids)))
    frozen = schema.frozen
    connection.execute(
        sa.update(frozen)
        .where(frozen.c.exchange_id.in_(ids))
        .values(boxes=[], actions={}, proof={}, wrapped_key=None)
    )


def _forget(connection: Connection, ids: Sequence[str]) -> None:
    members, frozen = schema.members, schema.frozen
    instances, arrivals = schema.instances, schema.arrivals
    mine = connection.execute(
        sa.select(members.c.identity).where(members.c.exchange_id.in_(ids)).distinct()
    ).scalars()
    identities = list(mine)
    connection.execute(sa.delete(frozen).where(frozen.c.exchange_id.in_(ids)))
    connection.execute(sa.delete(members).where(members.c.exchange_id.in_(ids)))
    for start in range(0, len(identities), 500):
        some = identities[start : start + 500]
        held = sa.select(members.c.identity).where(members.c.identity == instances.c.identity).exists()
        kept = sa.select(frozen.c.identity).where(frozen.c.identity == instances.c.identity).exists()
        free = (
            connection.execute(
                sa.select(instances.c.identity).where(
                    instances.c.identity.in_(some), instances.c.deleted_at.is_not(None), ~held, ~kept
                )
            )
            .scalars()
            .all()
        )
        connection.execute(sa.delete(arrivals).where(arrivals.c.identity.in_(free)))
        connection.execute(sa.delete(instances).where(instances.c.identity.in_(free)))
