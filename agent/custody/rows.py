"""Between rows and records; the only writer of an exchange's state."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Row

from agent.custody import schema
from agent.custody.records import ExchangeRecord
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import ExchangeState

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    RecordT = TypeVar("RecordT", bound=DataclassInstance)
else:
    RecordT = TypeVar("RecordT")

# Who may go where; everything else is refused. `also:` opens exchanges in SETTLED, which is no move.
_ALLOWED: dict[ExchangeState, frozenset[ExchangeState]] = {
    ExchangeState.OPEN: frozenset({ExchangeState.SETTLED, ExchangeState.HELD}),
    # to DELIVERING only what ends without a delivery of its own (`resends`): its last receipt is owed
    ExchangeState.SETTLED: frozenset(
        {ExchangeState.PROCESSING, ExchangeState.HELD, ExchangeState.DELIVERING}
    ),
    ExchangeState.PROCESSING: frozenset(
        {ExchangeState.SETTLED, ExchangeState.HELD, ExchangeState.DELIVERING}
    ),
    ExchangeState.HELD: frozenset({ExchangeState.SETTLED, ExchangeState.REJECTED}),
    ExchangeState.DELIVERING: frozenset({ExchangeState.CLOSED}),
    ExchangeState.CLOSED: frozenset({ExchangeState.RETIRED}),
    ExchangeState.REJECTED: frozenset({ExchangeState.RETIRED}),
    ExchangeState.RETIRED: frozenset(),
}


def columns(kind: type[RecordT], *tables: sa.Table) -> "list[sa.ColumnElement[Any]]":
    """The columns that a record is made of, each from the first table that has it."""
    return [next(table.c[one.name] for table in tables if one.name in table.c) for one in fields(kind)]


def record(kind: type[RecordT], row: "Row[Any]") -> RecordT:
    """A record of a row that was selected with `columns`."""
    construct: Callable[..., RecordT] = kind
    return construct(*row)  # `columns` keeps the order of the fields


def values_of(found: "DataclassInstance") -> dict[str, Any]:
    """The columns of a record, by name: the inverse of `record`."""
    return {one.name: getattr(found, one.name) for one in fields(found)}


def insert_new(connection: Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> int:
    """Insert rows, silently leaving out those whose unique key is there already; how many went in."""
    if not rows:
        return 0
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    inserted = 0
    for row in rows:  # one by one, with RETURNING: not every driver tells how many rows went in
        statement = dialect.insert(table).values(**row).on_conflict_do_nothing()
        inserted += len(connection.execute(statement.returning(sa.literal_column("1"))).all())
    return inserted


def exchange_row(connection: Connection, exchange_id: str) -> ExchangeRecord:
    """The exchange.

    Raises:
        CustodyError: There is none of this id.
    """
    query = sa.select(*columns(ExchangeRecord, schema.exchanges))
    row = connection.execute(query.where(schema.exchanges.c.exchange_id == exchange_id)).one_or_none()
    if row is None:
        raise CustodyError(
            f"cannot find exchange {exchange_id}", "see `lockgate exchanges list` for those there are"
        )
    return record(ExchangeRecord, row)


def move(
    connection: Connection,
    exchange: ExchangeRecord,
    to: ExchangeState,
    allowed_from: Collection[ExchangeState],
    **values: Any,
) -> None:
    """Change an exchange's state, provided that nobody else has meanwhile.

    Raises:
        CustodyError: It is in a state from which this may not happen.
    """
    if exchange.state not in allowed_from or to not in _ALLOWED[exchange.state]:
        raise CustodyError(f"cannot make exchange {exchange.exchange_id} {to}: it is {exchange.state}")
    table = schema.exchanges
    statement = (
        sa.update(table)
        .where(table.c.exchange_id == exchange.exchange_id, table.c.state == exchange.state)
        .values(state=to, **values)
    )
    if connection.execute(statement).rowcount != 1:
        raise CustodyError(f"cannot make exchange {exchange.exchange_id} {to}: it has changed meanwhile")


def end_attempt(connection: Connection, exchange: ExchangeRecord, outcome: str, now: datetime) -> None:
    """Close the exchange's current attempt; its token is worth nothing from here on."""
    table = schema.attempts
    connection.execute(
        sa.update(table)
        .where(
            table.c.exchange_id == exchange.exchange_id,
            table.c.number == exchange.attempt_count,
            table.c.ended_at.is_(None),
        )
        .values(ended_at=now, outcome=outcome)
    )
