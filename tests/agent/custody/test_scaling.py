"""What is done per instance and per look costs the same however much has gone through before."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from agent.custody import (
    circuits,
    closing,
    deliveries,
    holds,
    listings,
    progress,
    queueing,
    receipts,
    settling,
)
from agent.custody.database import Database, open_database
from exchange.domain.delivery import InstanceState
from exchange.domain.exchange import ExchangeState, Priority
from tests.agent.custody.crowd import crowd
from tests.agent.custody.world import START, World, route

GROWING = frozenset(
    {
        "exchanges", "instances", "arrivals", "members", "attempts", "frozen", "findings", "deliveries",
        "effects", "receipt_events", "receipts", "holds", "decisions",
    }
)  # fmt: skip


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """Plans and steps are SQLite's."""
    opened = open_database(f"sqlite:///{tmp_path / 'lockgate.db'}")
    yield opened
    opened.close()


def one_study(world: World, name: str) -> None:
    """A study from its first arrival to its end, with what schedule, status and metrics ask meanwhile."""
    look(world)
    arrived = world.arrive(f"{name}1", f"{name}2", study=f"7.{name}")
    look(world)
    settled = world.settle(arrived, (route(),))[0]
    queueing.prioritise(world.database, settled.exchange_id, Priority.STAT)
    look(world)
    attempt = world.begin(settled.exchange_id)
    world.freeze(attempt)
    world.receipt(attempt.exchange_id, "deidentified")
    look(world)
    (sent,) = deliveries.open_deliveries(
        world.database, attempt.exchange_id, attempt.token, ("telerad",), world.now()
    )
    look(world)
    claim = world.claim(sent)
    first, *rest = world.waiting(claim)
    world.said(claim, InstanceState.SENT, first)
    look(world)
    deliveries.reschedule(world.database, claim, world.now(), "unreachable")
    circuits.make_due(world.database, "telerad", "unreachable", world.now())
    deliveries.retry_now(world.database, sent.exchange_id, world.now())
    look(world)
    world.deliver(sent)
    progress.learn_refusals(world.database, sent.delivery_id, world.now())
    look(world)
    world.receipt(sent.exchange_id, "closed")
    look(world)
    closing.close(world.database, sent.exchange_id, world.now())
    look(world)
    assert rest


def look(world: World) -> None:
    """What one tick, one `status` and one scrape ask."""
    database, now = world.database, START + timedelta(days=1)
    queueing.running(database)
    queueing.unrouted_settled(database)
    for name in queueing.waiting_routes(database):
        queueing.queued_exchanges(database, name, 4)
    for lane in queueing.waiting_lanes(database):
        queueing.queued_deliveries(database, lane, now, 4)
        queueing.queued_deliveries(database, lane, now, 4, paused=True)
    queueing.destinations_of(database, ["nobody"])
    queueing.next_due_after(database, now)
    queueing.backlog(database)
    queueing.unclosed(database)
    receipts.owed_receipts(database)
    settling.open_exchanges(database)
    circuits.peer_health(database)
    listings.counts(database)
    holds.list_holds(database)
    listings.find_holds(database, "e00000001")
    for one in progress.processing(database):
        progress.sent_of(database, one)
    for one, _sent in progress.sending(database):
        progress.outgoing_kinds(database, one)
    progress.coming_bytes(database)


def retire_some(world: World) -> None:
    """Retention has nothing to do, or what it has done before is not done again."""
    closing.retirable(world.database, START - timedelta(days=500))
    closing.unshared_frozen(world.database, f"{3:032x}")
    closing.deletable(world.database)
    closing.mark_cleared(world.database)


@contextmanager
def statements(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """Every statement that is executed, with its parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        seen.append((statement, parameters))

    event.listen(database._engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database._engine, "before_cursor_execute", note)


def scans(database: Database, seen: list[tuple[str, Any]]) -> set[str]:
    """Plans that go through the whole of a growing table or of an index of it."""
    found = set()
    with database._engine.connect() as connection:
        for statement, parameters in dict(seen).items():
            if statement.split(None, 1)[0] not in {"SELECT", "UPDATE", "DELETE", "INSERT"}:
                continue
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
                words = row.detail.split()
                if words[0] == "SCAN" and words[1] in GROWING:
                    found.add(f"{row.detail}  <-  {' '.join(statement.split())[:300]}")
    return found


def test_no_question_of_the_daily_work_goes_through_a_growing_table(sqlite: Database) -> None:
    world = World(sqlite)
    crowd(sqlite, 50)
    with statements(sqlite) as seen:
        one_study(world, "s")
        retire_some(world)
        listings.find_exchange(sqlite, f"{7:032x}")
        listings.show_exchange(sqlite, f"{7:032x}")
        listings.list_exchanges(sqlite, {ExchangeState.HELD, ExchangeState.CLOSED}, 10, f"{7:032x}")
    assert len(seen) > 100
    assert scans(sqlite, seen) == set()


def test_the_newest_are_read_off_an_index(sqlite: Database) -> None:
    with statements(sqlite) as seen:
        listings.list_exchanges(sqlite, (), 10)
    (plan,) = scans(sqlite, seen)
    assert "USING INDEX ix_exchanges_created" in plan, "in its order, and only as far as the page"


def test_the_check_for_scans_finds_one(sqlite: Database) -> None:
    with statements(sqlite) as seen, sqlite._engine.connect() as connection:
        connection.execute(sa.text("SELECT count(*) FROM effects WHERE detail = 'x'"))
    assert len(scans(sqlite, seen)) == 1


class Steps:
    """Counts what SQLite's virtual machine does, in thousands of instructions: the same on any machine."""

    def __init__(self, database: Database) -> None:
        self.count = 0
        event.listen(database._engine, "connect", self._watch)
        database._engine.dispose()

    def _watch(self, connection: Any, _record: object) -> None:
        connection.set_progress_handler(self._tell, 100)

    def _tell(self) -> int:
        self.count += 1
        return 0

    def of(self, work: Callable[[], object]) -> int:
        before = self.count
        work()
        return self.count - before


def grows(database: Database, small: int, large: int) -> tuple[float, float]:
    """How many times more a study, and a look at all lists, cost after so many exchanges."""
    world, steps = World(database), Steps(database)
    crowd(database, small)
    one_study(world, "warm")

    def lists() -> None:
        retire_some(world)
        listings.list_exchanges(database, (), 50)
        listings.list_exchanges(database, {ExchangeState.HELD, ExchangeState.CLOSED}, 50)
        listings.find_exchange(database, f"{7:032x}")

    first, shown = steps.of(lambda: one_study(world, "x")), steps.of(lists)
    crowd(database, large - small, first=small)
    return steps.of(lambda: one_study(world, "y")) / first, steps.of(lists) / shown


def test_a_study_costs_the_same_after_three_thousand(sqlite: Database) -> None:
    study, lists = grows(sqlite, 300, 3000)
    assert study < 1.2
    assert lists < 1.2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_study_costs_the_same_after_a_hundred_thousand(sqlite: Database) -> None:
    study, lists = grows(sqlite, 1000, 100_000)
    print(  # noqa: T201 - what soak shows
        f"cost after 100,000 exchanges against 1,000: study x{study:.3f}, lists x{lists:.3f}"
    )
    assert study < 1.2
    assert lists < 1.2
