"""A database for each test: SQLite always, PostgreSQL where `$LOCKGATE_POSTGRESQL` or its programs are."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from agent.custody.database import Database, open_database
from tests.agent.custody.world import World


# A database named by hand is emptied by these tests: it must be one that was made for them.
@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server's empty `postgres` database: the one named, or a private one on a Unix socket."""
    named = os.environ.get("LOCKGATE_POSTGRESQL")
    if named:
        yield named
        return
    if not shutil.which("initdb") or not shutil.which("pg_ctl"):
        pytest.skip("no PostgreSQL: set LOCKGATE_POSTGRESQL or install postgresql")
    if not hasattr(os, "geteuid") or (os.geteuid() == 0 and not _user_exists("postgres")):
        pytest.skip("PostgreSQL refuses to run as root and there is no user `postgres`")
    folder = Path("/tmp") / f"lockgate-pg-{uuid.uuid4().hex[:8]}"  # a socket's path must be short
    folder.mkdir(mode=0o700)
    who: dict[str, str] = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        who = {"user": "postgres"}
    run = {"check": True, "capture_output": True, "cwd": folder, **who}
    data = str(folder / "data")
    subprocess.run(["initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N"], **run)  # type: ignore[call-overload]
    options = (
        f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=200"
    )
    start = ["pg_ctl", "-D", data, "-w", "-o", options, "-l", str(folder / "log"), "start"]
    subprocess.run(start, **run)  # type: ignore[call-overload]
    try:
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        subprocess.run(["pg_ctl", "-D", data, "-m", "immediate", "stop"], **run)  # type: ignore[call-overload]
        shutil.rmtree(folder, ignore_errors=True)


def _user_exists(name: str) -> bool:
    return any(line.startswith(f"{name}:") for line in Path("/etc/passwd").read_text("utf-8").splitlines())


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'lockgate.db'}"
        return
    yield _emptied(request.getfixturevalue("postgresql"))


def _emptied(server: str) -> str:
    """The server's one database without a table: quicker than a database for each test."""
    engine = sa.create_engine(sa.make_url(server).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    return server


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """Custody on an empty database."""
    opened = open_database(url)
    yield opened
    opened.close()


@pytest.fixture
def world(database: Database) -> World:
    """Shorthand for a study's way through custody."""
    return World(database)
