"""Moments in the future of a clock that was set back: nothing may wait for them."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from exchange.domain.exchange import DeliveryState, ExchangeState


def bring_forward(database: Database, now: datetime, longest: timedelta) -> int:
    """Make due what would wait longer than anything is ever made to wait; how many rows.

    An open exchange counts as quiet from now on, because its last arrival is not known to be long ago.

    Args:
        database: Custody's database.
        now: By the clock as it is set now.
        longest: The longest pause that there is.
    """
    exchanges, deliveries, health = schema.exchanges, schema.deliveries, schema.peer_health
    far = now + longest
    changes = (
        sa.update(exchanges)
        .where(exchanges.c.state == ExchangeState.OPEN, exchanges.c.last_arrival_at > now)
        .values(last_arrival_at=now),
        sa.update(deliveries)
        .where(
            deliveries.c.state.in_([DeliveryState.PENDING, DeliveryState.WAITING]),
            deliveries.c.next_attempt_at > far,
        )
        .values(next_attempt_at=now),
        sa.update(deliveries)
        .where(deliveries.c.state == DeliveryState.COMMITTING, deliveries.c.commitment_due_at > far)
        .values(commitment_due_at=now),
        sa.update(health).where(health.c.open_until > far).values(open_until=now),
    )

    def work(connection: Connection) -> int:
        return sum(connection.execute(change).rowcount for change in changes)

    return database.write(work)
