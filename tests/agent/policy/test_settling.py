"""When a study counts as having arrived: examples, and what must hold whatever is known."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.policy.settling import IDLE_ASSOCIATION, Outcome, Reply, Rule, Seen, Terms, weigh

LAST = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PLAIN = Terms(timedelta(seconds=20), timedelta(seconds=900))
ASKING = Terms(timedelta(seconds=20), timedelta(seconds=900), ("pacs",))


def after(seconds: float) -> datetime:
    return LAST + timedelta(seconds=seconds)


def counted(count: int, seconds: float = 20, asks: int = 1) -> Reply:
    return Reply("pacs", Outcome.COUNTED, count, after(seconds), asks)


def test_quiet_alone_settles_after_the_quiet_time() -> None:
    seen = Seen(LAST, received=3)
    assert weigh(PLAIN, seen, after(19.9)).look_at == after(20)
    assert weigh(PLAIN, seen, after(20)).rule is Rule.QUIET


def test_the_archive_is_asked_once_quiet_is_over() -> None:
    seen = Seen(LAST, received=3)
    assert weigh(ASKING, seen, after(10)).ask == ()
    assert weigh(ASKING, seen, after(20)).ask == ("pacs",)


def test_the_expected_count_settles() -> None:
    assert weigh(ASKING, Seen(LAST, received=3, replies=(counted(3),)), after(21)).rule is Rule.COUNT


def test_what_is_missing_is_waited_for_and_asked_about_with_longer_and_longer_pauses() -> None:
    seen = Seen(LAST, received=3, replies=(counted(5),))
    verdict = weigh(ASKING, seen, after(21))
    assert (verdict.rule, verdict.ask, verdict.look_at) == (None, (), after(25))
    assert weigh(ASKING, seen, after(25)).ask == ("pacs",)
    again = Seen(LAST, received=3, replies=(counted(5, 25, asks=3),))
    assert weigh(ASKING, again, after(26)).look_at == after(45)
    assert weigh(ASKING, again, after(900)).rule is Rule.LONGEST


@pytest.mark.parametrize("outcome", [Outcome.UNREACHABLE, Outcome.REFUSED, Outcome.NOT_FOUND])
def test_an_archive_that_does_not_count_delays_nothing(outcome: Outcome) -> None:
    seen = Seen(LAST, received=3, replies=(Reply("pacs", outcome, 0, after(20)),))
    assert weigh(ASKING, seen, after(20)).rule is Rule.QUIET
    assert seen.expected is None


def test_after_a_new_arrival_the_archive_is_asked_anew() -> None:
    seen = Seen(after(100), received=4, replies=(counted(3, 20),))
    assert weigh(ASKING, seen, after(120)).ask == ("pacs",)


def test_all_that_a_notice_names_settles_after_a_short_grace() -> None:
    seen = Seen(LAST, received=3, named=3)
    assert weigh(PLAIN, seen, after(1)).rule is None
    assert weigh(PLAIN, seen, after(2)).rule is Rule.REFERENCES


def test_a_resend_of_what_is_named_does_not_settle_early() -> None:
    seen = Seen(LAST, received=3, named=3, fresh=False)
    assert weigh(PLAIN, seen, after(2)).rule is None
    assert weigh(PLAIN, seen, after(20)).rule is Rule.REFERENCES


def test_a_step_in_progress_is_waited_for() -> None:
    seen = Seen(LAST, received=3, named=3, step_open=True)
    assert weigh(PLAIN, seen, after(20)).look_at == after(900)
    assert weigh(PLAIN, seen, after(900)).rule is Rule.LONGEST


def test_contradicting_sources_are_told_and_the_larger_is_waited_for() -> None:
    seen = Seen(LAST, received=4, named=5, missing=1, replies=(counted(4),))
    assert (seen.conflicting, seen.expected, seen.lacking) == (True, 5, 1)
    assert weigh(ASKING, seen, after(30)).rule is None


def test_one_step_of_several_is_no_contradiction() -> None:
    assert not Seen(LAST, received=9, named=4, replies=(counted(9),)).conflicting


def test_an_open_association_of_the_sender_is_waited_for_a_while() -> None:
    seen = Seen(LAST, received=3, sender_connected=True)
    assert weigh(PLAIN, seen, after(20)).look_at == after(20) + IDLE_ASSOCIATION
    assert weigh(PLAIN, seen, after(50)).rule is Rule.QUIET


SECONDS = st.integers(1, 2000)
KNOWN = st.builds(
    Seen,
    last_arrival_at=st.just(LAST),
    received=st.integers(1, 6),
    named=st.none() | st.integers(1, 8),
    missing=st.integers(0, 3),
    step_open=st.booleans(),
    fresh=st.booleans(),
    sender_connected=st.booleans(),
    replies=st.lists(
        st.builds(
            Reply,
            peer=st.sampled_from(["pacs", "archive"]),
            outcome=st.sampled_from(list(Outcome)),
            count=st.integers(0, 8),
            at=SECONDS.map(after),
            asks=st.integers(1, 40),
        ),
        max_size=2,
        unique_by=lambda one: one.peer,
    ).map(tuple),
)
TERMS = st.builds(
    Terms,
    SECONDS.map(lambda s: timedelta(seconds=s)),
    SECONDS.map(lambda s: timedelta(seconds=s)),
    st.sampled_from([(), ("pacs",), ("pacs", "archive")]),
)


@given(TERMS, KNOWN, SECONDS)
def test_a_verdict_says_one_thing_and_never_waits_for_ever(terms: Terms, seen: Seen, seconds: int) -> None:
    now = after(seconds)
    verdict = weigh(terms, seen, now)
    assert [bool(verdict.rule), bool(verdict.ask), verdict.look_at is not None].count(True) == 1
    if verdict.look_at is not None:
        assert now < verdict.look_at <= LAST + max(terms.quiet, terms.longest)
    if verdict.rule is Rule.QUIET:
        assert seen.expected is None  # a timer alone never claims that a number was reached


@given(TERMS, KNOWN)
def test_no_study_waits_longer_than_its_route_allows(terms: Terms, seen: Seen) -> None:
    """Once everybody has been asked, nothing is waited for beyond the longest time."""
    late = LAST + max(terms.quiet, terms.longest)
    verdict = weigh(terms, seen, late)
    unasked = set(terms.queries) - {one.peer for one in seen.replies}
    assert verdict.rule is not None or unasked


@given(TERMS, KNOWN, SECONDS)
def test_what_is_known_to_be_missing_is_never_called_whole(terms: Terms, seen: Seen, seconds: int) -> None:
    verdict = weigh(terms, seen, after(seconds))
    if (seen.lacking or seen.step_open) and verdict.rule is not None:
        assert verdict.rule is Rule.LONGEST
