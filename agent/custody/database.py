"""One database URL, `sqlite:///…` or `postgresql://…`, the same code on both.

On SQLite the driver's own transaction handling is switched off (`isolation_level=None`) and a `begin` event
issues BEGIN IMMEDIATE: a writer that reads first then never loses a race that it has already won. Reading
transactions say so and take a WAL snapshot instead, so that `status` does not wait for a writer.
"""

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from agent.custody import migration
from agent.custody.schema import SCHEMA_VERSION, schema_version
from exchange.domain.errors import CustodyError
from exchange.durable import fsync_folder

ResultT = TypeVar("ResultT")

_BUSY_MILLISECONDS = 30_000
_TRIES = 12
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.002, 0.5
# PostgreSQL, SERIALIZABLE: serialization_failure and deadlock_detected; unique_violation and duplicate_table
# where another transaction has just committed what this one's snapshot does not show yet
_RETRY_STATES = frozenset({"40001", "40P01", "23505", "42P07"})
_SCHEMA_LOCK = 0x4C4F434B  # any constant; pg_advisory_xact_lock key for creating the tables


class Database:
    """Custody's own engine. Threads may share it; processes must each open their own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    def write(self, work: Callable[[Connection], ResultT]) -> ResultT:
        """Run `work` in one transaction, again from its start when PostgreSQL asks for that.

        Raises:
            CustodyError: The database cannot be used, or `work` broke one of its constraints.
        """
        for attempt in range(1, _TRIES + 1):
            try:
                with self._engine.begin() as connection:
                    return work(connection)
            except DBAPIError as error:
                if attempt < _TRIES and getattr(error.orig, "sqlstate", None) in _RETRY_STATES:
                    time.sleep(min(_PAUSE_SECONDS * 2**attempt, _LONGEST_PAUSE_SECONDS))
                    continue
                raise _refusal(error) from None
            except SQLAlchemyError as error:
                raise _refusal(error) from None
        raise AssertionError("unreachable")

    def read(self, work: Callable[[Connection], ResultT]) -> ResultT:
        """Run `work` on one consistent snapshot; it must not write.

        Raises:
            CustodyError: The database cannot be used.
        """
        try:
            with self._engine.connect() as connection:
                reading = connection.execution_options(lockgate_reading=True)
                with reading.begin():
                    return work(reading)
        except SQLAlchemyError as error:
            raise _refusal(error) from None

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()


def open_database(url: str) -> Database:
    """Open the database, creating its tables when it is empty and bringing an older one up to date.

    Args:
        url: `sqlite:///relative`, `sqlite:////absolute` or `postgresql://…`.

    Raises:
        CustodyError: It cannot be opened or migrated, or a newer Lockgate has written it.
    """
    try:
        parsed = make_url(url)
    except SQLAlchemyError:
        raise CustodyError("cannot read the database URL", "use sqlite:///… or postgresql://…") from None
    engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
    database = Database(engine)
    try:
        database.write(_prepare)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
    schema_version.create(connection, checkfirst=True)
    found = connection.execute(sa.select(schema_version.c.version)).scalar()
    if found is None:
        migration.create(connection)
        connection.execute(sa.insert(schema_version).values(id=1, version=SCHEMA_VERSION))
    elif found != SCHEMA_VERSION:
        migration.migrate(connection, found)


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise CustodyError("cannot keep custody in memory", "name a file: sqlite:///state/lockgate.db")
    _create_private(Path(url.database))
    engine = sa.create_engine(url, isolation_level=None, pool_size=8, max_overflow=24)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # Set here and not by create_engine: the driver must not open transactions behind our back.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")  # a destroyed key does not live on in a free page

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("lockgate_reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _create_private(path: Path) -> None:
    """Make the file, ours alone and in WAL mode already, before the first connection opens it.

    Two connections that both switch an existing file to WAL get SQLITE_BUSY at once, whatever the timeout.
    So the file is made complete under another name and linked into place; of two makers one wins. An existing
    file is not opened here: closing any descriptor of it would drop all locks that this process has on it.
    -wal and -shm take their mode from the file.
    """
    if path.exists():
        return
    try:
        making = tempfile.TemporaryDirectory(prefix=".making-", dir=path.parent)
    except OSError as error:
        raise CustodyError(
            f"cannot open the database file: {error.strerror}", "check `state:` and `database:`"
        ) from None
    with making as folder:
        made = Path(folder) / path.name
        try:
            os.close(os.open(made, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
            with closing(sqlite3.connect(made)) as connection:
                # before anything else is written: later it would take a VACUUM of the whole file
                connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
                connection.execute("PRAGMA journal_mode=WAL")
            with suppress(FileExistsError):
                os.link(made, path)
            fsync_folder(path.parent)
        except (OSError, sqlite3.Error) as error:
            raise CustodyError(
                f"cannot create the database file ({type(error).__name__})", "check `state:` and `database:`"
            ) from None


def _postgresql(url: URL) -> Engine:
    if url.get_backend_name() != "postgresql":
        raise CustodyError("cannot use this kind of database", "use sqlite:///… or postgresql://…")
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    return sa.create_engine(
        url, isolation_level="SERIALIZABLE", pool_size=8, max_overflow=24, pool_pre_ping=True
    )


def _refusal(error: SQLAlchemyError) -> CustodyError:
    # The driver's text is left out: it quotes the row's values.
    if isinstance(error, IntegrityError):
        return CustodyError("cannot write to custody: the row contradicts what is recorded")
    name = type(error.orig if isinstance(error, DBAPIError) else error).__name__
    return CustodyError(f"cannot use the database ({name})", "check that it is reachable and not full")
