"""Holds and decisions: an exchange stopped for a person, and what the person said.

A *standing* hold (`STANDING_CODES`) stops nothing: it is a task for a person that is opened when the exchange
is let go, beside its deliveries, and may outlive its closing. It is listed and decided like any other; until
then the exchange is not retired.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.records import Decision, DecisionRecord, ExchangeRecord, HoldReason, HoldRecord
from agent.custody.rows import columns, end_attempt, exchange_row, insert_new, move, record
from exchange.domain.codes import STANDING_CODES
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import DecisionKind, ExchangeState, HoldState


def hold(
    database: Database, exchange_id: str, reasons: Sequence[HoldReason], now: datetime, token: str = ""
) -> tuple[HoldRecord, ...]:
    """Stop an exchange for a person. The attempt that was running, if any, ends here.

    Args:
        database: Custody's database.
        exchange_id: Which exchange.
        reasons: At least one; equal ones are opened once.
        now: The time of the hold.
        token: The running attempt's; "" only when no attempt is running.

    Returns:
        The exchange's open holds. Calling this again with the same reasons, after a crash, changes nothing.

    Raises:
        CustodyError: It is neither settled nor processing, or the token is not the running attempt's.
    """
    if not reasons:
        raise CustodyError("cannot hold an exchange without a reason")

    def work(connection: Connection) -> tuple[HoldRecord, ...]:
        exchange = exchange_row(connection, exchange_id)
        if exchange.state is not ExchangeState.HELD:
            if exchange.state is ExchangeState.PROCESSING:
                require_token(connection, exchange, token)
            move(
                connection,
                exchange,
                ExchangeState.HELD,
                {ExchangeState.SETTLED, ExchangeState.PROCESSING},
                error_code=str(reasons[0].code),
            )
            end_attempt(connection, exchange, f"held: {reasons[0].code}", now)
            open_holds(connection, exchange, reasons, now)
        return holds_of(connection, exchange_id, HoldState.OPEN)

    return database.write(work)


def require_token(connection: Connection, exchange: ExchangeRecord, token: str) -> None:
    """Refuse an attempt that is no longer the exchange's own.

    Raises:
        CustodyError: The token is not that of the running attempt.
    """
    table = schema.attempts
    current = connection.execute(
        sa.select(table.c.token).where(
            table.c.exchange_id == exchange.exchange_id,
            table.c.number == exchange.attempt_count,
            table.c.ended_at.is_(None),
        )
    ).scalar_one_or_none()
    if not token or current != token:
        raise CustodyError(f"cannot go on with exchange {exchange.exchange_id}: the attempt is over")


def open_holds(
    connection: Connection, exchange: ExchangeRecord, reasons: Sequence[HoldReason], now: datetime
) -> None:
    """Insert the hold rows, inside the transaction that stopped the exchange (standing ones: let it go)."""
    unique = dict.fromkeys(reasons)
    rows = [
        {
            "hold_id": uuid.uuid4().hex,
            "exchange_id": exchange.exchange_id,
            "code": str(reason.code),
            "path": reason.path,
            "detail": reason.detail,
            "stage": reason.stage,
            "instance": reason.instance,
            "attempt": exchange.attempt_count,
            "opened_at": now,
            "state": HoldState.OPEN,
        }
        for reason in unique
    ]
    insert_new(connection, schema.holds, rows)


def decide(database: Database, hold_id: str, decision: Decision, now: datetime) -> ExchangeRecord:
    """Record a person's decision. Whether the person has the role for it is the caller's to check.

    A rejection ends the exchange at once, its other holds with it. Anything else returns it to SETTLED as
    soon as no hold is open; the next attempt finds the decisions with `decisions_of`. A standing hold is
    only noted as done: it has stopped nothing.

    Raises:
        CustodyError: There is no such hold, it has been decided already, or it stands and would be rejected.
    """

    def work(connection: Connection) -> ExchangeRecord:
        held = hold_row(connection, hold_id)
        if held.state is not HoldState.OPEN:
            raise CustodyError(f"cannot decide hold {hold_id}: it has been decided already")
        exchange = exchange_row(connection, held.exchange_id)
        standing = held.code in STANDING_CODES
        if standing and decision.kind is DecisionKind.REJECT:
            raise CustodyError(
                f"cannot reject hold {hold_id}: it stops nothing, what it is about has been let go",
                "release it when it is done; end the exchange with `lockgate exchanges cancel`",
            )
        _record_decision(connection, held, decision, now)
        if standing:
            _mark_decided(connection, schema.holds.c.hold_id == hold_id)
        elif decision.kind is DecisionKind.REJECT:
            _mark_decided(connection, schema.holds.c.exchange_id == exchange.exchange_id)
            move(connection, exchange, ExchangeState.REJECTED, {ExchangeState.HELD}, closed_at=now)
        else:
            _mark_decided(connection, schema.holds.c.hold_id == hold_id)
            if not _stopping(connection, exchange.exchange_id):
                move(connection, exchange, ExchangeState.SETTLED, {ExchangeState.HELD}, error_code="")
        return exchange_row(connection, exchange.exchange_id)

    return database.write(work)


def decisions_of(database: Database, exchange_id: str) -> tuple[DecisionRecord, ...]:
    """All decisions on an exchange, oldest first."""
    return database.read(lambda connection: decision_rows(connection, exchange_id))


def decision_rows(connection: Connection, exchange_id: str) -> tuple[DecisionRecord, ...]:
    """`decisions_of`, inside a transaction."""
    query = (
        sa.select(*columns(DecisionRecord, schema.decisions, schema.holds))
        .join(schema.holds, schema.holds.c.hold_id == schema.decisions.c.hold_id)
        .where(schema.decisions.c.exchange_id == exchange_id)
        .order_by(schema.decisions.c.decided_at, schema.decisions.c.hold_id)
    )
    return tuple(record(DecisionRecord, row) for row in connection.execute(query))


def list_holds(
    database: Database, state: HoldState | None = HoldState.OPEN, exchange_id: str | None = None
) -> tuple[HoldRecord, ...]:
    """Holds, oldest first: the open ones unless asked otherwise."""
    return database.read(lambda connection: holds_of(connection, exchange_id, state))


def show_hold(database: Database, hold_id: str) -> HoldRecord:
    """One hold.

    Raises:
        CustodyError: There is none of this id.
    """
    return database.read(lambda connection: hold_row(connection, hold_id))


def hold_row(connection: Connection, hold_id: str) -> HoldRecord:
    """`show_hold`, inside a transaction."""
    query = sa.select(*columns(HoldRecord, schema.holds)).where(schema.holds.c.hold_id == hold_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise CustodyError(f"cannot find hold {hold_id}", "see `lockgate holds list` for those there are")
    return record(HoldRecord, row)


def holds_of(
    connection: Connection, exchange_id: str | None, state: HoldState | None
) -> tuple[HoldRecord, ...]:
    """`list_holds`, inside a transaction."""
    table = schema.holds
    query = sa.select(*columns(HoldRecord, table)).order_by(table.c.opened_at, table.c.hold_id)
    if exchange_id is not None:
        query = query.where(table.c.exchange_id == exchange_id)
    if state is not None:
        query = query.where(table.c.state == state)
    return tuple(record(HoldRecord, row) for row in connection.execute(query))


def _stopping(connection: Connection, exchange_id: str) -> bool:
    """Whether an open hold stops the exchange."""
    found = holds_of(connection, exchange_id, HoldState.OPEN)
    return any(one.code not in STANDING_CODES for one in found)


def _record_decision(connection: Connection, held: HoldRecord, decision: Decision, now: datetime) -> None:
    connection.execute(
        sa.insert(schema.decisions).values(
            hold_id=held.hold_id,
            exchange_id=held.exchange_id,
            kind=decision.kind,
            by_asserted=decision.by_asserted,
            local_user=decision.local_user,
            role=decision.role,
            reason_code=decision.reason_code,
            reason_text=decision.reason_text,
            decided_at=now,
        )
    )


def _mark_decided(connection: Connection, which: "sa.ColumnElement[bool]") -> None:
    table = schema.holds
    connection.execute(
        sa.update(table).where(which, table.c.state == HoldState.OPEN).values(state=HoldState.DECIDED)
    )
