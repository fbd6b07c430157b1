"""Arrivals join exchanges; none is lost, none counts twice."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.custody.arrivals import instance_keys, keep_keys, members, record_arrivals, unindexed
from agent.custody.closing import deletable, erase_key, retire
from agent.custody.conflicts import conflicts
from agent.custody.database import Database
from agent.custody.listings import counts, exchange, list_exchanges
from agent.custody.records import IndexedArrival, InstanceKey, Settlement
from agent.custody.settling import open_exchanges, route_again, settle
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import DecisionKind, ExchangeState
from tests.agent.custody.world import START, World, arrival, decision, digest, route


def test_one_study_is_one_exchange(world: World) -> None:
    first = world.arrive("a", "b")
    assert world.arrive("c") == first
    found = exchange(world.database, first)
    assert (found.state, found.instance_count, found.byte_count) == (ExchangeState.OPEN, 3, 3000)
    assert (found.route, found.source, found.called_ae, found.follows) == (None, "pacs", "TELERAD", None)
    assert [one.sop_instance_uid for one in members(world.database, first)].count("1.2.3.1.a") == 1


def test_the_same_bytes_to_two_aes_are_one_instance_two_arrivals_two_exchanges(world: World) -> None:
    assert world.arrive("a") != world.arrive("a", called_ae="REGISTRY")
    found = counts(world.database)
    assert (found.instances, found.arrivals, found.exchanges[ExchangeState.OPEN]) == (1, 2, 2)


def test_two_sources_are_kept_apart(world: World) -> None:
    assert world.arrive("a") != world.arrive("b", peer="other")


def test_an_arrival_is_known_once(world: World) -> None:
    items = [arrival("a"), arrival("b")]
    first = record_arrivals(world.database, items, world.now())
    assert record_arrivals(world.database, [*items, items[0]], world.now()) == ()
    assert exchange(world.database, first[0]).instance_count == 2
    assert unindexed(world.database, [items[0].instance.arrival.arrival_id, "new"]) == ("new",)


def test_start_up_can_ask_for_thousands(world: World) -> None:
    wanted = [f"{number:032x}" for number in range(2500)]
    assert unindexed(world.database, wanted) == tuple(wanted)


def test_a_resend_into_an_open_exchange_counts_once(world: World) -> None:
    first = world.arrive("a")
    assert world.arrive("a") == first
    found = exchange(world.database, first)
    assert (found.instance_count, found.byte_count) == (1, 1000)


def test_a_late_instance_opens_an_exchange_that_follows(world: World) -> None:
    first = world.settled("a")
    late = world.arrive("b")
    assert late != first.exchange_id
    assert exchange(world.database, late).follows == first.exchange_id
    world.settle(late)
    third = world.arrive("c")
    assert exchange(world.database, third).follows == late


def test_an_unreadable_file_is_a_group_of_its_own(world: World) -> None:
    bad = world.arrive("x", unreadable="truncated")
    assert bad != world.arrive("y", unreadable="truncated")
    assert bad != world.arrive("a")
    (member,) = members(world.database, bad)
    assert member.unreadable_code == "truncated"


def test_other_bytes_under_one_uid_are_both_kept_and_told(world: World) -> None:
    first = world.arrive("a", uid="1.2.3.1.7")
    world.arrive("b")
    assert conflicts(world.database, first) == ()
    assert world.arrive("c", uid="1.2.3.1.7") == first
    (found,) = conflicts(world.database, first)
    assert (found.sop_instance_uid, set(found.identities)) == ("1.2.3.1.7", {digest("a"), digest("c")})


def test_a_late_instance_may_conflict_with_what_has_left(world: World) -> None:
    world.settled("a", uid="1.2.3.1.7")
    late = world.arrive("c", uid="1.2.3.1.7")
    assert len(conflicts(world.database, late)) == 1


def test_an_open_exchange_knows_when_the_last_instance_came_and_settles_once(world: World) -> None:
    one = world.arrive("a")  # at 0 s
    world.arrive("b")  # at 1 s
    (found,) = open_exchanges(world.database)
    assert (found.exchange_id, found.last_arrival_at) == (one, START + timedelta(seconds=1))
    world.settle(one)
    assert open_exchanges(world.database) == ()


def test_settling_puts_it_on_its_route_and_opens_one_per_also(world: World) -> None:
    routes = (route("second-opinion"), route("registry"))
    first, also = world.settle(world.arrive("a", "b"), routes)
    assert (first.state, first.route, first.pseudonym_domain) == (
        ExchangeState.SETTLED, "second-opinion", "second-opinion",
    )  # fmt: skip
    assert (also.state, also.route, also.instance_count) == (ExchangeState.SETTLED, "registry", 2)
    assert first.evidence == {"rule": "quiet-timer", "expected": "unknown"}
    assert {one.identity for one in members(world.database, also.exchange_id)} == {digest("a"), digest("b")}


def test_each_route_is_a_chain_of_its_own(world: World) -> None:
    routes = (route("one"), route("two"))
    one, two = world.settle(world.arrive("a"), routes)
    late_one, late_two = world.settle(world.arrive("b"), routes)
    assert (late_one.follows, late_two.follows) == (one.exchange_id, two.exchange_id)


def test_a_decision_made_before_the_last_arrival_is_void(world: World) -> None:
    one = world.arrive("a")
    seen = Settlement(one, 1, (route(),), {})
    world.arrive("b")
    assert settle(world.database, seen, world.now()) == ()
    assert exchange(world.database, one).state is ExchangeState.OPEN
    assert len(world.settle(one)) == 1
    assert settle(world.database, Settlement(one, 2, (route(),), {}), world.now()) == ()


def test_no_route_is_a_hold_and_a_person_may_have_it_routed_again(world: World) -> None:
    (held,) = world.settle(world.arrive("a"), ())
    assert held.state is ExchangeState.HELD
    from agent.custody.holds import decide, list_holds

    (one,) = list_holds(world.database)
    assert (one.code, one.exchange_id) == ("unrouted", held.exchange_id)
    assert decide(world.database, one.hold_id, decision(DecisionKind.CORRECT), world.now()).state == "settled"
    with pytest.raises(CustodyError, match="no route"):
        world.begin(held.exchange_id)
    (again,) = route_again(world.database, held.exchange_id, (), world.now())
    assert again.state is ExchangeState.HELD
    (one,) = list_holds(world.database)
    decide(world.database, one.hold_id, decision(DecisionKind.CORRECT), world.now())
    (routed,) = route_again(world.database, held.exchange_id, (route(),), world.now())
    assert (routed.state, routed.route) == (ExchangeState.SETTLED, "second-opinion")
    with pytest.raises(CustodyError, match="cannot route"):
        route_again(world.database, held.exchange_id, (route("other"),), world.now())


def test_many_writers_make_one_exchange_and_lose_nothing(url: str, database: Database) -> None:
    items = [arrival(f"i{number}") for number in range(24)]
    batches = [items[start : start + 3] for start in range(0, 24, 3)]
    with ThreadPoolExecutor(8) as threads:
        opened = list(threads.map(lambda batch: record_arrivals(database, batch, START), batches))
    assert len({one for touched in opened for one in touched}) == 1
    (only,) = list_exchanges(database)
    assert only.instance_count == len(members(database, only.exchange_id)) == 24


def test_arrivals_race_the_settling_and_none_is_lost(database: Database) -> None:
    world = World(database)
    world.arrive("first")

    def settle_some(_: int) -> None:
        for one in list_exchanges(database, {ExchangeState.OPEN}):
            wanted = Settlement(one.exchange_id, one.instance_count, (route(),), {})
            settle(database, wanted, START)

    with ThreadPoolExecutor(6) as threads:
        work = [
            threads.submit(record_arrivals, database, [arrival(f"r{number}")], START) for number in range(20)
        ] + [threads.submit(settle_some, number) for number in range(10)]
        for one in work:
            one.result(60)
    exchanges = list_exchanges(database)
    assert sum(one.instance_count for one in exchanges) == 21
    assert sum(one.state is ExchangeState.OPEN for one in exchanges) <= 1
    assert all(one.instance_count > 0 for one in exchanges)


def test_deleted_bytes_that_come_again_are_back(world: World) -> None:
    done = world.closed("a")
    assert deletable(world.database) == ()
    retire(world.database, done)
    assert deletable(world.database) == (digest("a"),)
    assert erase_key(world.database, digest("a"), (), world.now())
    assert deletable(world.database) == ()
    assert counts(world.database).instances == 0
    again = world.arrive("a")
    assert counts(world.database).instances == 1
    assert exchange(world.database, again).follows == done


def test_bytes_that_another_exchange_needs_are_not_deletable(world: World) -> None:
    done = world.closed("a")
    world.arrive("a", called_ae="REGISTRY")
    retire(world.database, done)
    assert deletable(world.database) == ()
    assert not erase_key(world.database, digest("a"), (), world.now())


def keyed(name: str, wrapped_key: bytes) -> IndexedArrival:
    """An arrival that brings the key of a spool file."""
    one = arrival(name)
    return replace(one, instance=replace(one.instance, wrapped_key=wrapped_key))


def key_of(world: World, name: str) -> InstanceKey:
    return instance_keys(world.database, [digest(name)])[digest(name)]


def test_a_row_holds_the_key_of_the_file_that_lies_there_now(world: World) -> None:
    one = keyed("a", b"first")
    record_arrivals(world.database, [one], world.now())
    assert key_of(world, "a") == InstanceKey(b"first", None)
    world.arrive("a")  # a duplicate that brings no key
    assert key_of(world, "a").wrapped_key == b"first"
    record_arrivals(world.database, [one], world.now())
    record_arrivals(world.database, [keyed("a", b"second")], world.now())
    assert key_of(world, "a").wrapped_key == b"second"
    assert "second" not in repr(key_of(world, "a"))
    assert instance_keys(world.database, [digest("unknown")]) == {}


def test_a_key_is_kept_for_a_row_that_has_none(world: World) -> None:
    world.arrive("a")
    keep_keys(world.database, [keyed("a", b"sealed later").instance])
    keep_keys(world.database, [keyed("a", b"not this one").instance])
    assert key_of(world, "a").wrapped_key == b"sealed later"


def test_erasing_takes_the_key_unless_an_arrival_is_not_indexed(world: World) -> None:
    done = world.closed("a")
    came = keyed("a", b"key")
    record_arrivals(world.database, [came], world.now())
    (follow_up,) = (one for one in list_exchanges(world.database) if one.exchange_id != done)
    retire(world.database, done)
    assert not erase_key(world.database, digest("a"), (), world.now())
    assert follow_up.follows == done
    other = world.closed("b")
    keep_keys(world.database, [keyed("b", b"key").instance])
    retire(world.database, other)
    assert not erase_key(world.database, digest("b"), ("not indexed yet",), world.now())
    assert key_of(world, "b").wrapped_key == b"key"
    assert erase_key(world.database, digest("b"), (), world.now())
    assert key_of(world, "b").wrapped_key is None
    assert key_of(world, "b").deleted_at is not None


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["X", "Y"])), min_size=1, max_size=8),
    st.data(),
)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_and_repetition_of_indexing_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, comings: list[tuple[str, str]], data: st.DataObject
) -> None:
    from agent.custody.database import open_database

    items = [arrival(name, called_ae=ae) for name, ae in comings]
    shuffled = data.draw(st.permutations(items + items[: len(items) // 2]))

    def facts(order: list[IndexedArrival]) -> set[tuple[str, int, frozenset[str]]]:
        database = open_database(f"sqlite:///{tmp_path_factory.mktemp('db') / 'c.db'}")
        for one in order:
            record_arrivals(database, [one], START)
        found = {
            (
                each.called_ae,
                each.instance_count,
                frozenset(one.identity for one in members(database, each.exchange_id)),
            )
            for each in list_exchanges(database)
        }
        database.close()
        return found

    assert facts(items) == facts(list(shuffled))
