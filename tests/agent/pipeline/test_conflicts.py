"""Other bytes under one SOP Instance UID: both kept, what differs told by name, and the route decides."""

from pydicom import Dataset

from agent.custody.arrivals import members
from agent.custody.attempts import frozen_of
from agent.custody.listings import show_exchange
from agent.custody.records import HoldRecord
from agent.pipeline.decide import Verdict, decide_hold
from exchange.domain.codes import ReasonCode
from exchange.domain.exchange import DecisionKind, DecisionReason, ExchangeState
from exchange.log.reader import read_log
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.house import House
from tests.support.small_studies import make_instance, make_study


def changed(number: int = 0, text: str = "ANOTHER", study: int = 1) -> Dataset:
    other = make_instance(study, number)
    other.SeriesDescription = text
    return other


def holds(house: House) -> tuple[HoldRecord, ...]:
    return show_exchange(house.appliance.custody, house.exchanges()[0].exchange_id).holds


def rules(house: House) -> list[tuple[str | int, str | int]]:
    folder = house.appliance.configuration.site.log_folder
    entries = [entry for entry in read_log(folder) if entry.kind == "instance.conflict"]
    return [(entry.obj["uids"], entry.obj["rule"]) for entry in entries]


def test_a_hold_lists_the_changed_keywords_and_no_value(house: House) -> None:
    other = changed()
    other.PatientName = "Somebody^Else"
    house.arrive([make_instance(1), other])
    house.settle()
    assert house.process() == ["held"]
    (hold,) = holds(house)
    assert hold.code == ReasonCode.UID_CONFLICT
    assert hold.detail == (
        "one SOP Instance UID came with different contents; changed: PatientName, SeriesDescription; "
        "pixel data differ in 0"
    )
    assert rules(house) == [(1, "hold")]


def test_many_conflicts_are_one_hold(house: House) -> None:
    study = make_study(1, 3)
    others = [changed(number) for number in range(3)]
    others[0].PixelData = bytes(len(others[0].PixelData))
    house.arrive([*study, *others])
    house.settle()
    house.process()
    (hold,) = holds(house)
    assert "3 SOP Instance UIDs came with different contents" in hold.detail
    assert hold.detail.endswith("changed: SeriesDescription; pixel data differ in 1")


def test_the_receipt_says_that_the_latest_was_used(make_house: MakeHouse) -> None:
    house = make_house("on_conflict: latest")
    house.arrive([make_instance(1)])
    house.wait(seconds=1)
    house.arrive([changed()])
    house.settle()
    assert house.process() == ["delivering"]
    detail = show_exchange(house.appliance.custody, house.exchanges()[0].exchange_id)
    (found,) = [one for one in detail.findings if one.finding_id == "completeness.uid-conflict-latest"]
    assert "by on_conflict: latest; changed: SeriesDescription" in found.evidence
    assert [one.identity for one in detail.frozen] == [
        members(house.appliance.custody, detail.exchange.exchange_id)[-1].identity
    ]
    assert rules(house) == [(1, "latest")]


def test_the_receipt_says_that_a_person_chose_the_latest(house: House) -> None:
    house.arrive([make_instance(1), changed()])
    house.settle()
    house.process()
    verdict = Verdict(DecisionKind.RELEASE, "sam", "root", DecisionReason.FALSE_ALARM)
    decide_hold(house.appliance, holds(house)[0].hold_id, verdict)
    assert house.process() == ["delivering"]
    detail = show_exchange(house.appliance.custody, house.exchanges()[0].exchange_id)
    assert any("by a person" in one.evidence for one in detail.findings)


def test_what_has_left_under_the_uid_is_compared_too(make_house: MakeHouse) -> None:
    house = make_house("on_conflict: latest")
    house.through([make_instance(1)])
    house.wait(seconds=1)
    held = house.through([changed()])
    assert held.state is ExchangeState.HELD
    (hold,) = holds(house)
    assert hold.code == ReasonCode.POLICY
    assert "other bytes have left under one SOP Instance UID" in hold.detail
    assert "changed: SeriesDescription" in hold.detail


def test_a_resend_of_a_decided_conflict_is_not_decided_again(house: House) -> None:
    house.arrive([make_instance(1)])
    house.wait(seconds=1)
    house.arrive([changed()])
    house.settle()
    house.process()
    verdict = Verdict(DecisionKind.RELEASE, "sam", "root", DecisionReason.FALSE_ALARM)
    decide_hold(house.appliance, holds(house)[0].hold_id, verdict)
    house.process()
    house.deliver()
    first = house.exchanges()[0]
    house.wait(seconds=1)
    again = house.through([changed(), make_instance(1)])  # now the other way round
    assert again.state is ExchangeState.CLOSED
    assert again.resend_of == first.exchange_id
    custody = house.appliance.custody
    assert [one.sha256 for one in frozen_of(custody, again.exchange_id)] == [
        one.sha256 for one in frozen_of(custody, first.exchange_id)
    ]


def test_an_old_content_that_never_left_does_not_replace_what_has(make_house: MakeHouse) -> None:
    house = make_house("on_conflict: latest")
    house.arrive([make_instance(1)])
    house.wait(seconds=1)
    house.arrive([changed()])
    house.settle()
    house.process()
    house.deliver()
    house.wait(seconds=1)
    again = house.through([make_instance(1)])
    assert again.state is ExchangeState.HELD
    assert holds(house)[0].code == ReasonCode.POLICY


def test_a_later_content_does_not_take_an_exchange_its_instance(make_house: MakeHouse) -> None:
    """What arrives while an exchange waits to be processed belongs to the next one."""
    house = make_house("on_conflict: latest")
    house.arrive([make_instance(1)])
    house.settle()
    first = house.exchanges()[0]
    house.wait(seconds=1)
    house.arrive([changed()])
    assert house.process() == ["delivering"]
    assert len(frozen_of(house.appliance.custody, first.exchange_id)) == 1
    house.settle()
    assert house.process() == ["held"]


def test_what_was_deleted_cannot_be_compared(make_house: MakeHouse) -> None:
    house = make_house("on_conflict: latest")
    one = house.through([make_instance(1)])
    (member,) = members(house.appliance.custody, one.exchange_id)
    house.appliance.spool.delete(member.identity)
    house.wait(seconds=1)
    house.through([changed()])
    assert "they cannot be compared any more" in holds(house)[0].detail


def test_another_title_is_another_group(house: House) -> None:
    house.through([make_instance(1)])
    house.arrive([changed()], called_ae="NOBODY")
    house.wait(seconds=20)
    house.settle()
    assert [one.code for one in holds(house)] == [ReasonCode.UNROUTED]
