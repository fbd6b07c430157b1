"""Whether the database is sound, for `doctor`: reads only, makes no tables."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select, text
from sqlalchemy.engine import make_url

from agent.custody.database import open_database
from exchange.domain.errors import CustodyError

_LARGEST_CHECKED = 256 * 1024 * 1024  # a larger file is not read through within doctor's budget


@dataclass(frozen=True, slots=True)
class DatabaseHealth:
    """What was found.

    Attributes:
        summary: For a person, when all is well.
        problem: What is wrong; "" when nothing is.
    """

    summary: str
    problem: str = ""


def examine(url: str) -> DatabaseHealth:
    """Open the database and look whether it is sound.

    Args:
        url: As in the site file. An SQLite file must exist: opening would make it.

    Raises:
        CustodyError: It cannot be opened, or a newer Lockgate has written it.
    """
    parsed = make_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    path = Path(parsed.database or "")
    if sqlite and not path.is_file():
        raise CustodyError(
            f"cannot examine the database: there is no file {path.name}", "lockgate run makes it"
        )
    with closing(open_database(url)) as database:
        if not sqlite:
            version = database.read(
                lambda connection: connection.execute(select(func.version())).scalar_one()
            )
            return DatabaseHealth(str(version).partition(",")[0])
        check = path.stat().st_size <= _LARGEST_CHECKED
        return database.read(lambda connection: _sqlite(connection, check=check))


def _sqlite(connection: Connection, *, check: bool) -> DatabaseHealth:
    mode = str(connection.execute(text("PRAGMA journal_mode")).scalar_one())
    if mode.lower() != "wal":
        return DatabaseHealth("", f"the database is in {mode} mode, not WAL")
    if not check:
        return DatabaseHealth("WAL; too large to be read through here")
    found = str(connection.execute(text("PRAGMA quick_check(1)")).scalar_one())
    return (
        DatabaseHealth("WAL, integrity ok")
        if found == "ok"
        else DatabaseHealth("", "the database is damaged")
    )
