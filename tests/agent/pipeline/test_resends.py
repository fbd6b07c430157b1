"""What came before comes again: delivered again, only recorded, or joined to what is at it; never silent."""

import json
import zipfile
from dataclasses import replace
from typing import Any

import pytest

from agent.custody.arrivals import members
from agent.custody.attempts import frozen_of
from agent.custody.listings import exchange, show_exchange
from agent.custody.records import ExchangeRecord
from agent.pipeline.choosing import made_otherwise
from agent.pipeline.decide import Verdict, decide_hold
from agent.pipeline.earlier import Earlier
from agent.pipeline.retire import retire_due
from exchange.domain.exchange import DecisionKind, DecisionReason, ExchangeState
from exchange.log.reader import read_log
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.house import House
from tests.support.small_studies import make_instance, make_study

R3_ONLY = [("R3", "partner"), ("R3", "site")]


def slots(house: House, exchange_id: str) -> list[tuple[str, str]]:
    receipts = show_exchange(house.appliance.custody, exchange_id).receipts
    return sorted((one.slot, one.edition) for one in receipts)


def resent(house: House) -> list[dict[str, Any]]:
    folder = house.appliance.configuration.site.log_folder
    return [dict(entry.obj) for entry in read_log(folder) if entry.kind == "exchange.resent"]


def arrived(house: House, *numbers: int, study: int = 1) -> ExchangeRecord:
    """Instances of a study, settled; the newest exchange."""
    house.wait(seconds=1)
    house.arrive([make_instance(study, number) for number in numbers])
    house.settle()
    return house.exchanges()[0]


def last_receipt(house: House, exchange_id: str) -> dict[str, Any]:
    for one in show_exchange(house.appliance.custody, exchange_id).receipts:
        if (one.slot, one.edition) == ("R3", "partner"):
            with zipfile.ZipFile(house.appliance.folders.state / one.path) as bundle:
                found: dict[str, Any] = json.loads(bundle.read("receipt.json"))["predicate"]
                return found
    raise AssertionError("no R3")


@pytest.mark.parametrize("numbers", [(0, 1), (1,)], ids=["complete", "partial"])
def test_a_resend_leaves_again_as_the_frozen_bytes(house: House, numbers: tuple[int, ...]) -> None:
    first = house.through(make_study(1))
    again = arrived(house, *numbers)
    assert again.resend_of == first.exchange_id
    assert house.process() == ["delivering"]
    house.deliver()
    custody = house.appliance.custody
    frozen = {one.identity: one.sha256 for one in frozen_of(custody, first.exchange_id)}
    second = {one.identity: one.sha256 for one in frozen_of(custody, again.exchange_id)}
    assert second.items() <= frozen.items()
    assert len(second) == len(numbers)
    assert exchange(custody, again.exchange_id).state is ExchangeState.CLOSED
    assert {slot for slot, _ in slots(house, again.exchange_id)} == {"R1", "R2", "R3"}
    (told,) = resent(house)
    assert told == {
        "exchange": again.exchange_id, "of": first.exchange_id, "what": "redelivered",
        "instances": len(numbers), "joined": 0,
    }  # fmt: skip
    found = {one.finding_id for one in show_exchange(custody, again.exchange_id).findings}
    assert "completeness.resend" in found


def test_a_resend_of_late_instances_and_the_rest_is_a_resend_too(house: House) -> None:
    house.through([make_instance(1, 0)])
    late = arrived(house, 1)
    house.process()
    house.deliver()
    again = arrived(house, 0, 1)
    assert again.resend_of == late.exchange_id
    assert house.process() == ["delivering"]


def test_a_resend_with_something_new_is_none(house: House) -> None:
    house.through([make_instance(1, 0)])
    more = arrived(house, 0, 1)
    assert more.resend_of is None
    assert house.process() == ["delivering"]


@pytest.mark.parametrize("numbers", [(0, 1), (1,)], ids=["complete", "partial"])
def test_where_resends_are_ignored_one_is_recorded_and_closed(
    make_house: MakeHouse, numbers: tuple[int, ...]
) -> None:
    house = make_house("on_resend: ignore")
    first = house.through(make_study(1))
    again = arrived(house, *numbers)
    assert (again.state, again.error_code) == (ExchangeState.CLOSED, "ignored-resend")
    assert again.resend_of == first.exchange_id
    assert again.instance_count == len(numbers)
    assert (house.process(), house.deliver()) == ([], [])
    assert slots(house, again.exchange_id) == R3_ONLY
    assert last_receipt(house, again.exchange_id)["policy"]["decision"] == "ignored-resend"
    assert [told["what"] for told in resent(house)] == ["ignored-resend"]
    third = arrived(house, *numbers)
    assert third.resend_of == first.exchange_id


def test_what_is_new_is_delivered_where_resends_are_ignored(make_house: MakeHouse) -> None:
    house = make_house("on_resend: ignore")
    house.through([make_instance(1, 0)])
    arrived(house, 0)
    late = arrived(house, 1)
    assert house.process() == ["delivering"]
    house.deliver()
    assert len(house.delivered()) == 2
    assert late.follows == house.exchanges()[-1].exchange_id


def test_a_resend_while_it_arrives_is_one_more_arrival(house: House) -> None:
    house.arrive(make_study(1))
    house.wait(seconds=1)
    house.arrive(make_study(1))
    (one,) = house.settle()
    assert one.instance_count == 2
    assert one.resend_of is None


@pytest.mark.parametrize("stage", ["settled", "delivering", "held"])
def test_a_resend_of_what_is_under_way_joins_it(make_house: MakeHouse, stage: str) -> None:
    house = make_house("protocol: {on_flag: hold}" if stage == "held" else "")
    if stage == "delivering":
        (house.folder / "outgoing").rmdir()  # the share is not mounted
    study = make_study(1)
    if stage == "held":
        for number, ds in enumerate(study):
            ds.PatientID = f"OTHER-{number}"  # two patients in one study
    house.arrive(study)
    house.settle()
    if stage != "settled":
        house.process()
        house.deliver()
    first = house.exchanges()[0]
    assert first.state.value == stage
    house.wait(seconds=1)
    house.arrive(study)
    house.settle()
    again = house.exchanges()[0]
    assert (again.state, again.error_code) == (ExchangeState.CLOSED, "joined")
    assert (again.resend_of, again.instance_count) == (first.exchange_id, 0)
    assert again.evidence["joined"] == {"to": first.exchange_id, "count": 2}
    assert slots(house, again.exchange_id) == R3_ONLY
    assert [told["what"] for told in resent(house)] == ["joined"]
    assert len([one for one in house.exchanges() if one.state is not ExchangeState.CLOSED]) == 1


def test_of_a_resend_with_something_new_only_the_new_is_processed_while_the_first_is_under_way(
    house: House,
) -> None:
    """Both being cleaned at once could give one instance two contents."""
    house.arrive([make_instance(1, 0)])
    house.settle()
    more = arrived(house, 0, 1)
    assert (more.instance_count, more.evidence["joined"]["count"]) == (1, 1)
    assert more.byte_count == members(house.appliance.custody, more.exchange_id)[0].byte_count
    assert sorted(house.process()) == ["delivering", "delivering"]
    house.deliver()
    assert len(house.delivered()) == 2
    assert [told["what"] for told in resent(house)] == ["trimmed"]


def test_what_was_joined_does_not_break_the_chain_of_late_instances(house: House) -> None:
    house.arrive([make_instance(1, 0)])
    house.settle()
    first = house.exchanges()[0]
    arrived(house, 0)
    house.process()
    house.deliver()
    late = arrived(house, 1)
    assert late.follows == first.exchange_id


def test_what_a_person_rejected_is_looked_at_again(house: House) -> None:
    study = make_study(1)
    for number, ds in enumerate(study):
        ds.PatientID = f"OTHER-{number}"
    house.arrive(study)
    house.settle()
    house.process()
    for hold in show_exchange(house.appliance.custody, house.exchanges()[0].exchange_id).holds[:1]:
        verdict = Verdict(DecisionKind.REJECT, "sam", "root", DecisionReason.OTHER)
        decide_hold(house.appliance, hold.hold_id, verdict)
    house.wait(seconds=1)
    house.arrive(study)
    house.settle()
    assert house.exchanges()[0].resend_of is None
    assert house.process() == ["held"]


def test_an_unrouted_study_that_comes_again_is_held_once(house: House) -> None:
    for _ in range(3):
        house.wait(seconds=1)
        house.arrive(make_study(1), called_ae="NOBODY")
        house.wait(seconds=25)
        house.settle()
    states = [one.state for one in house.exchanges()]
    assert states.count(ExchangeState.HELD) == 1
    assert states.count(ExchangeState.CLOSED) == 2


def test_after_its_retention_a_resend_is_made_anew_as_the_same_bytes(house: House) -> None:
    first = house.through(make_study(1))
    sent = {one.identity: one.sha256 for one in frozen_of(house.appliance.custody, first.exchange_id)}
    house.wait(days=40)
    retire_due(house.appliance)
    house.arrive(make_study(1))
    house.settle()
    assert house.exchanges()[0].resend_of == first.exchange_id
    assert house.process() == ["delivering"]
    again = frozen_of(house.appliance.custody, house.exchanges()[0].exchange_id)
    assert {one.identity: one.sha256 for one in again} == sent


def test_what_would_become_other_bytes_is_held(house: House) -> None:
    one = house.through(make_study(1))
    rows = frozen_of(house.appliance.custody, one.exchange_id)
    route = house.appliance.configuration.routes.named("outgoing")
    left = {row.identity: row for row in rows}
    assert made_otherwise(rows, route, Earlier(left)) == ()
    left[rows[0].identity] = replace(rows[0], sha256="0" * 64)
    (reason,) = made_otherwise(rows, route, Earlier(left))
    assert reason.code == "policy"
    assert reason.detail.startswith("1 instances have left as other bytes")


def test_an_ignored_resend_is_retired_like_any_other(make_house: MakeHouse) -> None:
    house = make_house("on_resend: ignore")
    house.through(make_study(1))
    arrived(house, 0, 1)
    house.wait(days=32)
    retire_due(house.appliance)
    assert {one.state for one in house.exchanges()} == {ExchangeState.RETIRED}
