"""Instances and arrivals, and the exchange that each arrival joins."""

import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from hashlib import sha256

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.database import Database
from agent.custody.records import IndexedArrival, InstanceKey, Member
from agent.custody.rows import columns, record
from exchange.domain.exchange import ExchangeState
from exchange.domain.instance import Arrival, SpooledInstance

_CHUNK = 500  # bound parameters per query: SQLite's oldest default limit is 999


def source_of(arrival: Arrival) -> str:
    """Who sent it, as far as known: the configured peer, else the AE title it gave, else its address."""
    return arrival.peer or arrival.calling_ae or arrival.peer_address


def exchange_group(item: IndexedArrival) -> str:
    """The group whose open exchange an arrival joins: study, called AE and source.

    A file whose study cannot be read is a group of its own, so that it holds up no other.
    """
    arrival = item.instance.arrival
    study = item.study_instance_uid or f"unreadable/{item.instance.identity}"
    state = sha256(b"lockgate-group-v1")
    for part in (study, arrival.called_ae, source_of(arrival)):
        encoded = part.encode("utf-8", "surrogateescape")
        state.update(len(encoded).to_bytes(4, "big") + encoded)
    return state.hexdigest()


def record_arrivals(database: Database, items: Sequence[IndexedArrival], now: datetime) -> tuple[str, ...]:
    """Take arrivals into custody, all in one transaction (one fsync).

    Each joins the open exchange of its group, or opens one; if the group's last exchange is no longer open,
    the new one says that it follows it, so that a late instance is never lost. Arrivals that are known
    already are ignored: start-up hands in whatever it finds in the spool.

    Returns:
        The ids of the exchanges that gained an arrival, each once.

    Raises:
        CustodyError: The database cannot be used; nothing was recorded.
    """

    def work(connection: Connection) -> tuple[str, ...]:
        unknown = set(_unknown(connection, [item.instance.arrival.arrival_id for item in items]))
        fresh = {
            item.instance.arrival.arrival_id: item
            for item in items
            if item.instance.arrival.arrival_id in unknown
        }
        return _record_all(connection, tuple(fresh.values()), now)

    return database.write(work)


def unindexed(database: Database, arrival_ids: Iterable[str]) -> tuple[str, ...]:
    """Those of these arrivals that custody does not know yet, in the order given."""
    wanted = list(arrival_ids)
    return database.read(lambda connection: _unknown(connection, wanted))


def keep_keys(database: Database, instances: Iterable[SpooledInstance]) -> None:
    """Note the keys of files whose arrivals are known already but whose rows hold none.

    An upgrade seals files that lay in clear when they were recorded.
    """
    table = schema.instances

    def work(connection: Connection) -> None:
        for one in instances:
            connection.execute(
                sa.update(table)
                .where(
                    table.c.identity == one.identity,
                    table.c.wrapped_key.is_(None),
                    table.c.deleted_at.is_(None),
                )
                .values(wrapped_key=one.wrapped_key)
            )

    database.write(work)


def instance_keys(database: Database, identities: Sequence[str]) -> dict[str, InstanceKey]:
    """What opens these instances' files, by identity; those that custody does not know are left out."""
    table = schema.instances

    def work(connection: Connection) -> dict[str, InstanceKey]:
        found: dict[str, InstanceKey] = {}
        for start in range(0, len(identities), _CHUNK):
            query = sa.select(table.c.identity, *columns(InstanceKey, table)).where(
                table.c.identity.in_(identities[start : start + _CHUNK])
            )
            found.update((identity, InstanceKey(*row)) for identity, *row in connection.execute(query))
        return found

    return database.read(work)


def members(database: Database, exchange_id: str) -> tuple[Member, ...]:
    """The instances of an exchange, in the order of their coming."""
    return database.read(lambda connection: members_of(connection, exchange_id))


def members_of(connection: Connection, exchange_id: str) -> tuple[Member, ...]:
    """`members`, inside a transaction."""
    query = (
        sa.select(*columns(Member, schema.members, schema.instances, schema.arrivals))
        .join(schema.instances, schema.instances.c.identity == schema.members.c.identity)
        .join(schema.arrivals, schema.arrivals.c.arrival_id == schema.members.c.arrival_id)
        .where(schema.members.c.exchange_id == exchange_id)
        .order_by(schema.arrivals.c.received_at, schema.members.c.identity)
    )
    return tuple(record(Member, row) for row in connection.execute(query))


def _unknown(connection: Connection, arrival_ids: Sequence[str]) -> tuple[str, ...]:
    known: set[str] = set()
    column = schema.arrivals.c.arrival_id
    for start in range(0, len(arrival_ids), _CHUNK):
        chunk = arrival_ids[start : start + _CHUNK]
        known.update(connection.execute(sa.select(column).where(column.in_(chunk))).scalars())
    return tuple(one for one in arrival_ids if one not in known)


def _record_all(connection: Connection, items: Sequence[IndexedArrival], now: datetime) -> tuple[str, ...]:
    """A few statements for all of them: this runs beside the intake and shares its processor."""
    _record_instances(connection, items, now)
    groups: dict[str, list[IndexedArrival]] = {}
    rows = []
    for item in items:
        arrival, group = item.instance.arrival, exchange_group(item)
        groups.setdefault(group, []).append(item)
        rows.append(
            {
                "arrival_id": arrival.arrival_id,
                "identity": item.instance.identity,
                "protocol": arrival.protocol,
                "called_ae": arrival.called_ae,
                "calling_ae": arrival.calling_ae,
                "peer": arrival.peer,
                "peer_address": arrival.peer_address,
                "peer_certificate_sha256": arrival.peer_certificate_sha256,
                "received_at": arrival.received_at,
                "exchange_group": group,
            }
        )
    if rows:
        connection.execute(sa.insert(schema.arrivals), rows)
    return tuple(_join(connection, group, members, now) for group, members in groups.items())


def _join(connection: Connection, group: str, items: Sequence[IndexedArrival], now: datetime) -> str:
    """Make these arrivals members of the group's open exchange; an instance is one only once."""
    exchange_id = _open_exchange(connection, group) or _begin_exchange(connection, items[0], group, now)
    coming: dict[str, IndexedArrival] = {}
    for item in items:
        coming.setdefault(item.instance.identity, item)
    table = schema.members
    there = _of(connection, coming, table.c.identity, table.c.exchange_id == exchange_id)
    joined = [one for identity, one in coming.items() if identity not in there]
    if joined:
        rows = [
            {
                "exchange_id": exchange_id,
                "identity": one.instance.identity,
                "arrival_id": one.instance.arrival.arrival_id,
            }
            for one in joined
        ]
        connection.execute(sa.insert(table), rows)
    _count(connection, exchange_id, len(joined), sum(one.instance.byte_count for one in joined), now)
    return exchange_id


def _record_instances(connection: Connection, items: Sequence[IndexedArrival], now: datetime) -> None:
    table = schema.instances
    known = _of(connection, {item.instance.identity for item in items}, table.c.identity, sa.true())
    rows: dict[str, dict[str, object]] = {}
    for item in items:
        spooled = item.instance
        if spooled.identity in known:
            _take_back(connection, spooled, now)
        elif spooled.identity not in rows:
            rows[spooled.identity] = {
                "identity": spooled.identity,
                "sop_class_uid": spooled.sop_class_uid,
                "sop_instance_uid": spooled.sop_instance_uid,
                "transfer_syntax_uid": spooled.transfer_syntax_uid,
                "byte_count": spooled.byte_count,
                "study_instance_uid": item.study_instance_uid,
                "series_instance_uid": item.series_instance_uid,
                "modality": item.modality,
                "patient_key": item.patient_key,
                "indexed_at": now,
                "unreadable_code": item.unreadable_code,
                "wrapped_key": spooled.wrapped_key or None,
            }
    if rows:
        connection.execute(sa.insert(table), list(rows.values()))


def _take_back(connection: Connection, spooled: SpooledInstance, now: datetime) -> None:
    """The same bytes came again, perhaps after retention had deleted them: they are in the spool."""
    table = schema.instances
    connection.execute(
        sa.update(table)
        .where(table.c.identity == spooled.identity, table.c.deleted_at.is_not(None))
        .values(deleted_at=None, indexed_at=now)
    )
    if spooled.wrapped_key:  # of the file that lies there now; nothing else opens it
        connection.execute(
            sa.update(table)
            .where(table.c.identity == spooled.identity)
            .values(wrapped_key=spooled.wrapped_key)
        )


def _of(
    connection: Connection,
    identities: Collection[str],
    column: "sa.Column[str]",
    which: "sa.ColumnElement[bool]",
) -> frozenset[str]:
    """Those of these identities that are there."""
    wanted = sorted(identities)
    found: set[str] = set()
    for start in range(0, len(wanted), _CHUNK):
        query = sa.select(column).where(which, column.in_(wanted[start : start + _CHUNK]))
        found.update(connection.execute(query).scalars())
    return frozenset(found)


def _open_exchange(connection: Connection, group: str) -> str | None:
    table = schema.exchanges
    query = sa.select(table.c.exchange_id).where(
        table.c.exchange_group == group, table.c.state == ExchangeState.OPEN
    )
    return connection.execute(query).scalar_one_or_none()


def _begin_exchange(connection: Connection, item: IndexedArrival, group: str, now: datetime) -> str:
    table, arrival = schema.exchanges, item.instance.arrival
    latest = (
        sa.select(table.c.exchange_id)
        .where(table.c.exchange_group == group)
        .order_by(table.c.created_at.desc(), table.c.exchange_id.desc())
        .limit(1)
    )
    exchange_id = uuid.uuid4().hex
    connection.execute(
        sa.insert(table).values(
            exchange_id=exchange_id,
            exchange_group=group,
            study_instance_uid=item.study_instance_uid,
            called_ae=arrival.called_ae,
            calling_ae=arrival.calling_ae,
            peer=arrival.peer,
            source=source_of(arrival),
            state=ExchangeState.OPEN,
            created_at=now,
            last_arrival_at=now,
            follows=connection.execute(latest).scalar_one_or_none(),
        )
    )
    return exchange_id


def _count(connection: Connection, exchange_id: str, joined: int, byte_count: int, now: datetime) -> None:
    table = schema.exchanges
    connection.execute(
        sa.update(table)
        .where(table.c.exchange_id == exchange_id)
        .values(
            instance_count=table.c.instance_count + joined,
            byte_count=table.c.byte_count + byte_count,
            # The time of indexing, not of arrival: after a restart the quiet timer starts anew.
            last_arrival_at=now,
        )
    )
