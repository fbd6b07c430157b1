"""Opening, versions, and what the file is like."""

import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from agent.custody import schema
from agent.custody.columns import Coded, UtcTime
from agent.custody.database import Database, open_database
from agent.custody.listings import counts
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import ExchangeState
from tests.agent.custody.world import World, arrival


def pragma(database: Database, name: str) -> object:
    return database.read(lambda connection: connection.exec_driver_sql(f"PRAGMA {name}").scalar())


def test_sqlite_is_set_up_as_designed(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'c.db'}")
    assert pragma(database, "journal_mode") == "wal"
    assert pragma(database, "synchronous") == 2  # FULL
    assert pragma(database, "foreign_keys") == 1
    assert pragma(database, "busy_timeout") == 30_000
    database.close()


def test_the_file_is_ours_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        database = open_database(f"sqlite:///{tmp_path / 'c.db'}")
        modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"c.db": 0o600, "c.db-wal": 0o600, "c.db-shm": 0o600}
    database.close()


def test_it_opens_again_with_what_it_holds(url: str, database: Database, world: World) -> None:
    world.arrive("a")
    database.close()
    again = open_database(url)
    assert counts(again).arrivals == 1
    again.close()


def test_a_newer_schema_is_refused(url: str, database: Database) -> None:
    newer = sa.update(schema.schema_version).values(version=schema.SCHEMA_VERSION + 1)
    database.write(lambda connection: connection.execute(newer))
    with pytest.raises(CustodyError, match=f"version {schema.SCHEMA_VERSION + 1}"):
        open_database(url)


def test_two_can_create_it_at_once(url: str) -> None:
    with ThreadPoolExecutor(16) as threads:
        opened = list(threads.map(lambda _: open_database(url), range(16)))
    assert {counts(one).arrivals for one in opened} == {0}
    for one in opened:
        one.close()


@pytest.mark.parametrize("bad", ["mysql://host/x", "sqlite://", "nonsense", "sqlite:////no/such/folder/x.db"])
def test_what_cannot_be_opened_is_said(bad: str) -> None:
    with pytest.raises(CustodyError, match=r"^cannot"):
        open_database(bad)


def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'c.db'}")
    writing, go = threading.Event(), threading.Event()

    def work(connection: Connection) -> None:
        writing.set()
        assert go.wait(20)

    with ThreadPoolExecutor(1) as threads:
        writer = threads.submit(database.write, work)
        assert writing.wait(20)
        assert counts(database).arrivals == 0
        go.set()
        writer.result(20)
    database.close()


def test_a_failed_transaction_leaves_nothing(database: Database, world: World) -> None:
    first = arrival("a")

    def work(connection: Connection) -> None:
        connection.execute(sa.insert(schema.holds).values(hold_id="h", exchange_id="none", code="x"))

    with pytest.raises(CustodyError, match=r"contradicts|cannot use"):
        database.write(work)
    assert counts(database).open_holds == {}
    assert first.instance.identity not in str(counts(database))


def test_errors_of_the_driver_show_no_value(database: Database) -> None:
    def work(connection: Connection) -> None:
        values = {"receipt_id": "DOE^JOHN", "edition": "site", "pae_sha256": "x", "path": "y"}
        connection.execute(sa.insert(schema.receipts).values(**values))

    with pytest.raises(CustodyError) as caught:
        database.write(work)
    assert "DOE" not in str(caught.value)
    assert caught.value.__suppress_context__


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_times_survive_exactly(moment: datetime) -> None:
    column, dialect = UtcTime(), sqlite.dialect()
    stored = column.process_bind_param(moment, dialect)
    assert column.process_result_value(stored, dialect) == moment


def test_naive_times_and_unknown_codes_are_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        UtcTime().process_bind_param(datetime(2026, 1, 1), sqlite.dialect())  # noqa: DTZ001
    with pytest.raises(ValueError, match="nowhere"):
        Coded(ExchangeState).process_bind_param("nowhere", sqlite.dialect())  # type: ignore[arg-type]


def test_another_process_may_share_the_file(tmp_path: Path, world: World) -> None:
    path = tmp_path / "shared.db"
    first, second = open_database(f"sqlite:///{path}"), open_database(f"sqlite:///{path}")
    World(first).arrive("a")
    World(second).arrive("b")
    assert counts(first).instances == counts(second).instances == 2
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    first.close()
    second.close()


def test_times_keep_order_in_the_database() -> None:
    early, late = (
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=1),
    )
    dialect = sqlite.dialect()
    assert (UtcTime().process_bind_param(early, dialect) or 0) < (
        UtcTime().process_bind_param(late, dialect) or 0
    )
