"""Which receipts have reached whom: what a destination's receipt endpoint has taken, and what it lacks."""

from datetime import datetime

import sqlalchemy as sa

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.receipts import receipt_rows
from agent.custody.records import ReceiptRecord
from agent.custody.rows import insert_new


def note_left(database: Database, receipt_id: str, destination: str, now: datetime) -> None:
    """A destination has taken the partner edition; repeating it changes nothing."""
    row = {"receipt_id": receipt_id, "destination": destination, "left_at": now}
    database.write(lambda connection: insert_new(connection, schema.receipts_left, [row]))


def not_left(database: Database, destination: str, exchange_id: str) -> tuple[ReceiptRecord, ...]:
    """The partner editions of an exchange that concern a destination and that it has not taken, in order.

    R1 and R3 concern every destination, an R2 the one of its delivery.
    """
    events = schema.receipt_events
    return database.read(
        lambda connection: receipt_rows(
            connection, sa.and_(events.c.exchange_id == exchange_id, _lacking(destination))
        )
    )


def exchanges_lacking(
    database: Database, destination: str, since: datetime, limit: int = 100
) -> tuple[str, ...]:
    """Exchanges with a delivery to a destination that has ended, of which it lacks receipts; oldest first."""
    events, sent = schema.receipt_events, schema.deliveries
    query = (
        sa.select(events.c.exchange_id)
        .join(sent, sent.c.exchange_id == events.c.exchange_id)
        .join(schema.receipts, schema.receipts.c.receipt_id == events.c.receipt_id)
        .where(sent.c.destination == destination, sent.c.closed_at >= since, _lacking(destination))
        .group_by(events.c.exchange_id)
        .order_by(sa.func.min(events.c.issued_at))
        .limit(limit)
    )
    return database.read(lambda connection: tuple(connection.execute(query).scalars()))


def _lacking(destination: str) -> "sa.ColumnElement[bool]":
    events, left, sent = schema.receipt_events, schema.receipts_left, schema.deliveries.alias("its")
    mine = sa.select(sent.c.delivery_id).where(sent.c.destination == destination)
    taken = sa.select(left.c.receipt_id).where(
        left.c.receipt_id == schema.receipts.c.receipt_id, left.c.destination == destination
    )
    return sa.and_(
        schema.receipts.c.edition == "partner",
        sa.or_(
            events.c.delivery_id == "",
            mine.where(sent.c.delivery_id == events.c.delivery_id).exists(),
        ),
        ~taken.exists(),
    )
