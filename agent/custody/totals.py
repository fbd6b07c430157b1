"""Totals that the database keeps itself, by triggers: exact whoever writes, and read without counting.

`status` and metrics would else count every exchange, delivery and instance ever seen. On PostgreSQL each
connection adds to one of a few shards, so that writers of several nodes seldom meet on one row.
"""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent.custody import schema

_SHARDS = 16
_BYTES = "instance_bytes"
_BY_STATE = (("exchange", "exchanges"), ("delivery", "deliveries"))


def totals_of(connection: Connection) -> Mapping[str, Mapping[str, int]]:
    """By kind (exchange, delivery, arrivals, instances, instance_bytes) and name (a state, or "")."""
    table = schema.totals
    query = sa.select(table.c.kind, table.c.name, sa.func.sum(table.c.value)).group_by(
        table.c.kind, table.c.name
    )
    found: dict[str, dict[str, int]] = {}
    for kind, name, value in connection.execute(query):
        found.setdefault(kind, {})[name] = int(value)
    return found


def install(connection: Connection) -> None:
    """Make the triggers; those that are there are made anew."""
    dialect = connection.dialect.name
    statements = _postgresql() if dialect == "postgresql" else _sqlite()
    for statement in statements:
        connection.exec_driver_sql(statement)


def recount(connection: Connection) -> None:
    """Count all there is, once: after a migration from a database that kept no totals."""
    table = schema.totals
    connection.execute(sa.delete(table))
    for kind, name in _BY_STATE:
        state = schema.metadata.tables[name].c.state
        query = sa.select(
            sa.literal(kind), sa.cast(state, sa.String), sa.literal(0), sa.func.count()
        ).group_by(state)
        connection.execute(sa.insert(table).from_select(["kind", "name", "shard", "value"], query))
    here = schema.instances.c.deleted_at.is_(None)
    size = sa.func.coalesce(sa.func.sum(schema.instances.c.byte_count), 0)
    number = sa.func.count()
    for kind, amount, source, which in (
        ("arrivals", number, schema.arrivals, sa.true()),
        ("instances", number, schema.instances, here),
        (_BYTES, size, schema.instances, here),
    ):
        counted = connection.execute(sa.select(amount).select_from(source).where(which)).scalar_one()
        connection.execute(sa.insert(table).values(kind=kind, name="", shard=0, value=int(counted)))


def _add(kind: str, name: str, amount: str, shard: str) -> str:
    return (
        f"INSERT INTO totals (kind, name, shard, value) VALUES ('{kind}', {name}, {shard}, {amount}) "  # noqa: S608 - constants of this module
        "ON CONFLICT (kind, name, shard) DO UPDATE SET value = totals.value + excluded.value"
    )


def _changes(shard: str) -> list[tuple[str, str, str, str, list[str]]]:
    """Name, table, event, condition and statements of every trigger."""
    found: list[tuple[str, str, str, str, list[str]]] = []
    for kind, table in _BY_STATE:
        plus, minus = _add(kind, "NEW.state", "1", shard), _add(kind, "OLD.state", "-1", shard)
        found += [
            (f"totals_{table}_in", table, "INSERT", "", [plus]),
            (f"totals_{table}_move", table, "UPDATE OF state", "OLD.state <> NEW.state", [minus, plus]),
            (f"totals_{table}_out", table, "DELETE", "", [minus]),
        ]
    found.append(("totals_arrivals_in", "arrivals", "INSERT", "", [_add("arrivals", "''", "1", shard)]))
    here = [_add("instances", "''", "1", shard), _add(_BYTES, "''", "NEW.byte_count", shard)]
    gone = [_add("instances", "''", "-1", shard), _add(_BYTES, "''", "-OLD.byte_count", shard)]
    found += [
        ("totals_instances_in", "instances", "INSERT", "NEW.deleted_at IS NULL", here),
        (
            "totals_instances_gone",
            "instances",
            "UPDATE OF deleted_at",
            "OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL",
            gone,
        ),
        (
            "totals_instances_back",
            "instances",
            "UPDATE OF deleted_at",
            "OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL",
            here,
        ),
        ("totals_instances_out", "instances", "DELETE", "OLD.deleted_at IS NULL", gone),
    ]
    return found


def _sqlite() -> list[str]:
    statements = []
    for name, table, event, condition, work in _changes("0"):
        when = f" WHEN {condition}" if condition else ""
        body = "; ".join(work)
        statements += [
            f"DROP TRIGGER IF EXISTS {name}",
            f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW{when} BEGIN {body}; END",
        ]
    return statements


def _postgresql() -> list[str]:
    statements = []
    for name, table, event, condition, work in _changes(f"pg_backend_pid() %% {_SHARDS}"):
        when = f" WHEN ({condition})" if condition else ""
        body = "; ".join(work)
        statements += [
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$lockgate$ BEGIN {body}; RETURN NULL; END $lockgate$",
            f"DROP TRIGGER IF EXISTS {name} ON {table}",
            f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW{when} EXECUTE FUNCTION {name}()",
        ]
    return statements
