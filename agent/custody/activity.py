"""What went through in a span of time: exchanges with their deliveries, holds, decisions and receipts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.deliveries import delivery_rows
from agent.custody.holds import decision_rows, holds_of
from agent.custody.receipts import receipt_rows
from agent.custody.records import DecisionRecord, DeliveryRecord, ExchangeRecord, HoldRecord, ReceiptRecord
from agent.custody.rows import columns, record

_PAGE = 200  # exchanges in one read


@dataclass(frozen=True, slots=True)
class Passage:
    """One exchange and what became of it; no instance of it, so that it is small."""

    exchange: ExchangeRecord
    deliveries: tuple[DeliveryRecord, ...]
    holds: tuple[HoldRecord, ...]
    decisions: tuple[DecisionRecord, ...]
    receipts: tuple[ReceiptRecord, ...]


def passages(database: Database, begin: datetime, end: datetime) -> Iterator[Passage]:
    """Exchanges that were opened from `begin` on and before `end`, oldest first; read page by page."""
    table = schema.exchanges
    within = sa.and_(table.c.created_at >= begin, table.c.created_at < end)
    query = sa.select(*columns(ExchangeRecord, table)).where(within)
    query = query.order_by(table.c.created_at, table.c.exchange_id).limit(_PAGE)

    def page(connection: Connection, *, after: ExchangeRecord | None) -> tuple[Passage, ...]:
        later: sa.ColumnElement[bool] = sa.true()
        if after is not None:
            later = sa.tuple_(table.c.created_at, table.c.exchange_id) > sa.tuple_(
                sa.literal(after.created_at, table.c.created_at.type), sa.literal(after.exchange_id)
            )
        rows = connection.execute(query.where(later)).all()
        return tuple(_passage(connection, record(ExchangeRecord, row)) for row in rows)

    last: ExchangeRecord | None = None
    while True:
        found = database.read(partial(page, after=last))
        yield from found
        if len(found) < _PAGE:
            return
        last = found[-1].exchange


def _passage(connection: Connection, exchange: ExchangeRecord) -> Passage:
    exchange_id = exchange.exchange_id
    return Passage(
        exchange=exchange,
        deliveries=delivery_rows(connection, schema.deliveries.c.exchange_id == exchange_id),
        holds=holds_of(connection, exchange_id, None),
        decisions=decision_rows(connection, exchange_id),
        receipts=receipt_rows(connection, schema.receipt_events.c.exchange_id == exchange_id),
    )
