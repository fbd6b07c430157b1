"""What a group (a study, from one source, to one AE title) has brought, over all of its exchanges."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.records import Conflict, ExchangeRecord
from agent.custody.rows import exchange_row


@dataclass(frozen=True, slots=True)
class Presence:
    """How much of a study has come.

    Attributes:
        received: Different SOP instances that the group has brought.
        missing: Of those that were asked about, how many it has not.
        fresh: This exchange has brought an instance that no earlier one had.
    """

    received: int
    missing: int
    fresh: bool


def presence(database: Database, exchange_id: str, named: Collection[str] = ()) -> Presence:
    """How much of the study of an open exchange has come.

    Args:
        database: Custody's database.
        exchange_id: The exchange that instances join now.
        named: SOP Instance UIDs that should come.

    Raises:
        CustodyError: There is no such exchange.
    """

    def work(connection: Connection) -> Presence:
        group = exchange_row(connection, exchange_id).exchange_group
        instances, members, exchanges = schema.instances, schema.members, schema.exchanges
        query = (
            sa.select(instances.c.sop_instance_uid, instances.c.identity, members.c.exchange_id)
            .join(members, members.c.identity == instances.c.identity)
            .join(exchanges, exchanges.c.exchange_id == members.c.exchange_id)
            .where(exchanges.c.exchange_group == group)
        )
        here: set[str] = set()
        mine: set[str] = set()
        before: set[str] = set()
        for uid, identity, owner in connection.execute(query):
            here.add(uid)
            (mine if owner == exchange_id else before).add(identity)
        return Presence(len(here), len(set(named) - here), fresh=not mine <= before)

    return database.read(work)


def conflicts(database: Database, exchange_id: str) -> tuple[Conflict, ...]:
    """SOP Instance UIDs of this exchange under which its group has brought different bytes, until then.

    Earlier exchanges count: a late instance that contradicts what has left already is a conflict, too. Later
    ones do not: they will find the conflict themselves.
    """

    def work(connection: Connection) -> tuple[Conflict, ...]:
        mine = exchange_row(connection, exchange_id)
        seen: dict[str, dict[str, datetime]] = {}
        earlier: dict[str, set[str]] = {}
        own: set[str] = set()
        for uid, identity, owner, created_at, came_at in connection.execute(_comings(mine)):
            known = seen.setdefault(uid, {})
            known[identity] = max(came_at, known.get(identity, came_at))
            if owner == exchange_id:
                own.add(uid)
            elif created_at < mine.created_at:
                earlier.setdefault(uid, set()).add(identity)
        return tuple(
            Conflict(
                uid, tuple(sorted(known, key=lambda one: (known[one], one))), frozenset(earlier.get(uid, ()))
            )
            for uid, known in sorted(seen.items())
            if len(known) > 1 and uid in own
        )

    return database.read(work)


def _comings(mine: ExchangeRecord) -> "sa.Select[Any]":
    """Of the exchanges of a group up to this one: UID, identity, exchange, its beginning, the last coming."""
    instances, members, arrivals = schema.instances, schema.members, schema.arrivals
    exchanges = schema.exchanges
    last = sa.func.max(arrivals.c.received_at, type_=arrivals.c.received_at.type)
    return (
        sa.select(
            instances.c.sop_instance_uid,
            instances.c.identity,
            exchanges.c.exchange_id,
            exchanges.c.created_at,
            last,
        )
        .join(members, members.c.identity == instances.c.identity)
        .join(exchanges, exchanges.c.exchange_id == members.c.exchange_id)
        .join(arrivals, arrivals.c.identity == instances.c.identity)
        .where(
            exchanges.c.exchange_group == mine.exchange_group,
            exchanges.c.created_at <= mine.created_at,
            arrivals.c.exchange_group == mine.exchange_group,
        )
        .group_by(
            instances.c.sop_instance_uid,
            instances.c.identity,
            exchanges.c.exchange_id,
            exchanges.c.created_at,
        )
    )
