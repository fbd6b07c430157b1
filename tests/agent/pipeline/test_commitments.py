"""Storage commitment of a delivery: what a peer may answer, and what becomes of the study."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest

from agent.custody.commitments import requests_taken
from agent.custody.deliveries import claim_delivery, delivery
from agent.custody.records import DeliveryRecord
from agent.pipeline.commitments import (
    MOST_REQUESTS,
    MOST_UNANSWERED,
    ask_overdue,
    next_overdue,
    take_commitment,
)
from agent.pipeline.deliver import cancel_delivery
from agent.pipeline.deliver import send as attempt
from agent.pipeline.schedule import _issue_owed
from exchange.domain.delivery import InstanceState
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import DeliveryState
from exchange.domain.notices import CommitmentReport
from tests.agent.pipeline.house import House
from tests.agent.pipeline.partner import detail, partner_house, receipt
from tests.support.committing_scp import CommittingScp, Report, Request, commit_all, say_nothing
from tests.support.small_studies import make_study

MakeHouse = Callable[..., House]
COMMITTED, SENT = InstanceState.COMMITTED, InstanceState.SENT


@pytest.fixture
def scp() -> Iterator[CommittingScp]:
    with CommittingScp() as running:
        yield running


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that says nothing is not waited for on its association."""
    monkeypatch.setattr("exchange.destinations.dicom.REPORT_SECONDS", 0.05)


def send(house: House, study: int = 1, count: int = 3) -> list[str]:
    house.arrive(make_study(study, count), "PARTNER")
    house.settle()
    house.process()
    return house.deliver()


def only(house: House) -> DeliveryRecord:
    (found,) = detail(house).deliveries
    return found


def states(house: House) -> list[InstanceState]:
    return [one.state for one in detail(house).effects]


def report_later(house: House, scp: CommittingScp, answer: Callable[[Request], Sequence[Report]]) -> None:
    """As if the peer had called our listener."""
    for report in answer(scp.requests[-1]):
        failed = {uid: reason for (_, uid), reason in report.failed.items()}
        committed = tuple(uid for _, uid in report.committed)
        take_commitment(house.appliance, CommitmentReport(report.transaction_uid, committed, failed))
    _issue_owed(house.appliance)


def test_a_peer_that_commits_at_once(make_house: MakeHouse, scp: CommittingScp) -> None:
    house = partner_house(make_house, scp.port)
    assert send(house) == [DeliveryState.COMMITTED]
    assert states(house) == [COMMITTED] * 3
    assert detail(house).exchange.state == "closed"
    second = receipt(house, "R2")
    assert second["id"]["stage"] == "committed"
    assert second["delivery"]["storageCommitment"] == "committed"
    assert second["completeness"]["sent"] == 3
    assert len(scp.requests) == 1
    assert scp.replies == [0x0000]


@pytest.mark.usefixtures("short_wait")
def test_a_peer_that_reports_later_on_an_association_of_its_own(
    make_house: MakeHouse, scp: CommittingScp
) -> None:
    scp.answer = say_nothing
    house = partner_house(make_house, scp.port)
    assert send(house) == [DeliveryState.COMMITTING]
    assert states(house) == [SENT] * 3
    assert [one.slot for one in detail(house).receipts] == ["R1", "R1"]
    assert next_overdue(house.appliance) is not None
    report_later(house, scp, commit_all)
    assert only(house).state is DeliveryState.COMMITTED
    assert receipt(house, "R2")["id"]["stage"] == "committed"
    assert detail(house).exchange.state == "closed"
    report_later(house, scp, commit_all)  # a duplicate
    assert [one.slot for one in detail(house).receipts] == ["R1", "R1", "R2", "R2", "R3", "R3"]


@dataclass(frozen=True)
class Mode:
    """A peer without storage commitment, or told not to be asked."""

    settings: str
    offers: bool
    state: DeliveryState
    code: str
    said: str = ""


MODES = [
    Mode("", False, DeliveryState.FORWARDED, "", "not offered"),
    Mode(', commitment: "off"', True, DeliveryState.FORWARDED, "", "not requested"),
    Mode(', commitment: "off"', False, DeliveryState.FORWARDED, "", "not requested"),
    Mode(", commitment: require", False, DeliveryState.WAITING, "commitment-not-offered"),
    Mode(", commitment: require", True, DeliveryState.COMMITTED, "", "committed"),
]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: f"{mode.settings or 'auto'}, offers {mode.offers}")
def test_what_the_site_file_asks_for(mode: Mode, make_house: MakeHouse) -> None:
    with CommittingScp(offers=mode.offers) as scp:
        house = partner_house(make_house, scp.port, mode.settings)
        assert send(house) == [mode.state]
        assert only(house).last_error_code == mode.code
        asked = mode.offers and "off" not in mode.settings
        assert len(scp.requests) == int(asked)
        if mode.said:
            assert receipt(house, "R2")["delivery"]["storageCommitment"] == mode.said
        else:
            # Sent once, and not again while the peer is asked for what it lacks.
            house.wait(hours=1)
            assert house.deliver() == [mode.state]
            assert {len(comings) for comings in scp.received.values()} == {1}


def test_what_the_peer_lost_is_sent_again_and_only_that(make_house: MakeHouse, scp: CommittingScp) -> None:
    def lose_one(request: Request) -> list[Report]:
        failed = {request.instances[0]: 0x0112}
        return [Report(request.transaction_uid, request.instances[1:], failed)]

    scp.answer = lose_one
    house = partner_house(make_house, scp.port)
    assert send(house) == [DeliveryState.WAITING]
    lost = scp.requests[0].uids[0]
    assert only(house).last_error_code == "commitment-failed"
    scp.answer = commit_all
    assert house.deliver() == [DeliveryState.COMMITTED]
    comings = {uid: len(found) for uid, found in scp.received.items()}
    assert comings.pop(lost) == 2
    assert set(comings.values()) == {1}
    assert scp.requests[1].uids == [lost]
    assert scp.requests[1].transaction_uid != scp.requests[0].transaction_uid
    assert len(set(scp.received[lost])) == 1  # the same bytes


def test_a_reason_that_will_not_change_is_a_refusal(make_house: MakeHouse, scp: CommittingScp) -> None:
    scp.answer = lambda request: [
        Report(request.transaction_uid, request.instances[1:], {request.instances[0]: 0x0122})
    ]
    house = partner_house(make_house, scp.port)
    assert send(house) == [DeliveryState.REJECTED]
    second = receipt(house, "R2")
    assert second["id"]["stage"] == "rejected"
    assert second["delivery"]["storageCommitment"] == "refused"
    assert {one["status"]: one["count"] for one in second["delivery"]["responses"]} == {
        "0x0000": 2,
        "0x0122": 1,
    }


def test_a_peer_that_keeps_losing_an_instance_is_not_sent_it_for_ever(
    make_house: MakeHouse, scp: CommittingScp
) -> None:
    scp.answer = lambda request: [
        Report(request.transaction_uid, (), dict.fromkeys(request.instances, 0x0112))
    ]
    house = partner_house(make_house, scp.port)
    outcomes = send(house, count=1)
    while outcomes == [DeliveryState.WAITING]:
        assert len(scp.requests) < MOST_REQUESTS
        outcomes = house.deliver()
    assert outcomes == [DeliveryState.REJECTED]
    assert len(scp.requests) == MOST_REQUESTS


@pytest.mark.usefixtures("short_wait")
def test_a_peer_that_never_answers_is_asked_again_and_then_said_so(
    make_house: MakeHouse, scp: CommittingScp
) -> None:
    scp.answer = say_nothing
    house = partner_house(make_house, scp.port, ", commitment_minutes: 10")
    assert send(house) == [DeliveryState.COMMITTING]
    house.wait(minutes=9)
    assert ask_overdue(house.appliance) == 0
    assert house.deliver() == []
    house.wait(minutes=2)
    assert ask_overdue(house.appliance) == 1
    assert only(house).last_error_code == "commitment-not-answered"
    assert house.deliver() == [DeliveryState.COMMITTING]
    house.wait(minutes=11)
    assert ask_overdue(house.appliance) == 0  # each time it is given longer
    house.wait(days=2)
    ask_overdue(house.appliance)
    assert house.deliver() == [DeliveryState.FORWARDED]
    assert receipt(house, "R2")["delivery"]["storageCommitment"] == "not answered"
    assert len({one.transaction_uid for one in scp.requests}) == MOST_UNANSWERED
    assert {len(comings) for comings in scp.received.values()} == {1}


@pytest.mark.usefixtures("short_wait")
def test_required_is_never_forwarded_without(make_house: MakeHouse, scp: CommittingScp) -> None:
    scp.answer = say_nothing
    house = partner_house(make_house, scp.port, ", commitment: require")
    send(house)
    for _ in range(MOST_REQUESTS + 2):
        house.wait(days=2)
        ask_overdue(house.appliance)
        assert house.deliver() == [DeliveryState.COMMITTING]
    scp.answer = commit_all
    house.wait(days=2)
    ask_overdue(house.appliance)
    assert house.deliver() == [DeliveryState.COMMITTED]


@pytest.mark.usefixtures("short_wait")
def test_a_late_answer_to_an_earlier_request_counts(make_house: MakeHouse, scp: CommittingScp) -> None:
    scp.answer = say_nothing
    house = partner_house(make_house, scp.port)
    send(house)
    house.wait(days=2)
    ask_overdue(house.appliance)
    house.deliver()
    earlier = scp.requests[0]
    # A failure in a transaction that was given up changes nothing, a commitment does.
    failed = dict.fromkeys(earlier.uids, 0x0112)
    take_commitment(house.appliance, CommitmentReport(earlier.transaction_uid, (), failed))
    assert only(house).state is DeliveryState.COMMITTING
    take_commitment(house.appliance, CommitmentReport(earlier.transaction_uid, tuple(earlier.uids), {}))
    assert only(house).state is DeliveryState.COMMITTED


@pytest.mark.usefixtures("short_wait")
def test_an_answer_for_a_part_is_kept_and_the_rest_asked_for(
    make_house: MakeHouse, scp: CommittingScp
) -> None:
    scp.answer = say_nothing
    house = partner_house(make_house, scp.port)
    send(house)
    report_later(house, scp, lambda request: [Report(request.transaction_uid, request.instances[:1])])
    assert sorted(states(house)) == sorted([COMMITTED, SENT, SENT])
    assert only(house).state is DeliveryState.COMMITTING
    house.wait(days=2)
    ask_overdue(house.appliance)
    scp.answer = commit_all
    assert house.deliver() == [DeliveryState.COMMITTED]
    assert scp.requests[1].uids == scp.requests[0].uids[1:]


def test_a_transaction_that_is_not_ours_is_refused(make_house: MakeHouse, scp: CommittingScp) -> None:
    scp.answer = lambda request: [Report("2.25.4711", request.instances)]
    house = partner_house(make_house, scp.port)
    assert send(house) == [DeliveryState.COMMITTING]
    assert states(house) == [SENT] * 3
    with pytest.raises(CustodyError, match="not one of ours"):  # nor over our listener
        take_commitment(house.appliance, CommitmentReport("2.25.4711", tuple(scp.requests[0].uids), {}))
    scp.join()
    assert scp.replies == [0x0110]


@pytest.mark.usefixtures("short_wait")
def test_killed_between_the_request_and_its_note_it_asks_anew(
    make_house: MakeHouse, scp: CommittingScp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request is out, the process dies: both the old answer and a new request lead to the end."""
    scp.answer = say_nothing
    house = partner_house(make_house, scp.port)

    class KilledError(BaseException):
        pass

    def die(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as context:
        context.setattr("agent.pipeline.commitments.await_answer", die)
        with pytest.raises(KilledError):
            send(house)
    found = only(house)
    assert found.state is DeliveryState.ACTIVE
    assert found.commitment_uid == scp.requests[0].transaction_uid
    # The daemon takes up the same attempt; nothing is sent again.
    assert attempt(house.appliance, found.delivery_id, found.attempts) == DeliveryState.COMMITTING
    assert {len(comings) for comings in scp.received.values()} == {1}
    first = scp.requests[0]
    take_commitment(house.appliance, CommitmentReport(first.transaction_uid, tuple(first.uids), {}))
    assert only(house).state is DeliveryState.COMMITTED


@pytest.mark.usefixtures("short_wait")
def test_a_peer_that_is_away_when_asked_is_asked_soon(make_house: MakeHouse) -> None:
    with CommittingScp(say_nothing) as scp:
        scp.status = 0x0213
        house = partner_house(make_house, scp.port, ", commitment_minutes: 600")
        assert send(house) == [DeliveryState.COMMITTING]
        assert requests_taken(house.appliance.custody, only(house).delivery_id) == 1
        port = scp.port
    for _ in range(MOST_REQUESTS + 2):  # unreachable: not counted as unanswered
        house.wait(minutes=30)
        assert ask_overdue(house.appliance) == 1
        assert house.deliver() == [DeliveryState.COMMITTING]
    with CommittingScp(port=port) as scp:
        house.wait(minutes=30)
        ask_overdue(house.appliance)
        assert house.deliver() == [DeliveryState.COMMITTED]


@pytest.mark.usefixtures("short_wait")
@pytest.mark.parametrize(("settings", "end"), [("", "forwarded"), (", commitment: require", "rejected")])
def test_a_person_need_not_wait(settings: str, end: str, make_house: MakeHouse, scp: CommittingScp) -> None:
    scp.answer = say_nothing
    house = partner_house(make_house, scp.port, settings)
    send(house)
    cancel_delivery(house.appliance, only(house))
    assert only(house).state == end
    claimed = delivery(house.appliance.custody, only(house).delivery_id)
    with pytest.raises(CustodyError):
        claim_delivery(house.appliance.custody, claimed.delivery_id, claimed.attempts + 1)
