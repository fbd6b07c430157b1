"""Receipts: each has exactly one place, and takes it before it is signed.

`reserve_receipt` fixes id and time; a crash between signing and recording then repeats the same statement
instead of making a second one. `record_receipt` follows when the bundle is durable.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.records import OwedReceipt, ReceiptEvent, ReceiptRecord
from agent.custody.resends import WITHOUT_DELIVERY
from agent.custody.rows import columns, exchange_row, insert_new, record
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import ENDED_DELIVERIES, ExchangeState

_SLOTS = {
    "accepted": "R1",
    "deidentified": "R1",
    "quarantined": "R1",
    "reidentified": "R1",
    "forwarded": "R2",
    "committed": "R2",
    "rejected": "R2",
    "closed": "R3",
}
_EDITIONS = frozenset({"partner", "site"})


@dataclass(frozen=True, slots=True)
class Edition:
    """A durable `partner` or `site` edition: its PAE digest, the prior receipt's, its path."""

    edition: str
    pae_sha256: str
    previous: str
    path: str


def reserve_receipt(
    database: Database, exchange_id: str, stage: str, now: datetime, delivery_id: str = ""
) -> ReceiptEvent:
    """Take the place of a receipt; whoever asks again gets the same id and time.

    Args:
        database: Custody's database.
        exchange_id: Which exchange.
        stage: accepted, deidentified, quarantined or reidentified (R1); forwarded, committed or rejected
            (R2); closed (R3).
        now: The time of issue, kept to the millisecond as the receipt writes it.
        delivery_id: The delivery, for R2 only.

    Raises:
        CustodyError: The stage is unknown, does not fit the delivery, or its place is taken by another stage.
    """
    slot = _SLOTS.get(stage)
    if slot is None or (slot == "R2") != bool(delivery_id):
        raise CustodyError(f"cannot reserve a receipt: stage {stage} is unknown or does not fit the delivery")

    def work(connection: Connection) -> ReceiptEvent:
        exchange = exchange_row(connection, exchange_id)
        revision = exchange.revision if slot == "R1" else 0
        row = {
            "receipt_id": _uuid7(now),
            "exchange_id": exchange_id,
            "slot": slot,
            "delivery_id": delivery_id,
            "revision": revision,
            "stage": stage,
            "issued_at": now.replace(microsecond=now.microsecond // 1000 * 1000),
        }
        insert_new(connection, schema.receipt_events, [row])
        event = _event(connection, exchange_id, slot, delivery_id, revision)
        if event.stage != stage:
            raise CustodyError(f"cannot issue a {stage} receipt: {event.stage} has been issued in its place")
        return event

    return database.write(work)


def record_receipt(database: Database, receipt_id: str, edition: Edition) -> ReceiptRecord:
    """Note that an edition of a reserved receipt is durable; repeating it changes nothing.

    Raises:
        CustodyError: It was not reserved, or another statement was recorded under this id.
    """
    if edition.edition not in _EDITIONS:
        raise CustodyError(f"cannot record edition {edition.edition}", "use partner or site")

    def work(connection: Connection) -> ReceiptRecord:
        row = {"receipt_id": receipt_id, "edition": edition.edition, "pae_sha256": edition.pae_sha256}
        row |= {"previous": edition.previous, "path": edition.path}
        insert_new(connection, schema.receipts, [row])
        recorded_now = receipt_rows(connection, schema.receipt_events.c.receipt_id == receipt_id)
        if len(recorded_now) == len(_EDITIONS) and recorded_now[0].slot == "R3":
            _mark_receipted(connection, recorded_now[0].exchange_id)
        for one in recorded_now:
            if one.edition == edition.edition:
                if one.pae_sha256 != edition.pae_sha256:
                    raise CustodyError(f"cannot record receipt {receipt_id}: another statement is recorded")
                return one
        raise CustodyError(f"cannot record receipt {receipt_id}: it was not reserved")

    return database.write(work)


def owed_receipts(database: Database) -> tuple[OwedReceipt, ...]:
    """R2 of ended deliveries and R3 of ended exchanges that are not recorded in both editions yet.

    An exchange owes R3 once each of its deliveries has its R2, or once a person rejected it.
    """

    def work(connection: Connection) -> tuple[OwedReceipt, ...]:
        second = [OwedReceipt(one, sent, "R2") for one, sent in connection.execute(_without_second())]
        waiting = {one.exchange_id for one in second}
        third = [
            OwedReceipt(exchange_id, "", "R3")
            for exchange_id in connection.execute(_without_third()).scalars()
            if exchange_id not in waiting
        ]
        return (*second, *third)

    return database.read(work)


def receipts_of(database: Database, exchange_id: str) -> tuple[ReceiptRecord, ...]:
    """The recorded receipts of an exchange, oldest first."""
    mine = schema.receipt_events.c.exchange_id == exchange_id
    return database.read(lambda connection: receipt_rows(connection, mine))


def receipt_rows(connection: Connection, which: "sa.ColumnElement[bool]") -> tuple[ReceiptRecord, ...]:
    """Recorded receipts that satisfy a condition, oldest first."""
    query = (
        sa.select(*columns(ReceiptRecord, schema.receipts, schema.receipt_events))
        .join(schema.receipt_events, schema.receipt_events.c.receipt_id == schema.receipts.c.receipt_id)
        .where(which)
        .order_by(
            schema.receipt_events.c.slot,
            schema.receipt_events.c.issued_at,
            schema.receipts.c.receipt_id,
            schema.receipts.c.edition,
        )
    )
    return tuple(record(ReceiptRecord, row) for row in connection.execute(query))


def recorded(
    slot: str, exchange_id: "sa.ColumnElement[str]", delivery_id: object
) -> "sa.ColumnElement[bool]":
    """SQL: both editions of the receipt in this place are recorded."""
    events = schema.receipt_events
    count = (
        sa.select(sa.func.count())
        .select_from(schema.receipts.join(events, events.c.receipt_id == schema.receipts.c.receipt_id))
        .where(
            events.c.exchange_id == exchange_id, events.c.slot == slot, events.c.delivery_id == delivery_id
        )
        .scalar_subquery()
    )
    return count == len(_EDITIONS)


def _mark_receipted(connection: Connection, exchange_id: str) -> None:
    table = schema.exchanges
    connection.execute(sa.update(table).where(table.c.exchange_id == exchange_id).values(receipted=1))


def _without_second() -> "sa.Select[str, str]":
    table = schema.deliveries
    return (
        sa.select(table.c.exchange_id, table.c.delivery_id)
        .where(_ended_lately(), ~recorded("R2", table.c.exchange_id, table.c.delivery_id))
        .order_by(table.c.closed_at, table.c.delivery_id)
    )


def _ended_lately() -> "sa.ColumnElement[bool]":
    """Deliveries that have ended in an exchange that is not closed: few, and an index finds them."""
    table = schema.deliveries
    return sa.and_(table.c.state.in_(ENDED_DELIVERIES), table.c.concluded == 0)


def _without_third() -> "sa.Select[str]":
    """Rejected exchanges, re-sends without a delivery, and of those delivering what has no more to send."""
    table, ended, sent = schema.exchanges, schema.deliveries, schema.deliveries.alias("under_way")
    under_way = (
        sa.select(sent.c.delivery_id)
        .where(sent.c.exchange_id == table.c.exchange_id, sent.c.state.not_in(ENDED_DELIVERIES))
        .exists()
    )
    with_ended = sa.select(ended.c.exchange_id).where(_ended_lately())
    over = sa.or_(
        sa.and_(table.c.state == ExchangeState.REJECTED, table.c.receipted == 0),
        sa.and_(
            table.c.state == ExchangeState.DELIVERING,
            table.c.receipted == 0,
            table.c.error_code.in_(WITHOUT_DELIVERY),
        ),
        sa.and_(table.c.exchange_id.in_(with_ended), table.c.state == ExchangeState.DELIVERING, ~under_way),
    )
    return (
        sa.select(table.c.exchange_id)
        .where(over, ~recorded("R3", table.c.exchange_id, ""))
        .order_by(table.c.created_at, table.c.exchange_id)
    )


def _event(
    connection: Connection, exchange_id: str, slot: str, delivery_id: str, revision: int
) -> ReceiptEvent:
    table = schema.receipt_events
    row = connection.execute(
        sa.select(*columns(ReceiptEvent, table)).where(
            table.c.exchange_id == exchange_id,
            table.c.slot == slot,
            table.c.delivery_id == delivery_id,
            table.c.revision == revision,
        )
    ).one()
    return record(ReceiptEvent, row)


def _uuid7(now: datetime) -> str:
    """A UUIDv7 (RFC 9562 5.7): 48 bits of milliseconds, then randomness."""
    milliseconds = int(now.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    random = uuid.uuid4().int
    value = (
        milliseconds << 80 | 0x7 << 76 | (random >> 68 & 0xFFF) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    )
    return str(uuid.UUID(int=value))
