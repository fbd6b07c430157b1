"""A database of version 1, written by the DDL of version 1, is opened and goes on."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from agent.custody import arrivals, deliveries, listings, queueing, receipts, schema, totals
from agent.custody.database import Database, open_database
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import DeliveryState, ExchangeState
from tests.agent.custody.world import START, World, arrival

VERSION_1 = Path(__file__).with_name("schema_1.sql")
PROVED = ", \n\tCONSTRAINT ck_frozen_proved CHECK (proved IN (0, 1))"


def version_1(url: str) -> sa.Engine:
    """An empty database as version 1 made it."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    engine = sa.create_engine(parsed)
    text = VERSION_1.read_text("utf-8")
    if engine.dialect.name == "postgresql":  # a Boolean is one there, and was not checked
        text = text.replace(PROVED, "")
    with engine.begin() as connection:
        for statement in text.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        connection.exec_driver_sql("INSERT INTO lockgate_schema (id, version) VALUES (1, 1)")
    return engine


def fill(engine: sa.Engine) -> None:
    """One closed exchange, one rejected and attested, one being delivered; as version 1 wrote them."""
    at = 1_700_000_000_000_000
    with engine.begin() as connection:

        def insert(table: str, **values: object) -> None:
            names = ", ".join(values)
            marks = ", ".join(f":{name}" for name in values)
            text = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names of this file
            connection.execute(sa.text(text), values)

        for number, (state, sent) in enumerate(
            [("closed", "forwarded"), ("rejected", None), ("delivering", "pending")]
        ):
            one = f"{number:032x}"
            insert("instances", identity=one, sop_class_uid="1.2", sop_instance_uid=f"9.{number}",
                   transfer_syntax_uid="1.2.840.10008.1.2.1", byte_count=100, study_instance_uid="9",
                   series_instance_uid="9.1", modality="CT", patient_key="p", indexed_at=at,
                   unreadable_code="")  # fmt: skip
            insert("arrivals", arrival_id=one, identity=one, protocol="dimse", called_ae="A", calling_ae="B",
                   peer="pacs", peer_address="", peer_certificate_sha256="", received_at=at,
                   exchange_group=one)  # fmt: skip
            insert("exchanges", exchange_id=one, exchange_group=one, route="second-opinion",
                   direction="outbound", study_instance_uid="9", called_ae="A", calling_ae="B", peer="pacs",
                   source="pacs", state=state, created_at=at, last_arrival_at=at, settled_at=at,
                   closed_at=at if state != "delivering" else None, evidence="{}", config_sha256="",
                   profile_id="", pseudonym_domain="", study_uid_sent="", revision=0, instance_count=1,
                   byte_count=100, counts="{}", attempt_count=1, error_code="")  # fmt: skip
            insert("members", exchange_id=one, identity=one, arrival_id=one)
            if sent:
                insert("deliveries", delivery_id=one, exchange_id=one, destination="telerad", state=sent,
                       attempts=0, token="", created_at=at, last_error_code="", transport="{}")  # fmt: skip
            if state != "delivering":
                insert("receipt_events", receipt_id=one, exchange_id=one, slot="R3", delivery_id="",
                       revision=0, stage="closed", issued_at=at)  # fmt: skip
                for edition in ("partner", "site"):
                    insert("receipts", receipt_id=one, edition=edition, pae_sha256="d", previous="", path="p")
    engine.dispose()


@pytest.fixture
def old(url: str) -> str:
    """URL of a filled database of version 1."""
    fill(version_1(url))
    return url


def test_what_version_1_wrote_is_there_and_nothing_is_owed_that_was_done(old: str) -> None:
    database = open_database(old)
    found = listings.counts(database)
    states = (ExchangeState.CLOSED, ExchangeState.REJECTED, ExchangeState.DELIVERING)
    assert [found.exchanges[state] for state in states] == [1, 1, 1]
    assert (found.arrivals, found.instances, found.instance_bytes) == (3, 3, 300)
    assert found.deliveries[DeliveryState.FORWARDED] == 1
    assert receipts.owed_receipts(database) == ()
    assert queueing.waiting_lanes(database) == (("telerad", "second-opinion"),)
    (queued,) = queueing.queued_deliveries(database, ("telerad", "second-opinion"), START, 5)
    assert (queued.delivery_id, queued.attempt, queued.priority) == (f"{2:032x}", 1, 0)
    assert deliveries.claim_delivery(database, queued.delivery_id, 1).number == 1
    database.close()


def test_the_migrated_database_works_like_a_new_one(old: str) -> None:
    database = open_database(old)
    world = World(database)
    done = world.closed("a", "b")
    arrivals.record_arrivals(database, [arrival("late", study="8")], START)
    found = listings.counts(database)
    assert (found.exchanges[ExchangeState.CLOSED], found.exchanges[ExchangeState.OPEN]) == (2, 1)
    assert (found.arrivals, found.instances) == (6, 6)
    assert listings.find_exchange(database, done).exchange_id == done
    database.close()
    again = open_database(old)
    assert listings.counts(again).exchanges[ExchangeState.CLOSED] == 2
    again.close()


def test_it_has_every_table_column_and_index_of_a_new_one(old: str) -> None:
    database = open_database(old)

    def shape(connection: sa.Connection) -> dict[str, tuple[set[str], set[str]]]:
        looking = sa.inspect(connection)
        return {
            name: (
                {column["name"] for column in looking.get_columns(name)},
                {str(index["name"]) for index in looking.get_indexes(name)}
                - {str(one["name"]) for one in looking.get_unique_constraints(name)},
            )
            for name in schema.metadata.tables
        }

    wanted = {
        name: ({column.name for column in table.columns}, {str(index.name) for index in table.indexes})
        for name, table in schema.metadata.tables.items()
    }
    assert database.read(shape) == wanted
    database.close()


def test_a_migration_that_fails_leaves_version_1(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_connection: sa.Connection) -> None:
        raise CustodyError("cannot go on")

    with monkeypatch.context() as patch:
        patch.setattr(totals, "recount", broken)
        with pytest.raises(CustodyError, match="cannot go on"):
            open_database(old)
    engine = version_of(old)
    assert engine == 1
    open_database(old).close()
    assert version_of(old) == schema.SCHEMA_VERSION


def version_of(url: str) -> int:
    """Which version a database says that it has."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    engine = sa.create_engine(parsed)
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT version FROM lockgate_schema")).scalar_one()
    engine.dispose()
    return int(found)


@pytest.mark.parametrize("version", [0, schema.SCHEMA_VERSION + 1])
def test_a_version_that_is_not_known_is_refused(database: Database, url: str, version: int) -> None:
    database.write(lambda c: c.execute(sa.update(schema.schema_version).values(version=version)))
    with pytest.raises(CustodyError, match=f"its schema is version {version}"):
        open_database(url)


def test_totals_follow_whatever_happens(database: Database) -> None:
    world = World(database)
    world.closed("a", "b")
    world.arrive("o", study="1")
    world.hold(world.settled("h", study="2").exchange_id)
    kept = listings.counts(database)
    database.write(totals.recount)
    assert listings.counts(database) == kept
