"""The schedule with a real engine: order, shares, slots of each peer, restarts and upgrades."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.custody import listings, queueing
from agent.custody.records import RouteDecision
from agent.engine.port import Engine, EngineSettings
from agent.engine.steps import StepRunner
from agent.pipeline import schedule
from agent.pipeline.circuit import note_attempt
from agent.pipeline.schedule import DELIVER, DELIVERIES, PROCESS, STUDIES, recover, start, tick
from exchange.domain.exchange import Direction, ExchangeState, Priority
from exchange.keys.signing import RevokedKey
from tests.agent.custody.world import World
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.house import House


class Works:
    """Workflows that only note in which order they began, and end when they are let go."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.began: list[str] = []
        self.go = threading.Event()
        self.go.set()
        self.woken = threading.Event()
        self.engines: list[Engine] = []

    def engine(self, studies: int = 1, deliveries: int = 64, schema: int = 7) -> Engine:
        url = self.house.appliance.configuration.site.database_url
        queues = {STUDIES: studies, DELIVERIES: deliveries}
        settings = EngineSettings(url, "edge-01", queues, schema=schema, on_end=self.woken.set)
        engine = Engine(settings)
        engine.register(PROCESS, self.process, queue=STUDIES)
        engine.register(DELIVER, self.deliver, queue=DELIVERIES)
        engine.launch()
        self.engines.append(engine)
        return engine

    def process(self, steps: StepRunner, exchange_id: str, number: str) -> str:
        return steps.run("one", self.take, exchange_id, number)

    def deliver(self, steps: StepRunner, delivery_id: str, number: str) -> str:
        return steps.run("one", self.send, delivery_id, number)

    def take(self, exchange_id: str, number: str) -> str:
        self.began.append(exchange_id)
        assert self.go.wait(30)
        world = World(self.house.appliance.custody)
        if listings.exchange(world.database, exchange_id).state is ExchangeState.SETTLED:
            attempt = world.begin(exchange_id)
            assert attempt.number == int(number)
            world.hold(exchange_id, "video", attempt.token)
        return "held"

    def send(self, delivery_id: str, _number: str) -> str:
        self.began.append(delivery_id)
        assert self.go.wait(30)
        return "sent"

    def until(self, true: Callable[[], bool], engine: Engine, seconds: float = 30.0) -> None:
        """Tick as the daemon does, whenever a slot is free, until something is so."""
        deadline = datetime.now(UTC) + timedelta(seconds=seconds)
        while not true():
            assert datetime.now(UTC) < deadline, f"did not happen; {len(self.began)} began"
            self.woken.clear()
            tick(self.house.appliance, engine)
            self.woken.wait(0.05)


@pytest.fixture
def works(house: House) -> Iterator[Works]:
    made = Works(house)
    yield made
    made.go.set()
    for engine in made.engines:
        engine.close(1)


def settled(house: House, route: str, count: int, priority: Priority = Priority.ROUTINE) -> list[str]:
    """Exchanges that wait on a route."""
    world, found = World(house.appliance.custody), []
    for number in range(count):
        name = f"{route}{priority}{number}{len(listings.list_exchanges(world.database, limit=10_000))}"
        decision = RouteDecision(route, Direction.OUTBOUND, "default", route, "", int(priority))
        found.append(world.settled(name, routes=(decision,), study=f"5.{name}").exchange_id)
    return found


def delivering(house: House, destination: str, count: int) -> list[str]:
    """Deliveries that wait for a destination."""
    world, found = World(house.appliance.custody), []
    for number in range(count):
        name = f"{destination}{number}"
        attempt = world.begin(world.settled(name, study=f"5.{name}").exchange_id)
        world.freeze(attempt)
        world.receipt(attempt.exchange_id, "deidentified")
        found.append(_opened(world, attempt.exchange_id, attempt.token, destination))
    return found


def _opened(world: World, exchange_id: str, token: str, destination: str) -> str:
    from agent.custody.deliveries import open_deliveries

    (one,) = open_deliveries(world.database, exchange_id, token, (destination,), world.now())
    return one.delivery_id


def test_only_what_can_run_is_handed_over_and_stat_overtakes(works: Works) -> None:
    house = works.house
    waiting = settled(house, "outgoing", 12)
    works.go.clear()
    engine = works.engine()
    works.until(lambda: works.began == waiting[:1], engine)
    tick(house.appliance, engine)
    assert engine.in_flight(STUDIES) == {f"{waiting[0]}/1"}, "the others wait in custody, not in the engine"
    (urgent,) = settled(house, "outgoing", 1, Priority.STAT)
    assert queueing.prioritise(house.appliance.custody, waiting[7], Priority.HIGH) == 0
    works.go.set()
    works.until(lambda: len(works.began) >= 13, engine)
    assert works.began[:4] == [waiting[0], urgent, waiting[7], waiting[1]]
    assert Counter(works.began) == Counter([*waiting, urgent]), "each once"


def test_routes_take_turns_however_much_one_has(works: Works) -> None:
    flood = settled(works.house, "flood", 40)
    quiet = settled(works.house, "quiet", 3)
    engine = works.engine()
    works.until(lambda: set(quiet) <= set(works.began), engine)
    assert len([one for one in works.began if one in flood]) <= 6


def test_a_destination_that_hangs_keeps_its_own_slots_only(works: Works) -> None:
    house = works.house
    stuck, fine = delivering(house, "dead", 6), delivering(house, "alive", 6)
    works.go.clear()
    engine = works.engine()
    begun = 2 * schedule.PEER_SLOTS
    works.until(lambda: len(works.began) >= begun, engine)
    tick(house.appliance, engine)
    assert len(engine.in_flight(DELIVERIES)) == begun
    assert set(works.began) & set(stuck)
    assert len(set(works.began) & set(fine)) == schedule.PEER_SLOTS


def test_an_open_circuit_lets_nothing_through_and_then_one(works: Works) -> None:
    house = works.house
    delivering(house, "outgoing", 5)
    for _ in range(3):
        note_attempt(house.appliance, "outgoing", False, "unreachable")
    works.go.clear()
    engine = works.engine()
    due = tick(house.appliance, engine)
    assert engine.in_flight(DELIVERIES) == frozenset()
    assert due == house.now + timedelta(seconds=5), "when the circuit is half open"
    house.wait(seconds=6)
    for _ in range(3):
        tick(house.appliance, engine)
    assert len(engine.in_flight(DELIVERIES)) == 1
    assert all(
        one.attempts == 0
        for one in listings.show_exchange(
            house.appliance.custody, listings.list_exchanges(house.appliance.custody)[0].exchange_id
        ).deliveries
    ), "waiting burns no attempt"


def restarted(works: Works, count: int) -> int:
    """Start with so many queued, over two engines of different workflow schemas; how many began."""
    house = works.house
    waiting = settled(house, "outgoing", count)
    works.go.clear()
    first = works.engine(schema=1)
    works.until(lambda: len(works.began) == 1, first)
    works.go.set()
    first.close(0)  # what has not begun, and what was cut short, is open under number 1
    recover(house.appliance)
    second = works.engine(studies=4, schema=2)
    start(house.appliance, second)
    held = {ExchangeState.HELD}
    works.until(
        lambda: listings.counts(house.appliance.custody).exchanges[ExchangeState.HELD] == count, second, 500
    )
    done = listings.list_exchanges(house.appliance.custody, held, limit=count + 1)
    assert {one.exchange_id for one in done} == set(waiting)
    assert all(one.attempt_count == 1 for one in done), "none twice"
    return len(works.began)


def test_an_upgrade_of_the_workflows_does_everything_that_is_open_once(works: Works) -> None:
    assert restarted(works, 12) <= 13, "only what was cut short began again"


def test_what_ends_while_the_schedule_looks_is_not_begun_again(works: Works) -> None:
    """The last moment at which a work can end: after custody was asked, or the engine, whichever is first."""
    house = works.house
    world = World(house.appliance.custody)
    (waiting,) = settled(house, "outgoing", 1)
    attempt = world.begin(waiting)
    engine = works.engine()
    asked = engine.in_flight

    def ends_now(queue: str) -> frozenset[str]:
        if listings.exchange(world.database, waiting).state is ExchangeState.PROCESSING:
            world.hold(waiting, "video", attempt.token)
        return asked(queue)

    engine.in_flight = ends_now  # type: ignore[method-assign]
    tick(house.appliance, engine)
    assert works.began == []
    assert asked(STUDIES) == frozenset()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_start_with_a_thousand_queued(works: Works) -> None:
    assert restarted(works, 1000) <= 1001


def test_a_start_asks_for_no_more_than_can_run(works: Works, make_house: MakeHouse) -> None:
    settled(works.house, "outgoing", 30)
    works.go.clear()
    engine = works.engine(studies=2)
    recover(works.house.appliance)
    start(works.house.appliance, engine)
    tick(works.house.appliance, engine)
    assert len(engine.in_flight(STUDIES)) == 2


def test_nothing_is_begun_while_the_receipt_key_is_revoked(house: House, works: Works) -> None:
    engine, key = works.engine(), house.appliance.issuer.key
    revoked = RevokedKey(key.spki, key.keyid, key.chain_pem, key.protection)
    house.appliance.issuer = replace(house.appliance.issuer, key=revoked)
    (waiting,) = settled(house, "outgoing", 1)
    tick(house.appliance, engine)
    assert (works.began, engine.in_flight(STUDIES)) == ([], frozenset())
    house.appliance.issuer = replace(house.appliance.issuer, key=key)
    works.until(lambda: works.began == [waiting], engine)
