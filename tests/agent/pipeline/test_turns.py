"""Whose turn it is: urgency first, then shares; nobody waits for ever."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from agent.pipeline.turns import LEAST_COST, Turns


@dataclass(frozen=True)
class One:
    route: str
    priority: int = 0
    byte_count: int = LEAST_COST
    number: int = 0


def queue(route: str, count: int, **how: int) -> list[One]:
    return [One(route, number=number, **how) for number in range(count)]


def drain(turns: Turns, queues: dict[str, list[One]], shares: dict[str, int], rounds: int) -> list[One]:
    """Take one after the other, as slots become free."""
    taken = []
    for _ in range(rounds):
        found = turns.take(queues, shares, 1)
        for one in found:
            queues[one.route].remove(one)
        taken += found
    return taken


def test_a_route_with_ten_thousand_waiting_does_not_starve_another() -> None:
    taken = drain(Turns(), {"flood": queue("flood", 10_000), "quiet": queue("quiet", 5)}, {}, 10)
    assert [one.route for one in taken].count("quiet") == 5
    assert [one.number for one in taken if one.route == "quiet"] == [0, 1, 2, 3, 4], "its own order is kept"


def test_shares_are_kept() -> None:
    queues = {"three": queue("three", 500), "one": queue("one", 500)}
    taken = drain(Turns(), queues, {"three": 3}, 400)
    assert [one.route for one in taken].count("three") == 300


def test_large_studies_pay_more() -> None:
    queues = {"large": queue("large", 100, byte_count=10 * LEAST_COST), "small": queue("small", 100)}
    taken = drain(Turns(), queues, {}, 44)
    assert [one.route for one in taken].count("large") == 4


def test_what_is_urgent_overtakes_whatever_it_has_paid() -> None:
    turns = Turns()
    drain(turns, {"busy": queue("busy", 50)}, {}, 50)
    queues = {"busy": queue("busy", 3, priority=2), "other": queue("other", 3)}
    assert [one.route for one in turns.take(queues, {}, 4)] == ["busy", "busy", "busy", "other"]


def test_whoever_comes_back_neither_catches_up_nor_waits() -> None:
    turns = Turns()
    flood = {"flood": queue("flood", 200)}
    drain(turns, flood, {}, 100)
    taken = drain(turns, {**flood, "late": queue("late", 100)}, {}, 20)
    assert 9 <= [one.route for one in taken].count("late") <= 11


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 5), min_size=2),
    st.lists(st.integers(0, 20 * LEAST_COST), min_size=1, max_size=8),
    st.integers(50, 150),
)
def test_no_route_is_ahead_of_another_by_more_than_one_study(
    shares: dict[str, int], sizes: list[int], rounds: int
) -> None:
    queues = {
        route: [One(route, 0, sizes[number % len(sizes)], number) for number in range(rounds)]
        for route in shares
    }
    paid = dict.fromkeys(shares, 0.0)
    for one in drain(Turns(), queues, shares, rounds):
        paid[one.route] += max(one.byte_count, LEAST_COST) / shares[one.route]
    dearest = max(max(sizes), LEAST_COST)
    assert max(paid.values()) - min(paid.values()) <= dearest / min(shares.values()) + 1e-6


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)), min_size=1, max_size=20), st.integers(1, 20)
)
def test_nothing_less_urgent_is_taken_before_something_more_urgent(
    waiting: list[tuple[str, int]], wanted: int
) -> None:
    queues: dict[str, list[One]] = {}
    for number, (route, priority) in enumerate(waiting):
        queues.setdefault(route, []).append(One(route, priority, LEAST_COST, number))
    for rows in queues.values():
        rows.sort(key=lambda one: -one.priority)
    taken = Turns().take(queues, {}, wanted)
    assert len(taken) == min(wanted, len(waiting))
    assert [one.priority for one in taken] == sorted((p for _, p in waiting), reverse=True)[:wanted]
