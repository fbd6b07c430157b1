"""Deliveries and their effects: what each destination has been sent and has confirmed."""

import secrets
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.attempts import frozen_rows
from agent.custody.database import Database
from agent.custody.holds import decision_rows, open_holds, require_token
from agent.custody.records import (
    DeliveryClaim,
    DeliveryRecord,
    Effect,
    ExchangeRecord,
    FrozenInstance,
    HoldReason,
)
from agent.custody.rows import columns, end_attempt, exchange_row, insert_new, move, record
from exchange.domain.codes import UNPROVED_CODES
from exchange.domain.delivery import CONFIRMED, InstanceOutcome, InstanceState
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import ENDED_DELIVERIES, DecisionKind, DeliveryState, Direction, ExchangeState

_CHUNK = 500  # values of one SQL statement
_TO_SEND = frozenset({InstanceState.PENDING, InstanceState.UNKNOWN})
_WAITING = frozenset({DeliveryState.PENDING, DeliveryState.WAITING, DeliveryState.COMMITTING})


def open_deliveries(
    database: Database,
    exchange_id: str,
    token: str,
    destinations: Sequence[str],
    now: datetime,
    standing: Sequence[HoldReason] = (),
) -> tuple[DeliveryRecord, ...]:
    """Let a frozen exchange leave: one delivery per destination, one effect row per instance in it.

    Invariants are enforced here and nowhere can they be passed by: R1 is recorded (so it is durable) before
    the first byte leaves; outbound every instance was proved or a person released the exchange; inbound
    every instance was shown to have the identity that it is to have in the PACS.

    Args:
        database: Custody's database.
        exchange_id: Which exchange.
        token: The running attempt's.
        destinations: Where it goes.
        now: The time of it.
        standing: Tasks for a person that are opened with it and do not stop it.

    Raises:
        CustodyError: One of these does not hold, or the attempt is over.
    """
    if not destinations:
        raise CustodyError(f"cannot deliver exchange {exchange_id}: its route has no destination")

    def work(connection: Connection) -> tuple[DeliveryRecord, ...]:
        exchange = exchange_row(connection, exchange_id)
        if exchange.state is not ExchangeState.DELIVERING:
            require_token(connection, exchange, token)
            instances = _may_leave(connection, exchange)
            move(connection, exchange, ExchangeState.DELIVERING, {ExchangeState.PROCESSING})
            end_attempt(connection, exchange, "delivering", now)
            for destination in dict.fromkeys(destinations):
                _open_one(connection, exchange, destination, instances, now)
            open_holds(connection, exchange, standing, now)
        return delivery_rows(connection, schema.deliveries.c.exchange_id == exchange_id)

    return database.write(work)


def claim_delivery(database: Database, delivery_id: str, number: int) -> DeliveryClaim:
    """Take the right to send attempt `number`; a repetition of the same attempt gets the same token.

    Raises:
        CustodyError: This is not the delivery's next or active attempt.
    """

    def work(connection: Connection) -> DeliveryClaim:
        delivery = delivery_row(connection, delivery_id)
        table = schema.deliveries
        if delivery.state in _WAITING and delivery.attempts == number - 1:
            connection.execute(
                sa.update(table)
                .where(table.c.delivery_id == delivery_id)
                .values(
                    state=DeliveryState.ACTIVE,
                    attempts=number,
                    token=secrets.token_hex(16),
                    next_attempt_at=None,
                )
            )
        elif delivery.state is not DeliveryState.ACTIVE or delivery.attempts != number:
            raise CustodyError(f"cannot claim attempt {number} of delivery {delivery_id}: it is not the next")
        token = connection.execute(
            sa.select(table.c.token).where(table.c.delivery_id == delivery_id)
        ).scalar_one()
        return DeliveryClaim(delivery_id, delivery.exchange_id, delivery.destination, number, token)

    return database.write(work)


def check_claim(database: Database, claim: DeliveryClaim) -> DeliveryRecord:
    """Refuse a claim that is over; asked before each send.

    Raises:
        CustodyError: Another attempt has taken over, or the delivery has ended.
    """
    return database.read(lambda connection: require_active(connection, claim))


def record_outcomes(
    database: Database, claim: DeliveryClaim, outcomes: Iterable[InstanceOutcome], now: datetime
) -> None:
    """Make what the peer said of each instance durable. What was confirmed stays confirmed.

    An answer that comes after the claim was lost is still written when it confirms: the peer has the bytes,
    and sending them again would be wrong.

    Raises:
        CustodyError: The claim is over and the outcome is not a confirmation, or no such instance is in it.
    """
    items = {one.sop_instance_uid: one for one in outcomes}  # of two of one instance the later counts

    def work(connection: Connection) -> bool:
        running = is_active(connection, claim)
        kept = [one for one in items.values() if running or one.state in CONFIRMED]
        _record_effects(connection, claim, kept, now)
        return running or len(kept) == len(items)

    if not database.write(work):
        raise _over(claim)


def unconfirmed(database: Database, delivery_id: str) -> tuple[FrozenInstance, ...]:
    """The instances still to be sent: not confirmed and not refused for good."""

    def work(connection: Connection) -> tuple[FrozenInstance, ...]:
        delivery = delivery_row(connection, delivery_id)
        exchange = exchange_row(connection, delivery.exchange_id)
        wanted = {one.sop_instance_uid for one in effect_rows(connection, delivery) if one.state in _TO_SEND}
        return tuple(one for one in frozen_rows(connection, exchange) if one.sop_instance_uid in wanted)

    return database.read(work)


def effects_of(database: Database, delivery_id: str) -> tuple[Effect, ...]:
    """Every instance of a delivery with what its destination said."""
    return database.read(lambda connection: effect_rows(connection, delivery_row(connection, delivery_id)))


def finish_delivery(
    database: Database, claim: DeliveryClaim, state: DeliveryState, now: datetime, error_code: str = ""
) -> DeliveryRecord:
    """End a delivery for good, FORWARDED, COMMITTED or REJECTED; its R2 is owed from here on.

    Raises:
        CustodyError: FORWARDED while an instance is not confirmed, COMMITTED while one is not committed,
            another state, or the claim is over.
    """
    if state not in ENDED_DELIVERIES:
        raise CustodyError(f"cannot end a delivery as {state}", "use forwarded, committed or rejected")
    needed = {DeliveryState.FORWARDED: CONFIRMED, DeliveryState.COMMITTED: {InstanceState.COMMITTED}}

    def work(connection: Connection) -> DeliveryRecord:
        delivery = delivery_row(connection, claim.delivery_id)
        if delivery.state is state:
            return delivery
        require_active(connection, claim)
        states = {one.state for one in effect_rows(connection, delivery)}
        if state in needed and not states <= needed[state]:
            word = "confirmed" if state is DeliveryState.FORWARDED else "committed"
            raise CustodyError(f"cannot call delivery {claim.delivery_id} {state}: not all is {word}")
        end_delivery(connection, claim.delivery_id, state, now, error_code)
        return delivery_row(connection, claim.delivery_id)

    return database.write(work)


def reschedule(
    database: Database, claim: DeliveryClaim, at: datetime | None, error_code: str
) -> DeliveryRecord:
    """Give a claim back and try again at `at`; with None, when a person says so (`retry_now`).

    Raises:
        CustodyError: The claim is over.
    """

    def work(connection: Connection) -> DeliveryRecord:
        require_active(connection, claim)
        update_delivery(
            connection,
            claim.delivery_id,
            state=DeliveryState.WAITING,
            next_attempt_at=at,
            last_error_code=error_code,
            token="",
        )
        return delivery_row(connection, claim.delivery_id)

    return database.write(work)


def note_transport(database: Database, claim: DeliveryClaim, transport: Mapping[str, str]) -> None:
    """Keep the facts of the connection (TLS version, peer key digest) for the receipt.

    Raises:
        CustodyError: The claim is over.
    """

    def work(connection: Connection) -> None:
        known = require_active(connection, claim).transport
        update_delivery(connection, claim.delivery_id, transport={**known, **transport})

    database.write(work)


def retry_now(database: Database, exchange_id: str, now: datetime) -> int:
    """Make an exchange's waiting deliveries due at once, on a person's word; how many."""
    table = schema.deliveries
    paused = [DeliveryState.WAITING, DeliveryState.COMMITTING]
    statement = (
        sa.update(table)
        .where(table.c.exchange_id == exchange_id, table.c.state.in_(paused))
        .values(state=DeliveryState.WAITING, next_attempt_at=now, commitment_due_at=None)
    )
    return database.write(lambda connection: connection.execute(statement).rowcount)


def delivery(database: Database, delivery_id: str) -> DeliveryRecord:
    """One delivery.

    Raises:
        CustodyError: There is none of this id.
    """
    return database.read(lambda connection: delivery_row(connection, delivery_id))


def deliveries_of(database: Database, exchange_id: str) -> tuple[DeliveryRecord, ...]:
    """The deliveries of an exchange, the longest waiting first."""
    mine = schema.deliveries.c.exchange_id == exchange_id
    return database.read(lambda connection: delivery_rows(connection, mine))


def delivery_row(connection: Connection, delivery_id: str) -> DeliveryRecord:
    """`delivery`, inside a transaction."""
    found = delivery_rows(connection, schema.deliveries.c.delivery_id == delivery_id)
    if not found:
        raise CustodyError(f"cannot find delivery {delivery_id}")
    return found[0]


def delivery_rows(connection: Connection, which: "sa.ColumnElement[bool]") -> tuple[DeliveryRecord, ...]:
    """Deliveries that satisfy a condition, the longest waiting first."""
    table = schema.deliveries
    moment = sa.func.coalesce(table.c.next_attempt_at, table.c.created_at)
    query = sa.select(*columns(DeliveryRecord, table)).where(which).order_by(moment, table.c.destination)
    return tuple(record(DeliveryRecord, row) for row in connection.execute(query))


def _may_leave(connection: Connection, exchange: ExchangeRecord) -> tuple[FrozenInstance, ...]:
    instances = frozen_rows(connection, exchange)
    if not instances:
        raise CustodyError(f"cannot deliver exchange {exchange.exchange_id}: nothing is frozen")
    table = schema.receipt_events
    first = (
        sa.select(schema.receipts.c.receipt_id)
        .join(table, table.c.receipt_id == schema.receipts.c.receipt_id)
        .where(
            table.c.exchange_id == exchange.exchange_id,
            table.c.slot == "R1",
            table.c.revision == exchange.revision,
            schema.receipts.c.edition == "partner",
        )
    )
    if connection.execute(first).first() is None:
        raise CustodyError(
            f"cannot deliver exchange {exchange.exchange_id}: its first receipt is not recorded"
        )
    proved = all(one.proved for one in instances)
    released = any(
        one.kind is DecisionKind.RELEASE and one.code in UNPROVED_CODES
        for one in decision_rows(connection, exchange.exchange_id)
    )
    if not (proved or (released and exchange.direction is Direction.OUTBOUND)):
        raise CustodyError(
            f"cannot deliver exchange {exchange.exchange_id}: it is neither proved nor released"
        )
    return instances


def _open_one(
    connection: Connection,
    exchange: ExchangeRecord,
    destination: str,
    instances: Sequence[FrozenInstance],
    now: datetime,
) -> None:
    exchange_id = exchange.exchange_id
    row = {
        "delivery_id": uuid.uuid4().hex,
        "exchange_id": exchange_id,
        "route": exchange.route or "",
        "priority": exchange.priority,
        "next_attempt_at": now,  # where it stands in the queue
        "destination": destination,
        "state": DeliveryState.PENDING,
        "created_at": now,
    }
    insert_new(connection, schema.deliveries, [row])
    effect = {"exchange_id": exchange_id, "destination": destination, "updated_at": now}
    rows = [
        {**effect, "sop_instance_uid": one.sop_instance_uid, "state": InstanceState.PENDING}
        for one in instances
    ]
    insert_new(connection, schema.effects, rows)


def is_active(connection: Connection, claim: DeliveryClaim) -> bool:
    """Whether this claim still holds, inside a transaction."""
    table = schema.deliveries
    query = sa.select(table.c.delivery_id).where(
        table.c.delivery_id == claim.delivery_id,
        table.c.state == DeliveryState.ACTIVE,
        table.c.token == claim.token,
    )
    return connection.execute(query).first() is not None


def require_active(connection: Connection, claim: DeliveryClaim) -> DeliveryRecord:
    """Refuse a claim that is over, inside a transaction; else the delivery.

    Raises:
        CustodyError: Another attempt has taken over, or the delivery has ended.
    """
    if not is_active(connection, claim):
        raise _over(claim)
    return delivery_row(connection, claim.delivery_id)


def end_delivery(
    connection: Connection, delivery_id: str, state: DeliveryState, now: datetime, error_code: str = ""
) -> None:
    """Write the end of a delivery, inside a transaction; whether it may end so is the caller's to check."""
    update_delivery(
        connection,
        delivery_id,
        state=state,
        closed_at=now,
        last_error_code=error_code,
        token="",
        commitment_due_at=None,
    )


def update_delivery(connection: Connection, delivery_id: str, **values: object) -> None:
    """Change columns of a delivery, inside a transaction."""
    table = schema.deliveries
    connection.execute(sa.update(table).where(table.c.delivery_id == delivery_id).values(**values))


def effect_rows(connection: Connection, delivery: DeliveryRecord) -> tuple[Effect, ...]:
    """`effects_of`, inside a transaction."""
    table = schema.effects
    query = (
        sa.select(*columns(Effect, table))
        .where(
            table.c.exchange_id == delivery.exchange_id,
            table.c.destination == delivery.destination,
        )
        .order_by(table.c.sop_instance_uid)
    )
    return tuple(record(Effect, row) for row in connection.execute(query))


def _over(claim: DeliveryClaim) -> CustodyError:
    return CustodyError(f"cannot go on with delivery {claim.delivery_id}: the attempt is over")


def _record_effects(
    connection: Connection, claim: DeliveryClaim, outcomes: Sequence[InstanceOutcome], now: datetime
) -> None:
    """Write outcomes; those of instances that were confirmed before are left out."""
    table = schema.effects
    mine = sa.and_(table.c.exchange_id == claim.exchange_id, table.c.destination == claim.destination)
    changed = []
    for start in range(0, len(outcomes), _CHUNK):
        chunk = outcomes[start : start + _CHUNK]
        wanted = table.c.sop_instance_uid.in_([one.sop_instance_uid for one in chunk])
        before = dict(
            connection.execute(sa.select(table.c.sop_instance_uid, table.c.state).where(mine, wanted)).all()
        )
        if len(before) != len(chunk):
            raise CustodyError(
                f"cannot record an outcome for delivery {claim.delivery_id}: no such instance in it"
            )
        changed += [one for one in chunk if before[one.sop_instance_uid] not in CONFIRMED]
    if not changed:
        return
    statement = (
        sa.update(table)
        .where(mine, table.c.sop_instance_uid == sa.bindparam("uid"))
        .values(
            state=sa.bindparam("new_state"),
            status=sa.bindparam("new_status"),
            detail=sa.bindparam("new_detail"),
            attempt=claim.number,
            updated_at=now,
        )
    )
    rows = [
        {
            "uid": one.sop_instance_uid,
            "new_state": one.state,
            "new_status": one.status,
            "new_detail": one.detail,
        }
        for one in changed
    ]
    connection.execute(statement, rows)
