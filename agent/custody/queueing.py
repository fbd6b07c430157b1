"""What waits for a turn and what is running: bounded questions that indexes answer.

None of these looks at what has ended, so they cost the same however much has gone through; those that count
what waits cost as much as waits.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.records import ExchangeRecord
from agent.custody.rows import columns, record
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import ENDED_DELIVERIES, DeliveryState, ExchangeState, Priority

_CHUNK = 500
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class QueuedExchange:
    """A settled exchange that waits to be processed.

    Attributes:
        attempt: Number of the attempt that is next.
    """

    exchange_id: str
    attempt: int
    route: str
    priority: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class QueuedDelivery:
    """A delivery that may be tried.

    Attributes:
        attempt: Number of the attempt that is next.
    """

    delivery_id: str
    attempt: int
    destination: str
    route: str
    priority: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits of one route for one destination ("": to be processed)."""

    destination: str
    route: str
    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Running:
    """Attempts that custody says are under way: (exchange, attempt), (delivery, attempt)."""

    exchanges: tuple[tuple[str, int], ...]
    deliveries: tuple[tuple[str, int], ...]


def running(database: Database) -> Running:
    """All that is being processed or sent; as many as there are slots."""
    exchanges, deliveries = schema.exchanges, schema.deliveries
    first = sa.select(exchanges.c.exchange_id, exchanges.c.attempt_count).where(
        exchanges.c.state == ExchangeState.PROCESSING
    )
    second = sa.select(deliveries.c.delivery_id, deliveries.c.attempts).where(
        deliveries.c.state == DeliveryState.ACTIVE
    )

    def work(connection: Connection) -> Running:
        return Running(_pairs(connection, first), _pairs(connection, second))

    return database.read(work)


def waiting_routes(database: Database) -> tuple[str, ...]:
    """The routes on which settled exchanges wait; found by hopping along the index, not by counting."""
    table = schema.exchanges

    def work(connection: Connection) -> tuple[str, ...]:
        found: list[str] = []
        while True:
            query = sa.select(sa.func.min(table.c.route)).where(table.c.state == ExchangeState.SETTLED)
            if found:
                query = query.where(table.c.route > found[-1])
            route = connection.execute(query).scalar()
            if route is None:
                return tuple(found)
            found.append(route)

    return database.read(work)


def unrouted_settled(database: Database, limit: int = 100) -> tuple[ExchangeRecord, ...]:
    """Exchanges that no route took and that a person has released."""
    table = schema.exchanges
    query = (
        sa.select(*columns(ExchangeRecord, table))
        .where(table.c.state == ExchangeState.SETTLED, table.c.route.is_(None))
        .order_by(table.c.settled_at)
        .limit(limit)
    )
    return database.read(lambda c: tuple(record(ExchangeRecord, row) for row in c.execute(query)))


def queued_exchanges(database: Database, route: str, limit: int) -> tuple[QueuedExchange, ...]:
    """The next settled exchanges of a route: the most urgent first, then the longest waiting."""
    table = schema.exchanges
    query = (
        sa.select(
            table.c.exchange_id,
            table.c.attempt_count + 1,
            table.c.route,
            table.c.priority,
            table.c.byte_count,
        )
        .where(table.c.state == ExchangeState.SETTLED, table.c.route == route)
        .order_by(table.c.priority.desc(), table.c.settled_at)
        .limit(limit)
    )
    return database.read(lambda c: tuple(QueuedExchange(*row) for row in c.execute(query)))


def waiting_lanes(database: Database) -> tuple[tuple[str, str], ...]:
    """The pairs of destination and route for which deliveries wait, due or not; hops along the index."""

    def work(connection: Connection) -> tuple[tuple[str, str], ...]:
        found = {
            pair
            for state in (DeliveryState.PENDING, DeliveryState.WAITING)
            for pair in _lanes(connection, state)
        }
        return tuple(sorted(found))

    return database.read(work)


def _lanes(connection: Connection, state: DeliveryState) -> list[tuple[str, str]]:
    table = schema.deliveries
    found: list[tuple[str, str]] = []
    while True:
        query = sa.select(table.c.destination, table.c.route).where(table.c.state == state)
        if found:
            query = query.where(sa.tuple_(table.c.destination, table.c.route) > sa.tuple_(*found[-1]))
        row = connection.execute(query.order_by(table.c.destination, table.c.route).limit(1)).first()
        if row is None:
            return found
        found.append((row[0], row[1]))


def queued_deliveries(
    database: Database, lane: tuple[str, str], now: datetime, limit: int, *, paused: bool = False
) -> tuple[QueuedDelivery, ...]:
    """The next deliveries of a destination and route: the most urgent first, then the longest waiting.

    Args:
        database: Custody's database.
        lane: Destination and route.
        now: Those are left out whose own pause is not over,
        limit: at most so many,
        paused: unless they are wanted, too: as the probe of a circuit.
    """

    def work(connection: Connection) -> tuple[QueuedDelivery, ...]:
        fresh = _queued(connection, lane, DeliveryState.PENDING, now, limit)
        again = _queued(connection, lane, DeliveryState.WAITING, _NEVER if paused else now, limit)
        both = sorted((*fresh, *again), key=lambda one: (-one[0], one[1]))
        return tuple(delivery for _, _, delivery in both[:limit])

    return database.read(work)


def _queued(
    connection: Connection,
    lane: tuple[str, str],
    state: DeliveryState,
    due_by: datetime,
    limit: int,
) -> list[tuple[int, datetime, QueuedDelivery]]:
    table, exchanges = schema.deliveries, schema.exchanges
    query = (
        sa.select(
            table.c.next_attempt_at,
            table.c.delivery_id,
            table.c.attempts + 1,
            table.c.destination,
            table.c.route,
            table.c.priority,
            exchanges.c.byte_count,
        )
        .join(exchanges, exchanges.c.exchange_id == table.c.exchange_id)
        .where(
            table.c.state == state,
            table.c.destination == lane[0],
            table.c.route == lane[1],
            table.c.next_attempt_at <= due_by,  # never one that only a person may try again (NULL)
        )
        .order_by(table.c.priority.desc(), table.c.next_attempt_at)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    return [(row[5], row[0], QueuedDelivery(*row[1:])) for row in rows]


def destinations_of(database: Database, delivery_ids: Collection[str]) -> Mapping[str, str]:
    """Delivery id to destination, of these and of all that are ACTIVE."""
    table = schema.deliveries
    pair = sa.select(table.c.delivery_id, table.c.destination)
    wanted = sorted(delivery_ids)

    def work(connection: Connection) -> dict[str, str]:
        found = dict(_texts(connection, pair.where(table.c.state == DeliveryState.ACTIVE)))
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            found |= dict(_texts(connection, pair.where(table.c.delivery_id.in_(chunk))))
        return found

    return database.read(work)


def next_due_after(database: Database, now: datetime) -> datetime | None:
    """When the next pause of a waiting delivery ends that has not ended yet; None when none is running."""
    table = schema.deliveries
    query = sa.select(sa.func.min(table.c.next_attempt_at, type_=table.c.next_attempt_at.type)).where(
        table.c.state == DeliveryState.WAITING, table.c.next_attempt_at > now
    )
    return database.read(lambda connection: connection.execute(query).scalar())


def backlog(database: Database) -> tuple[Backlog, ...]:
    """What waits, by destination and route; exchanges that wait to be processed have destination ""."""
    table, exchanges = schema.deliveries, schema.exchanges
    since = table.c.created_at
    sent = (
        sa.select(table.c.destination, table.c.route, sa.func.count(), sa.func.min(since, type_=since.type))
        .where(table.c.state.in_([DeliveryState.PENDING, DeliveryState.ACTIVE, DeliveryState.WAITING]))
        .group_by(table.c.destination, table.c.route)
    )
    settled = exchanges.c.settled_at
    cleaned = (
        sa.select(
            sa.literal(""),
            sa.func.coalesce(exchanges.c.route, ""),
            sa.func.count(),
            sa.func.min(settled, type_=settled.type),
        )
        .where(exchanges.c.state.in_([ExchangeState.SETTLED, ExchangeState.PROCESSING]))
        .group_by(exchanges.c.route)
    )

    def work(connection: Connection) -> tuple[Backlog, ...]:
        rows = [*connection.execute(cleaned), *connection.execute(sent)]
        return tuple(Backlog(*row) for row in rows)

    return database.read(work)


def unclosed(database: Database, limit: int = 1000) -> tuple[str, ...]:
    """Exchanges killed between their last receipt and being closed."""
    table = schema.exchanges
    query = (
        sa.select(table.c.exchange_id)
        .where(table.c.state == ExchangeState.DELIVERING, table.c.receipted == 1)
        .limit(limit)
    )
    return database.read(lambda connection: tuple(connection.execute(query).scalars()))


def prioritise(database: Database, exchange_id: str, priority: Priority) -> int:
    """Make an exchange and its deliveries more or less urgent; how many deliveries have not ended.

    Raises:
        CustodyError: There is no such exchange, or it has ended.
    """
    exchanges, deliveries = schema.exchanges, schema.deliveries
    over = [ExchangeState.CLOSED, ExchangeState.REJECTED, ExchangeState.RETIRED]

    def work(connection: Connection) -> int:
        changed = connection.execute(
            sa.update(exchanges)
            .where(exchanges.c.exchange_id == exchange_id, exchanges.c.state.not_in(over))
            .values(priority=int(priority))
        ).rowcount
        if changed != 1:
            raise CustodyError(f"cannot prioritise exchange {exchange_id}: it has ended")
        return connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.exchange_id == exchange_id, deliveries.c.state.not_in(list(ENDED_DELIVERIES)))
            .values(priority=int(priority))
        ).rowcount

    return database.write(work)


def _pairs(connection: Connection, query: "sa.Select[str, int]") -> tuple[tuple[str, int], ...]:
    return tuple((key, number) for key, number in connection.execute(query))


def _texts(connection: Connection, query: "sa.Select[Any, Any]") -> list[tuple[str, str]]:
    return [(key, text) for key, text in connection.execute(query)]
