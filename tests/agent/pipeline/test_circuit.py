"""The circuit breaker: a pure machine, then in an appliance with its log and its waiting deliveries."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from agent.custody.circuits import peer_health
from agent.custody.records import PeerHealth
from agent.pipeline.circuit import (
    CLOSED,
    OPEN,
    Rules,
    after,
    is_open,
    is_probing,
    new_health,
    note_attempt,
    retried,
    retry_peer,
    rules_for,
    shown,
)
from agent.pipeline.schedule import PEER_SLOTS, peer_slots
from exchange.log.reader import read_log
from tests.agent.pipeline.house import House

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RULES = Rules(failures=3, first=timedelta(seconds=5), most=timedelta(seconds=60))


def failed(health: PeerHealth, now: datetime) -> PeerHealth:
    return after(health, False, "unreachable", now, RULES)


def test_it_opens_after_three_in_a_row_and_the_pause_doubles_up_to_its_bound() -> None:
    health, now, pauses = new_health("peer", NOW), NOW, []
    for _ in range(2):
        health = failed(health, now)
        assert shown(health, now) == CLOSED
    for _ in range(6):
        health = failed(health, now)
        assert health.open_until is not None
        pauses.append((health.open_until - now).total_seconds())
        assert is_open(health, now)
        now = health.open_until
        assert (shown(health, now), is_probing(health, now)) == ("half-open", True)
    assert pauses == [5, 10, 20, 40, 60, 60]
    closed = after(health, True, "", now, RULES)
    assert (closed.state, closed.failures, closed.trips, closed.open_until) == (CLOSED, 0, 0, None)
    assert closed.last_success_at == now


def test_an_attempt_that_had_begun_before_it_opened_does_not_prolong_the_pause() -> None:
    health = new_health("peer", NOW)
    for _ in range(3):
        health = failed(health, NOW)
    late = failed(health, NOW + timedelta(seconds=1))
    assert (late.open_until, late.trips) == (health.open_until, 1)


def test_a_peer_that_always_answers_costs_no_write_at_each_attempt() -> None:
    first = after(new_health("peer", NOW), True, "", NOW, RULES)
    assert after(first, True, "", NOW + timedelta(seconds=30), RULES) is first
    assert after(first, True, "", NOW + timedelta(seconds=90), RULES) != first


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 200)), max_size=60))
def test_whatever_happens_it_never_stays_open_without_end_and_one_success_closes_it(
    happened: list[tuple[bool, int]],
) -> None:
    health, now, in_a_row = new_health("peer", NOW), NOW, 0
    for reachable, seconds in happened:
        now += timedelta(seconds=seconds)
        health = after(health, reachable, "", now, RULES)
        in_a_row = 0 if reachable else in_a_row + 1
        assert (health.state == OPEN) == (in_a_row >= RULES.failures)
        assert health.failures == in_a_row
        if health.state == OPEN:
            assert health.open_until is not None
            assert timedelta(0) <= health.open_until - now <= RULES.most or not is_open(health, now)
            assert is_probing(retried(health, now), now), "a person may always have it tried"


def test_slots_of_a_peer() -> None:
    opened = new_health("peer", NOW)
    for _ in range(3):
        opened = failed(opened, NOW)
    later = NOW + timedelta(minutes=1)
    assert peer_slots(None, 0, 100, NOW) == PEER_SLOTS
    assert peer_slots(None, PEER_SLOTS, 100, NOW) == 0
    assert peer_slots(None, 0, 0, NOW) == 1, "the first of a peer never waits for other peers"
    assert peer_slots(None, 1, 0, NOW) == 0
    assert peer_slots(opened, 0, 100, NOW) == 0
    assert peer_slots(opened, 0, 100, later) == 1
    assert peer_slots(opened, 1, 100, later) == 0, "one probe, not two"


def test_it_is_kept_logged_and_counted(house: House) -> None:
    appliance = house.appliance
    for _ in range(3):
        note_attempt(appliance, "outgoing", False, "unreachable")
    health = peer_health(appliance.custody)["outgoing"]
    assert (health.state, health.failures, health.last_error_code) == (OPEN, 3, "unreachable")
    retry_peer(appliance, "outgoing")
    assert shown(peer_health(appliance.custody)["outgoing"], house.now) == "half-open"
    note_attempt(appliance, "outgoing", True, "")
    assert shown(peer_health(appliance.custody)["outgoing"], house.now) == CLOSED
    kinds = [entry.kind for entry in read_log(appliance.configuration.site.log_folder)]
    assert [kind for kind in kinds if kind.startswith("degraded")] == ["degraded.enter", "degraded.leave"]
    assert (
        appliance.metrics.registry.get_sample_value("lockgate_circuit_openings_total", {"peer": "outgoing"})
        == 1
    )


def test_the_pauses_follow_the_routes_retry(house: House) -> None:
    rules = rules_for(house.appliance.configuration, "outgoing")
    assert (rules.first, rules.most) == (timedelta(seconds=5), timedelta(seconds=600))
    assert rules_for(house.appliance.configuration, "nobody") == Rules()
