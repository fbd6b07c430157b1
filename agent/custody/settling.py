"""From open to settled: which studies are complete, and on which routes they go."""

import uuid
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.holds import open_holds
from agent.custody.records import ExchangeRecord, HoldReason, RouteDecision, Settlement
from agent.custody.rows import columns, exchange_row, insert_new, move, record
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import ExchangeState

_UNROUTED = HoldReason(ReasonCode.UNROUTED, "settle", detail="no route matches; nothing was done with it")


def due_to_settle(
    database: Database, now: datetime, quiet_for: Callable[[ExchangeRecord], timedelta]
) -> tuple[ExchangeRecord, ...]:
    """Open exchanges to which nothing has come for their quiet time, oldest first."""
    due = (one for one in open_exchanges(database) if one.last_arrival_at + quiet_for(one) <= now)
    return tuple(due)


def next_settle_at(database: Database, quiet_for: Callable[[ExchangeRecord], timedelta]) -> datetime | None:
    """When the next open exchange will have been quiet for long enough; None when none is open."""
    return min((one.last_arrival_at + quiet_for(one) for one in open_exchanges(database)), default=None)


def open_exchanges(database: Database) -> tuple[ExchangeRecord, ...]:
    """All exchanges that instances may still join, oldest first."""
    table = schema.exchanges
    query = (
        sa.select(*columns(ExchangeRecord, table))
        .where(table.c.state == ExchangeState.OPEN)
        .order_by(table.c.created_at, table.c.exchange_id)
    )
    return database.read(lambda c: tuple(record(ExchangeRecord, row) for row in c.execute(query)))


def settle(database: Database, settlement: Settlement, now: datetime) -> tuple[ExchangeRecord, ...]:
    """Close the membership of an exchange and put it on its route; each `also:` opens one more.

    No decision at all leaves it held as `unrouted`.

    Returns:
        The exchanges as they stand now, the settled one first; empty when more has arrived since the
        decision was made (decide again), or when somebody else has settled it.

    Raises:
        CustodyError: There is no such exchange.
    """

    def work(connection: Connection) -> tuple[ExchangeRecord, ...]:
        exchange = exchange_row(connection, settlement.exchange_id)
        if exchange.state is not ExchangeState.OPEN or exchange.instance_count != settlement.instance_count:
            return ()
        facts: dict[str, Any] = {"settled_at": now, "evidence": dict(settlement.evidence)}
        if not settlement.decisions:
            move(connection, exchange, ExchangeState.HELD, {ExchangeState.OPEN}, **facts)
            open_holds(connection, exchange, [_UNROUTED], now)
            return (exchange_row(connection, exchange.exchange_id),)
        move(connection, exchange, ExchangeState.SETTLED, {ExchangeState.OPEN}, **facts)
        return _put_on_routes(connection, exchange.exchange_id, settlement.decisions, now)

    return database.write(work)


def route_again(
    database: Database, exchange_id: str, decisions: tuple[RouteDecision, ...], now: datetime
) -> tuple[ExchangeRecord, ...]:
    """Put an exchange that had been unrouted on a route, after a person's decision returned it to SETTLED.

    With no decision it is held as `unrouted` once more.

    Raises:
        CustodyError: It is not settled, or has a route already (a route never changes).
    """

    def work(connection: Connection) -> tuple[ExchangeRecord, ...]:
        exchange = exchange_row(connection, exchange_id)
        if exchange.state is not ExchangeState.SETTLED or exchange.route is not None:
            raise CustodyError(f"cannot route exchange {exchange_id}: it is {exchange.state} on a route")
        if not decisions:
            move(connection, exchange, ExchangeState.HELD, {ExchangeState.SETTLED})
            open_holds(connection, exchange, [_UNROUTED], now)
            return (exchange_row(connection, exchange_id),)
        return _put_on_routes(connection, exchange_id, decisions, now)

    return database.write(work)


def _put_on_routes(
    connection: Connection, exchange_id: str, decisions: tuple[RouteDecision, ...], now: datetime
) -> tuple[ExchangeRecord, ...]:
    settled = exchange_row(connection, exchange_id)
    own, *further = decisions
    table = schema.exchanges
    connection.execute(
        sa.update(table)
        .where(table.c.exchange_id == exchange_id)
        .values(**_route_values(own), follows=_followed(connection, settled, own) or settled.follows)
    )
    opened = [_open_also(connection, settled, decision, now) for decision in further]
    return tuple(exchange_row(connection, one) for one in (exchange_id, *opened))


def _route_values(decision: RouteDecision) -> dict[str, Any]:
    return {one.name: getattr(decision, one.name) for one in fields(decision)}


def _followed(connection: Connection, settled: ExchangeRecord, decision: RouteDecision) -> str | None:
    """The latest earlier exchange of the group on the same route: `also:` makes a chain per route."""
    table = schema.exchanges
    query = (
        sa.select(table.c.exchange_id)
        .where(
            table.c.exchange_group == settled.exchange_group,
            table.c.route == decision.route,
            table.c.exchange_id != settled.exchange_id,
        )
        .order_by(table.c.settled_at.desc(), table.c.exchange_id.desc())
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()


def _open_also(
    connection: Connection, settled: ExchangeRecord, decision: RouteDecision, now: datetime
) -> str:
    follows = _followed(connection, settled, decision)
    exchange_id = uuid.uuid4().hex
    same = {
        name: getattr(settled, name)
        for name in (
            "exchange_group", "study_instance_uid", "called_ae", "calling_ae", "peer", "source",
            "last_arrival_at", "instance_count", "byte_count", "evidence",
        )
    }  # fmt: skip
    connection.execute(
        sa.insert(schema.exchanges).values(
            exchange_id=exchange_id,
            state=ExchangeState.SETTLED,
            created_at=settled.created_at,
            settled_at=now,
            follows=follows,
            **same,
            **_route_values(decision),
        )
    )
    table = schema.members
    rows = connection.execute(
        sa.select(table.c.identity, table.c.arrival_id).where(table.c.exchange_id == settled.exchange_id)
    ).all()
    insert_new(
        connection,
        table,
        [
            {"exchange_id": exchange_id, "identity": identity, "arrival_id": arrival}
            for identity, arrival in rows
        ],
    )
    return exchange_id
