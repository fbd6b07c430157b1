"""What came before comes again: joined to the exchange that is at it, left again, or only recorded.

Decided inside the transaction that puts an exchange on its route, so that the same bytes are never under way
twice at the same time and no second cleaning can give them another content.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.records import ExchangeRecord
from agent.custody.rows import exchange_row, move
from exchange.domain.exchange import ExchangeState

IGNORED, JOINED = "ignored-resend", "joined"
"""Codes of an exchange that ends without a delivery of its own: its route ignores re-sends; all of it is
under way in an earlier one."""

WITHOUT_DELIVERY = frozenset({IGNORED, JOINED})

_UNDER_WAY = frozenset(
    {ExchangeState.SETTLED, ExchangeState.PROCESSING, ExchangeState.HELD, ExchangeState.DELIVERING}
)
_LEFT = frozenset({ExchangeState.CLOSED, ExchangeState.RETIRED})
_CHUNK = 500  # bound parameters per query: SQLite's oldest default limit is 999


@dataclass(slots=True)
class _Before:
    """Instances of earlier exchanges on the route, with the latest exchange that has each.

    Attributes:
        order: The exchanges in the order in which they were settled.
    """

    under_way: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)

    def latest(self, found: dict[str, str]) -> str:
        """Of the exchanges that these instances are in, the one that was settled last."""
        return max(found.values(), key=lambda one: self.order[one])


def place_resend(connection: Connection, exchange_id: str, route: str | None, on_resend: str) -> None:
    """Take out of an exchange what an earlier one of its group is at, and end it where nothing is left to do.

    Args:
        connection: The transaction that settles it.
        exchange_id: SETTLED, on this route already.
        route: The route; None for `unrouted`.
        on_resend: The route's `redeliver` or `ignore`.
    """
    exchange = exchange_row(connection, exchange_id)
    before = _before(connection, exchange, route)
    if not before.under_way and not before.left:
        return
    mine = _identities(connection, exchange_id)
    joined = {one: before.under_way[one] for one in mine if one in before.under_way}
    left = {one: before.left[one] for one in mine - joined.keys() if one in before.left}
    remaining = mine - joined.keys()
    values: dict[str, Any] = {}
    if joined:
        _drop(connection, exchange, joined)
        note = {"to": before.latest(joined), "count": len(joined)}
        values["evidence"] = {**exchange.evidence, "joined": note}
    if not remaining:
        _end(connection, exchange, JOINED, resend_of=before.latest(joined), **values)
    elif len(left) == len(remaining):
        values["resend_of"] = before.latest(left)
        if on_resend == "ignore":
            _end(connection, exchange, IGNORED, **values)
            return
    if values and remaining:
        _note(connection, exchange_id, values)


def _before(connection: Connection, exchange: ExchangeRecord, route: str | None) -> _Before:
    exchanges, members = schema.exchanges, schema.members
    query = (
        sa.select(members.c.identity, exchanges.c.exchange_id, exchanges.c.state)
        .join(exchanges, exchanges.c.exchange_id == members.c.exchange_id)
        .where(
            exchanges.c.exchange_group == exchange.exchange_group,
            exchanges.c.exchange_id != exchange.exchange_id,
            exchanges.c.route.is_(None) if route is None else exchanges.c.route == route,
            exchanges.c.error_code.not_in([IGNORED]),
        )
        .order_by(exchanges.c.settled_at, exchanges.c.exchange_id)
    )
    before = _Before()
    for identity, exchange_id, state in connection.execute(query):
        before.order[exchange_id] = len(before.order)
        if state in _UNDER_WAY:
            before.under_way[identity] = exchange_id
        elif state in _LEFT:
            before.left[identity] = exchange_id
    return before


def _identities(connection: Connection, exchange_id: str) -> set[str]:
    query = sa.select(schema.members.c.identity).where(schema.members.c.exchange_id == exchange_id)
    return set(connection.execute(query).scalars())


def _drop(connection: Connection, exchange: ExchangeRecord, identities: Collection[str]) -> None:
    """Take instances out of an exchange; their arrivals stay recorded."""
    members, instances = schema.members, schema.instances
    listed, byte_count = list(identities), 0
    for start in range(0, len(listed), _CHUNK):
        chunk = listed[start : start + _CHUNK]
        connection.execute(
            sa.delete(members).where(
                members.c.exchange_id == exchange.exchange_id, members.c.identity.in_(chunk)
            )
        )
        total = sa.select(sa.func.sum(instances.c.byte_count)).where(instances.c.identity.in_(chunk))
        byte_count += int(connection.execute(total).scalar() or 0)
    _note(
        connection,
        exchange.exchange_id,
        {
            "instance_count": exchange.instance_count - len(listed),
            "byte_count": exchange.byte_count - byte_count,
        },
    )


def _end(connection: Connection, exchange: ExchangeRecord, code: str, **values: Any) -> None:
    """Nothing is to be delivered: its last receipt is owed, and closes it."""
    move(connection, exchange, ExchangeState.DELIVERING, {ExchangeState.SETTLED}, error_code=code, **values)


def _note(connection: Connection, exchange_id: str, values: dict[str, Any]) -> None:
    table = schema.exchanges
    connection.execute(sa.update(table).where(table.c.exchange_id == exchange_id).values(**values))
