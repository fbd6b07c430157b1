"""Attempts, tokens, frozen bytes, holds and decisions."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from agent.custody import attempts, holds
from agent.custody.attempts import Cleaned
from agent.custody.database import Database
from agent.custody.listings import exchange, show_exchange
from agent.custody.records import HoldReason
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import DecisionKind, ExchangeState, HoldState
from exchange.domain.findings import Finding, Severity
from tests.agent.custody.world import START, World, decision, digest


def test_an_attempt_is_begun_once_and_found_again(world: World) -> None:
    one = world.settled("a")
    first = attempts.begin_attempt(world.database, one.exchange_id, 1, world.now())
    assert first.workflow_id == f"{one.exchange_id}/1"
    assert attempts.begin_attempt(world.database, one.exchange_id, 1, world.now()) == first
    assert attempts.running_attempt(world.database, one.exchange_id) == first
    for number in (0, 2, 3):
        with pytest.raises(CustodyError, match=r"not the next|it is processing"):
            attempts.begin_attempt(world.database, one.exchange_id, number, world.now())


def test_only_one_thread_gets_a_number(database: Database) -> None:
    world = World(database)
    one = world.settled("a")

    def begin(_: int) -> str:
        return attempts.begin_attempt(database, one.exchange_id, 1, START).token

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(begin, range(8)))) == 1
    assert exchange(database, one.exchange_id).attempt_count == 1


def test_an_open_exchange_cannot_be_processed(world: World) -> None:
    one = world.arrive("a")
    with pytest.raises(CustodyError, match="cannot"):
        world.begin(one)


def test_a_token_ends_with_its_attempt(world: World) -> None:
    first = world.begin(world.settled("a").exchange_id)
    attempts.check_token(world.database, first.exchange_id, first.token)
    back = attempts.abandon_attempt(world.database, first.exchange_id, first.token, "internal", world.now())
    assert (back.state, back.error_code) == (ExchangeState.SETTLED, "internal")
    second = world.begin(first.exchange_id)
    assert second.number == 2
    attempts.check_token(world.database, first.exchange_id, second.token)
    for dead in (first.token, "", "guess"):
        with pytest.raises(CustodyError, match="attempt is over"):
            attempts.check_token(world.database, first.exchange_id, dead)
        with pytest.raises(CustodyError, match="attempt is over"):
            attempts.accept_frozen(world.database, first.exchange_id, dead, world.cleaned(first.exchange_id))
        with pytest.raises(CustodyError, match="attempt is over"):
            world.hold(first.exchange_id, token=dead)


def test_recoveries_are_counted(world: World) -> None:
    first = world.begin(world.settled("a").exchange_id)
    assert [attempts.count_recovery(world.database, first.exchange_id, 1) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(CustodyError, match="cannot find attempt"):
        attempts.count_recovery(world.database, first.exchange_id, 9)


def test_frozen_bytes_are_accepted_whole_and_never_change_once_attested(world: World) -> None:
    attempt = world.begin(world.settled("a", "b").exchange_id)
    rows = world.freeze(attempt)
    assert len(rows) == 2
    assert rows[0].boxes == [{"frame": 0}]
    assert world.freeze(attempt) == rows == attempts.frozen_of(world.database, attempt.exchange_id)
    world.receipt(attempt.exchange_id, "deidentified")
    assert world.freeze(attempt) == rows, "again after a crash"
    cleaned = world.cleaned(attempt.exchange_id)
    first, second = cleaned.instances
    other = replace(cleaned, instances=(replace(first, sha256=digest("x")), second))
    fewer = replace(cleaned, instances=(first,))
    for wrong in (other, fewer):
        with pytest.raises(CustodyError, match="they are attested"):
            attempts.accept_frozen(world.database, attempt.exchange_id, attempt.token, wrong)
    found = exchange(world.database, attempt.exchange_id)
    assert (found.study_uid_sent, found.counts) == ("2.25.9", {"removed": 3})


def test_before_the_first_receipt_a_new_attempt_may_bring_other_bytes(world: World) -> None:
    attempt = world.begin(world.settled("a", "b").exchange_id)
    world.freeze(attempt)
    held = world.hold(attempt.exchange_id, "proof-text", attempt.token)
    holds.decide(world.database, held, decision(DecisionKind.REDACT), world.now())
    second = world.begin(attempt.exchange_id)
    cleaned = world.cleaned(attempt.exchange_id)
    redone = replace(cleaned, instances=(replace(cleaned.instances[0], sha256=digest("redone")),))
    attempts.accept_frozen(world.database, attempt.exchange_id, second.token, redone)
    rows = attempts.frozen_of(world.database, attempt.exchange_id)
    assert [one.sha256 for one in rows] == [digest("redone")]


def test_only_members_are_accepted_and_not_nothing(world: World) -> None:
    attempt = world.begin(world.settled("a").exchange_id)
    cleaned = world.cleaned(attempt.exchange_id)
    stranger = replace(cleaned.instances[0], identity=digest("stranger"), sop_instance_uid="2.25.7")
    with pytest.raises(CustodyError, match="no such instance"):
        attempts.accept_frozen(
            world.database, attempt.exchange_id, attempt.token, replace(cleaned, instances=(stranger,))
        )
    with pytest.raises(CustodyError, match="nothing was cleaned"):
        attempts.accept_frozen(world.database, attempt.exchange_id, attempt.token, Cleaned((), ""))
    assert attempts.frozen_of(world.database, attempt.exchange_id) == ()


def test_one_new_uid_cannot_be_two_instances(world: World) -> None:
    attempt = world.begin(world.settled("a", "b").exchange_id)
    cleaned = world.cleaned(attempt.exchange_id)
    same = tuple(replace(one, sop_instance_uid="2.25.1") for one in cleaned.instances)
    with pytest.raises(CustodyError, match="contradicts"):
        attempts.accept_frozen(
            world.database, attempt.exchange_id, attempt.token, replace(cleaned, instances=same)
        )


def test_findings_are_kept_with_the_bytes(world: World) -> None:
    attempt = world.begin(world.settled("a").exchange_id)
    seen = (Finding("quality.gap", Severity.FLAG, "3 slices"), Finding("quality.note", Severity.NOTE, ""))
    cleaned = replace(world.cleaned(attempt.exchange_id), findings=seen)
    for _ in range(2):
        attempts.accept_frozen(world.database, attempt.exchange_id, attempt.token, cleaned)
    assert show_exchange(world.database, attempt.exchange_id).findings == seen


def test_a_hold_ends_the_attempt_and_a_release_allows_the_next(world: World) -> None:
    attempt = world.begin(world.settled("a").exchange_id)
    held = world.hold(attempt.exchange_id, "proof-text", attempt.token, "frame 3: 1,2,3,4")
    assert exchange(world.database, attempt.exchange_id).state is ExchangeState.HELD
    assert world.hold(attempt.exchange_id, "proof-text", attempt.token) == held, "again after a crash"
    with pytest.raises(CustodyError, match="it is held"):
        attempts.check_token(world.database, attempt.exchange_id, attempt.token)
    after = holds.decide(world.database, held, decision(), world.now())
    assert (after.state, after.error_code) == (ExchangeState.SETTLED, "")
    (said,) = holds.decisions_of(world.database, attempt.exchange_id)
    assert (said.kind, said.code, said.path, said.by_asserted, said.reason_text) == (
        DecisionKind.RELEASE, "proof-text", "frame 3: 1,2,3,4", "Dr. Who", "looked at it",
    )  # fmt: skip
    assert "looked at it" not in repr(said)
    assert world.begin(attempt.exchange_id).number == 2


def test_every_hold_needs_its_decision(world: World) -> None:
    one = world.settled("a")
    reasons = [
        HoldReason("video", "clean", "1"),
        HoldReason("video", "clean", "2"),
        HoldReason("video", "clean", "1"),
    ]
    first, second = holds.hold(world.database, one.exchange_id, reasons, world.now())
    assert holds.decide(world.database, first.hold_id, decision(), world.now()).state is ExchangeState.HELD
    with pytest.raises(CustodyError, match="decided already"):
        holds.decide(world.database, first.hold_id, decision(), world.now())
    assert (
        holds.decide(world.database, second.hold_id, decision(), world.now()).state is ExchangeState.SETTLED
    )
    assert holds.list_holds(world.database) == ()
    assert len(holds.list_holds(world.database, None, one.exchange_id)) == 2
    assert holds.show_hold(world.database, first.hold_id).state is HoldState.DECIDED


def test_a_rejection_ends_everything(world: World) -> None:
    one = world.settled("a")
    reasons = [HoldReason("video", "clean"), HoldReason("policy", "judge")]
    first, second = holds.hold(world.database, one.exchange_id, reasons, world.now())
    after = holds.decide(world.database, first.hold_id, decision(DecisionKind.REJECT), world.now())
    assert after.state is ExchangeState.REJECTED
    assert after.closed_at is not None
    with pytest.raises(CustodyError, match="decided already"):
        holds.decide(world.database, second.hold_id, decision(), world.now())
    with pytest.raises(CustodyError, match="cannot"):
        world.begin(one.exchange_id)


def test_two_people_cannot_decide_the_same_hold(database: Database) -> None:
    world = World(database)
    held = world.hold(world.settled("a").exchange_id)
    kinds = [DecisionKind.RELEASE, DecisionKind.REJECT] * 3

    def decide(kind: DecisionKind) -> str:
        try:
            return str(holds.decide(database, held, decision(kind), START).state)
        except CustodyError:
            return ""

    with ThreadPoolExecutor(6) as threads:
        said = [one for one in threads.map(decide, kinds) if one]
    assert len(said) == 1
    assert exchange(database, holds.show_hold(database, held).exchange_id).state == said[0]


def test_holds_are_refused_where_nothing_can_be_stopped(world: World) -> None:
    opened = world.arrive("o", study="9")
    closed = world.closed("a")
    for one in (opened, closed, "nowhere"):
        with pytest.raises(CustodyError, match="cannot"):
            world.hold(one)
    with pytest.raises(CustodyError, match="without a reason"):
        holds.hold(world.database, opened, [], world.now())
    with pytest.raises(CustodyError, match="cannot find hold"):
        holds.decide(world.database, "nowhere", decision(), world.now())
