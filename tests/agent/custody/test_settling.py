"""Evidence, notices and re-sends in custody: what is kept, what is owed, on both databases' terms."""

from datetime import timedelta

import pytest

from agent.custody.arrivals import members
from agent.custody.conflicts import Presence, conflicts, presence
from agent.custody.listings import exchange
from agent.custody.notices import forget_notices, notices_of, record_notice
from agent.custody.receipts import owed_receipts
from agent.custody.records import RouteDecision
from agent.custody.settling import announced, expect
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import Direction, ExchangeState
from exchange.domain.notices import NoticeKind, StudyNotice
from tests.agent.custody.world import START, STUDY, World, digest, route


def ignoring() -> tuple[RouteDecision, ...]:
    return (
        RouteDecision(
            "second-opinion", Direction.OUTBOUND, "default", "second-opinion", digest("c"), on_resend="ignore"
        ),
    )


def notice(notice_id: str = "2.25.1", study: str = STUDY, seconds: float = 0) -> StudyNotice:
    at = START + timedelta(seconds=seconds)
    return StudyNotice(notice_id, NoticeKind.IAN, "", study, (f"{study}.1.a",), "US", "RIS", "", at)


def test_only_open_exchanges_whose_study_is_named_are_announced(world: World) -> None:
    one = world.arrive("a")
    world.arrive("b", study="1.2.4")
    assert announced(world.database) == frozenset()
    record_notice(world.database, notice())
    record_notice(world.database, notice("2.25.2"))
    assert announced(world.database) == {one}
    world.settle(one)
    assert announced(world.database) == frozenset()


def test_notices_of_a_study_come_oldest_first_and_are_forgotten_when_old(world: World) -> None:
    record_notice(world.database, notice("2.25.2", seconds=5))
    record_notice(world.database, notice("2.25.1", seconds=1))
    record_notice(world.database, notice("2.25.3", study="1.2.4"))
    assert [one.notice_id for one in notices_of(world.database, STUDY)] == ["2.25.1", "2.25.2"]
    assert forget_notices(world.database, START + timedelta(seconds=2)) == 2
    assert [one.notice_id for one in notices_of(world.database, STUDY)] == ["2.25.2"]


def test_what_archives_answer_is_kept_by_peer_while_the_exchange_is_open(world: World) -> None:
    one = world.arrive("a")
    expect(world.database, one, {"pacs": {"count": 3}})
    expect(world.database, one, {"archive": {"count": 4}})
    assert exchange(world.database, one).expectation == {"pacs": {"count": 3}, "archive": {"count": 4}}
    world.settle(one)
    expect(world.database, one, {"pacs": {"count": 9}})
    assert exchange(world.database, one).expectation == {}


def test_presence_counts_over_all_exchanges_of_the_study(world: World) -> None:
    world.closed("a", "b")
    late = world.arrive("c")
    named = [f"{STUDY}.1.{name}" for name in "abcd"]
    assert presence(world.database, late, named) == Presence(received=3, missing=1, fresh=True)


def test_a_resend_brings_nothing_fresh(world: World) -> None:
    world.closed("a", "b")
    assert not presence(world.database, world.arrive("a")).fresh


def test_contents_are_in_the_order_of_their_last_coming(world: World) -> None:
    first = world.arrive("a", uid="1.2.3.1.7")
    world.settle(first)
    late = world.arrive("c", uid="1.2.3.1.7")
    (found,) = conflicts(world.database, late)
    assert found.earlier == {digest("a")}
    assert conflicts(world.database, first) == ()


def test_an_ignored_resend_owes_its_last_receipt_until_it_is_written(world: World) -> None:
    """Killed between settling and the receipt, the next start finds it owed."""
    first = world.closed("a", "b")
    again = world.arrive("a", "b")
    (ended,) = world.settle(again, ignoring())
    assert (ended.state, ended.error_code, ended.resend_of) == (
        ExchangeState.DELIVERING, "ignored-resend", first,
    )  # fmt: skip
    assert [(one.exchange_id, one.slot) for one in owed_receipts(world.database)] == [(again, "R3")]
    with pytest.raises(CustodyError):
        world.begin(again)


def test_a_resend_that_is_delivered_names_the_first(world: World) -> None:
    first = world.closed("a", "b")
    (again,) = world.settle(world.arrive("b"))
    assert (again.state, again.resend_of, again.follows) == (ExchangeState.SETTLED, first, first)


def test_a_resend_is_judged_for_each_route_by_itself(world: World) -> None:
    world.closed("a")  # on second-opinion only
    one, also = world.settle(world.arrive("a"), (*ignoring(), route("registry")))
    assert (one.error_code, one.state) == ("ignored-resend", ExchangeState.DELIVERING)
    assert (also.error_code, also.state, also.resend_of) == ("", ExchangeState.SETTLED, None)


def test_what_is_under_way_is_taken_out_of_a_later_exchange(world: World) -> None:
    first = world.settled("a", "b")
    (more,) = world.settle(world.arrive("b", "c"))
    assert [one.identity for one in members(world.database, more.exchange_id)] == [digest("c")]
    assert (more.instance_count, more.byte_count) == (1, 1000)
    assert more.evidence["joined"] == {"to": first.exchange_id, "count": 1}
    assert len(members(world.database, first.exchange_id)) == 2


def test_a_resend_of_an_unfinished_also_does_not_empty_the_other_route(world: World) -> None:
    routes = (route("one"), route("two"))
    one, two = world.settle(world.arrive("a"), routes)
    world.freeze(world.begin(one.exchange_id))
    again_one, again_two = world.settle(world.arrive("a"), routes)
    assert [each.error_code for each in (again_one, again_two)] == ["joined", "joined"]
    assert (again_one.resend_of, again_two.resend_of) == (one.exchange_id, two.exchange_id)
