"""How many associations: those that pay, never more than allowed, and one for what is small."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.destinations.pace import Pace

SIZE = 512 * 1024


class World:
    """A peer that takes so many instances a second from so many associations; time passes by instances."""

    def __init__(self, rates: list[float], most: int) -> None:
        self.now = 0.0
        self.rates = rates  # instances a second, by number of associations
        self.pace = Pace(most, lambda: self.now)

    def send(self, count: int) -> list[int]:
        """Send; the wanted number after each instance."""
        seen = []
        for left in range(count - 1, -1, -1):
            rate = self.rates[min(self.pace.wanted, len(self.rates)) - 1]
            self.now += 1 / rate
            seen.append(self.pace.stored(SIZE, left))
        return seen


def test_a_small_study_stays_on_one() -> None:
    assert set(World([800, 1600], 4).send(40)) == {1}


def test_associations_are_added_while_they_pay() -> None:
    world = World([100, 190, 270, 340], 4)
    world.send(2000)
    assert world.pace.wanted == 4


def test_one_that_does_not_pay_is_given_back_and_not_tried_soon() -> None:
    world = World([100, 190, 192], 8)
    seen = world.send(2000)
    assert world.pace.wanted == 2
    assert max(seen) == 3
    assert seen.count(3) < len(seen) * 0.2


def test_a_peer_that_gets_slower_with_more_keeps_one() -> None:
    world = World([160, 120], 4)
    seen = world.send(1000)
    assert world.pace.wanted == 1
    assert max(seen) == 2


def test_a_peer_that_became_slower_loses_one() -> None:
    world = World([100, 200], 2)
    world.send(300)
    assert world.pace.wanted == 2
    world.rates = [100, 60]
    world.send(40)
    assert world.pace.wanted == 1


def test_what_the_peer_refused_is_not_asked_again() -> None:
    world = World([100, 200, 300, 400], 4)
    world.send(100)
    world.pace.refused(1)
    assert set(world.send(2000)) == {1}


def test_the_last_instances_open_nothing() -> None:
    """The window closes when hardly anything is left."""
    world = World([100, 200], 4)
    assert set(world.send(26)) == {1}


@given(
    st.lists(st.floats(0.5, 5000), min_size=1, max_size=6),
    st.integers(1, 5),
    st.lists(st.sampled_from(["send", "refused", "postponed"]), max_size=12),
)
def test_never_below_one_nor_above_what_is_allowed(rates: list[float], most: int, moves: list[str]) -> None:
    world = World(rates, most)
    for move in moves:
        if move == "send":
            assert all(1 <= wanted <= most for wanted in world.send(60))
        elif move == "refused":
            most = max(1, min(most, world.pace.wanted))
            world.pace.refused(most)
        else:
            world.pace.postponed(world.pace.wanted)
        assert 1 <= world.pace.wanted <= most


@pytest.mark.parametrize("size", [0, 50_000_000])
def test_size_does_not_matter(size: int) -> None:
    world = World([50, 95], 2)
    for left in range(400, -1, -1):
        world.now += 1 / world.rates[world.pace.wanted - 1]
        world.pace.stored(size, left)
    assert world.pace.wanted == 2
