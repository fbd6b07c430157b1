"""The health of each destination: one row a peer, changed under a transaction."""

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.records import PeerHealth
from agent.custody.rows import columns, record, values_of
from exchange.domain.exchange import DeliveryState


def peer_health(database: Database) -> dict[str, PeerHealth]:
    """Of every destination that anything was ever sent to, by name."""
    query = sa.select(*columns(PeerHealth, schema.peer_health)).order_by(schema.peer_health.c.destination)
    return database.read(
        lambda c: {one.destination: one for one in (record(PeerHealth, row) for row in c.execute(query))}
    )


def change_health(
    database: Database, destination: str, change: Callable[[PeerHealth | None], PeerHealth]
) -> tuple[PeerHealth | None, PeerHealth]:
    """Change a destination's health; two attempts that end at once are counted as two.

    Returns:
        Before and after.
    """

    def work(connection: Connection) -> tuple[PeerHealth | None, PeerHealth]:
        before = _health(connection, destination)
        after = change(before)
        if after != before:
            table = schema.peer_health
            values = values_of(after)
            if before is None:
                connection.execute(sa.insert(table).values(**values))
            else:
                connection.execute(
                    sa.update(table).where(table.c.destination == destination).values(**values)
                )
        return before, after

    return database.write(work)


def make_due(database: Database, destination: str, error_code: str, now: datetime) -> int:
    """Let what waits for a destination since an attempt that ended with this code be tried at once."""
    table = schema.deliveries
    statement = (
        sa.update(table)
        .where(
            table.c.state == DeliveryState.WAITING,
            table.c.destination == destination,
            table.c.last_error_code == error_code,
            table.c.next_attempt_at > now,
        )
        .values(next_attempt_at=now)
    )
    return database.write(lambda connection: connection.execute(statement).rowcount)


def _health(connection: Connection, destination: str) -> PeerHealth | None:
    table = schema.peer_health
    query = sa.select(*columns(PeerHealth, table)).where(table.c.destination == destination)
    row = connection.execute(query).one_or_none()
    return None if row is None else record(PeerHealth, row)
