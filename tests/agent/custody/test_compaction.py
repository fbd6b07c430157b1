"""What is left of retired exchanges, and what can still be asked of them."""

from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from agent.custody import closing, compaction, conflicts, listings, progress, schema
from agent.custody.arrivals import members
from agent.custody.compaction import compact, forget, give_back_space
from agent.custody.database import Database, open_database
from exchange.domain.exchange import ExchangeState
from tests.agent.custody.crowd import crowd
from tests.agent.custody.world import START, World

LATER = START + timedelta(days=400)


def rows(database: Database, table: sa.Table) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return database.read(lambda connection: connection.execute(query).scalar_one())


def retired(world: World, *names: str) -> str:
    """An exchange whose retention is over and whose files are gone."""
    done = world.closed(*names)
    closing.retire(world.database, done)
    for identity in closing.deletable(world.database):
        assert closing.erase_key(world.database, identity, (), world.now())
    assert closing.mark_cleared(world.database) == 1
    return done


def test_the_files_of_an_exchange_are_looked_at_until_they_are_gone(world: World) -> None:
    done = world.closed("a", "b")
    closing.retire(world.database, done)
    left = closing.deletable(world.database)
    assert len(left) == 2
    assert closing.mark_cleared(world.database) == 0, "nothing was deleted yet"
    assert closing.erase_key(world.database, left[0], (), world.now())
    assert closing.mark_cleared(world.database) == 0
    assert closing.deletable(world.database) == left[1:]
    assert closing.erase_key(world.database, left[1], (), world.now())
    assert closing.mark_cleared(world.database) == 1
    assert closing.deletable(world.database) == ()


def test_what_another_exchange_needs_stays_and_is_deleted_after_it(world: World) -> None:
    first = world.closed("a")
    again = world.arrive("a", called_ae="OTHER")
    closing.retire(world.database, first)
    assert closing.deletable(world.database) == ()
    assert closing.mark_cleared(world.database) == 1, "it is the other one's to delete"
    assert listings.exchange(world.database, again).state is ExchangeState.OPEN


def test_compacting_keeps_what_late_instances_and_receipts_need(world: World) -> None:
    done = retired(world, "a", "b")
    before, came = listings.show_exchange(world.database, done), members(world.database, done)
    assert compact(world.database, START - timedelta(days=1)) == 0, "it has not been gone for long enough"
    assert compact(world.database, LATER) == 1
    assert compact(world.database, LATER) == 0
    after = listings.show_exchange(world.database, done)
    assert (after.effects, after.findings, after.attempts) == ((), (), ())
    kept = ("exchange", "deliveries", "receipts", "holds", "decisions")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert members(world.database, done) == came
    assert [(one.identity, one.sha256) for one in after.frozen] == [
        (one.identity, one.sha256) for one in before.frozen
    ]
    assert all(one.boxes == [] and one.actions == {} for one in after.frozen)
    assert progress.sent_of(world.database, after.exchange)[0].total == 0
    late = world.arrive("c", uid=came[0].sop_instance_uid)
    assert listings.exchange(world.database, late).follows == done
    (found,) = conflicts.conflicts(world.database, late)
    assert len(found.identities) == 2, "other bytes under a UID that has left are still a conflict"


def test_forgetting_leaves_the_exchange_and_its_receipts(world: World) -> None:
    done = retired(world, "a", "b")
    shared = retired(world, "s")
    world.arrive("s", called_ae="OTHER")
    receipts = listings.show_exchange(world.database, done).receipts
    assert forget(world.database, LATER) == 0, "never before it was compacted"
    assert compact(world.database, LATER) == 2
    assert forget(world.database, LATER) == 2
    shown = listings.show_exchange(world.database, done)
    assert (members(world.database, done), shown.frozen) == ((), ())
    assert shown.receipts == receipts
    assert (shown.exchange.instance_count, shown.exchange.state) == (2, ExchangeState.RETIRED)
    assert rows(world.database, schema.instances) == 1, "another exchange needs the shared one"
    assert rows(world.database, schema.arrivals) == 2
    totals = listings.counts(world.database)
    assert (totals.instances, totals.exchanges[ExchangeState.RETIRED]) == (1, 2)
    late = world.arrive("a")
    assert listings.exchange(world.database, late).follows == shared, "a late instance says whom it follows"


def test_the_file_becomes_smaller(tmp_path: Path) -> None:
    path = tmp_path / "lockgate.db"
    database = open_database(f"sqlite:///{path}")
    crowd(database, 400, each=5, state="retired")
    database.write(
        lambda connection: connection.execute(
            sa.update(schema.exchanges).values(retention_step=compaction.FILES_GONE)
        )
    )

    def pages() -> int:
        return int(database.read(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar_one()))

    full = pages()
    assert compact(database, LATER) == 400
    assert forget(database, LATER) == 400
    give_back_space(database)
    assert pages() < full * 0.5
    assert rows(database, schema.exchanges) == 400
    database.close()
