"""Standing holds: opened with the deliveries, stopping nothing, keeping the images until they are decided."""

from datetime import timedelta

import pytest

from agent.custody import closing, deliveries, holds, listings
from agent.custody.records import HoldReason
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import DecisionKind, Direction, ExchangeState, HoldState
from tests.agent.custody.world import World, decision, route

TASK = HoldReason("reconcile", "reconcile", detail="a task")


def let_go(world: World, *names: str) -> str:
    """An inbound exchange with its deliveries and its task open; its id."""
    settled = world.settled(*names or ("a",), routes=(route(direction=Direction.INBOUND),))
    attempt = world.begin(settled.exchange_id)
    world.freeze(attempt)
    world.receipt(attempt.exchange_id, "quarantined")
    for _ in range(2):  # a step may run again
        deliveries.open_deliveries(
            world.database, attempt.exchange_id, attempt.token, ("pacs",), world.now(), (TASK,)
        )
    return attempt.exchange_id


def end(world: World, exchange_id: str) -> None:
    (one,) = listings.show_exchange(world.database, exchange_id).deliveries
    world.deliver(one)
    world.receipt(exchange_id, "forwarded", one.delivery_id)
    world.receipt(exchange_id, "closed")
    closing.close(world.database, exchange_id, world.now())


def state(world: World, exchange_id: str) -> ExchangeState:
    return listings.exchange(world.database, exchange_id).state


def test_it_is_opened_once_and_stops_nothing(world: World) -> None:
    exchange_id = let_go(world)
    (held,) = holds.list_holds(world.database)
    assert (held.code, held.exchange_id, held.detail) == ("reconcile", exchange_id, "a task")
    assert state(world, exchange_id) is ExchangeState.DELIVERING
    end(world, exchange_id)
    assert state(world, exchange_id) is ExchangeState.CLOSED
    assert holds.list_holds(world.database) == (held,)


@pytest.mark.parametrize("ended", [False, True])
def test_deciding_it_moves_nothing(world: World, *, ended: bool) -> None:
    exchange_id = let_go(world)
    if ended:
        end(world, exchange_id)
    before = state(world, exchange_id)
    (held,) = holds.list_holds(world.database)
    found = holds.decide(world.database, held.hold_id, decision(), world.now())
    assert found.state is before
    assert holds.show_hold(world.database, held.hold_id).state is HoldState.DECIDED
    (said,) = holds.decisions_of(world.database, exchange_id)
    assert said.kind is DecisionKind.RELEASE
    with pytest.raises(CustodyError, match="decided already"):
        holds.decide(world.database, held.hold_id, decision(), world.now())


def test_it_cannot_be_rejected(world: World) -> None:
    exchange_id = let_go(world)
    (held,) = holds.list_holds(world.database)
    with pytest.raises(CustodyError, match="it stops nothing"):
        holds.decide(world.database, held.hold_id, decision(DecisionKind.REJECT), world.now())
    assert state(world, exchange_id) is ExchangeState.DELIVERING
    assert holds.list_holds(world.database) == (held,)


def test_nothing_retires_before_it_is_decided(world: World) -> None:
    exchange_id = let_go(world)
    end(world, exchange_id)
    late = world.now() + timedelta(days=1000)
    assert closing.retirable(world.database, late) == ()
    (held,) = holds.list_holds(world.database)
    holds.decide(world.database, held.hold_id, decision(), world.now())
    assert closing.retirable(world.database, late) == (exchange_id,)
