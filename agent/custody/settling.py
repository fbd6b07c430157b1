"""From open to settled: which studies are complete, and on which routes they go."""

import uuid
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.holds import open_holds
from agent.custody.records import ExchangeRecord, HoldReason, RouteDecision, Settlement
from agent.custody.resends import WITHOUT_DELIVERY, place_resend
from agent.custody.rows import columns, exchange_row, insert_new, move, record
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import ExchangeState

_UNROUTED = HoldReason(ReasonCode.UNROUTED, "settle", detail="no route matches; nothing was done with it")


def open_exchanges(database: Database) -> tuple[ExchangeRecord, ...]:
    """All exchanges that instances may still join, oldest first."""
    table = schema.exchanges
    query = (
        sa.select(*columns(ExchangeRecord, table))
        .where(table.c.state == ExchangeState.OPEN)
        .order_by(table.c.created_at, table.c.exchange_id)
    )
    return database.read(lambda c: tuple(record(ExchangeRecord, row) for row in c.execute(query)))


def announced(database: Database) -> frozenset[str]:
    """Ids of the open exchanges whose study a notice names."""
    table, notices = schema.exchanges, schema.notices
    query = (
        sa.select(table.c.exchange_id)
        .join(notices, notices.c.study_instance_uid == table.c.study_instance_uid)
        .where(table.c.state == ExchangeState.OPEN)
        .distinct()
    )
    return database.read(lambda connection: frozenset(connection.execute(query).scalars()))


def expect(database: Database, exchange_id: str, replies: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep what archives answered about an open exchange, by peer; nothing happens once it has settled."""

    def work(connection: Connection) -> None:
        exchange = exchange_row(connection, exchange_id)
        if exchange.state is ExchangeState.OPEN:
            table = schema.exchanges
            connection.execute(
                sa.update(table)
                .where(table.c.exchange_id == exchange_id)
                .values(expectation={**exchange.expectation, **replies})
            )

    database.write(work)


def settle(database: Database, settlement: Settlement, now: datetime) -> tuple[ExchangeRecord, ...]:
    """Close the membership of an exchange and put it on its route; each `also:` opens one more.

    No decision at all leaves it held as `unrouted`. What an earlier exchange of the group is at, or has left
    before, is dealt with here, too (`agent.custody.resends`): such an exchange may be DELIVERING at once,
    with nothing to deliver and its last receipt owed.

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
        facts: dict[str, Any] = {"settled_at": now, "evidence": dict(settlement.evidence), "expectation": {}}
        move(connection, exchange, ExchangeState.SETTLED, {ExchangeState.OPEN}, **facts)
        if not settlement.decisions:
            return (_hold_unrouted(connection, exchange.exchange_id, now),)
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
            return (_hold_unrouted(connection, exchange_id, now),)
        return _put_on_routes(connection, exchange_id, decisions, now)

    return database.write(work)


def _hold_unrouted(connection: Connection, exchange_id: str, now: datetime) -> ExchangeRecord:
    place_resend(connection, exchange_id, None, "redeliver")
    exchange = exchange_row(connection, exchange_id)
    if exchange.state is ExchangeState.SETTLED:
        move(connection, exchange, ExchangeState.HELD, {ExchangeState.SETTLED})
        open_holds(connection, exchange, [_UNROUTED], now)
    return exchange_row(connection, exchange_id)


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
    # Last, because each `also:` copies the members of the first as they came.
    for one, decision in zip((exchange_id, *opened), decisions, strict=True):
        place_resend(connection, one, decision.route, decision.on_resend)
    return tuple(exchange_row(connection, one) for one in (exchange_id, *opened))


def _route_values(decision: RouteDecision) -> dict[str, Any]:
    return {one.name: getattr(decision, one.name) for one in fields(decision) if one.name != "on_resend"}


def _followed(connection: Connection, settled: ExchangeRecord, decision: RouteDecision) -> str | None:
    """The latest earlier exchange of the group on the same route: `also:` makes a chain per route."""
    table = schema.exchanges
    query = (
        sa.select(table.c.exchange_id)
        .where(
            table.c.exchange_group == settled.exchange_group,
            table.c.route == decision.route,
            table.c.exchange_id != settled.exchange_id,
            table.c.error_code.not_in(WITHOUT_DELIVERY),  # they have no bytes and no receipts to follow
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
