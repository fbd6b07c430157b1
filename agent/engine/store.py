"""The database as DBOS uses it: its own SQLAlchemy engine on the file that custody uses too."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Engine, make_url

_BUSY_MILLISECONDS = 30_000


def dbos_engine(url: str) -> Engine | None:
    """An engine for SQLite; None for PostgreSQL, where DBOS makes a good one itself.

    `isolation_level="IMMEDIATE"` on the driver's connection and no `begin` event: DBOS writes some
    transactions out by hand and would nest them under custody's way of doing it.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    engine = sa.create_engine(parsed, pool_size=8, max_overflow=24)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # the driver opens a transaction of its own around no PRAGMA as long as it is in autocommit
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.isolation_level = "IMMEDIATE"

    return engine


def dbos_url(url: str) -> str:
    """The URL as DBOS wants it: PostgreSQL without a driver's name."""
    parsed: URL = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql")
    return parsed.render_as_string(hide_password=False)
