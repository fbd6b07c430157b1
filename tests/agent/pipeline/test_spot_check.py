"""A route shows some clean studies to a person before they leave; the decision stands on the receipt."""

import numpy as np
import pytest
from pydicom import Dataset

from agent.custody.holds import list_holds
from agent.pipeline.decide import Verdict, decide_hold
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import DecisionKind, DecisionReason, ExchangeState
from redact.ocr.golden import golden_sha256
from redact.pixels.boxes import BoxRule, boxes_at
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.house import House
from tests.agent.pipeline.receipts import payloads
from tests.redact.ocr.drawing import ground, write
from tests.support.small_studies import make_instance

PROFILES = {"headers": "profile: headers\noptions: ['113107', '113101', '113105']\n"}
LINES = ("MILLER 48213", "WARD 7B", "OAKFIELD 12")


def capture(number: int, lines: int, modality: str = "OT") -> Dataset:
    """A picture with so many lines of text, each at its place."""
    ds, picture = make_instance(1, number), ground(192, 256)
    for row, text in enumerate(LINES[:lines]):
        write(picture, text, (14, 40 + 50 * row), size=0.6)
    ds.Modality = modality
    ds.Rows, ds.Columns = picture.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.WindowCenter, ds.WindowWidth = 128, 255
    ds.RescaleSlope, ds.RescaleIntercept = 1, 0
    ds.PixelData = picture.tobytes()
    ds["PixelData"].VR = "OB"
    return ds


def house_with(make_house: MakeHouse, rule: str) -> House:
    return make_house(f"spot_check: [{rule}]", profiles=PROFILES)


def decided(house: House, kind: DecisionKind, by: str) -> ExchangeState:
    (hold,) = list_holds(house.appliance.custody)
    verdict = Verdict(kind, by, "root", DecisionReason.REVIEWED_NO_IDENTITY)
    decide_hold(house.appliance, hold.hold_id, verdict)
    house.process()
    house.deliver()
    return house.exchanges()[0].state


def test_a_study_with_many_boxes_waits_as_one_hold_with_the_places(make_house: MakeHouse) -> None:
    house = house_with(make_house, "{boxes: 2}")
    one = house.through([capture(1, 1), capture(2, 2), capture(3, 3)])
    assert one.state is ExchangeState.HELD
    (hold,) = list_holds(house.appliance.custody)
    assert (hold.code, hold.stage) == (ReasonCode.SPOT_CHECK, "clean")
    assert hold.detail == "spot check 1: 2 boxes on a frame or more: 2 instances"
    assert len(boxes_at(hold.path, BoxRule.ORDERED)) == 3, "of the instance with most"
    assert not any(line.split()[0] in f"{hold.path}{hold.detail}" for line in LINES)
    assert house.delivered() == {}


def test_whoever_looks_releases_it_and_the_receipt_says_so(make_house: MakeHouse) -> None:
    house = house_with(make_house, "{when: {Modality: OT}}")
    assert house.through([capture(1, 1)]).state is ExchangeState.HELD
    assert decided(house, DecisionKind.RELEASE, "jo") is ExchangeState.CLOSED, (
        "clean and proved: any role may"
    )
    assert len(house.delivered()) == 1
    said = payloads(house, house.exchanges()[0].exchange_id)["R1"]
    cleaning = said["deidentification"]
    assert cleaning["proof"]["passed"] == "yes"  # type: ignore[index]
    assert cleaning["pixel"]["reviewedByHuman"] == "yes"  # type: ignore[index]
    assert cleaning["pixel"]["goldenSha256"] == golden_sha256()  # type: ignore[index]


def test_it_can_be_rejected_and_not_redacted(make_house: MakeHouse) -> None:
    house = house_with(make_house, "{area: 0.01}")
    assert house.through([capture(1, 1)]).state is ExchangeState.HELD
    with pytest.raises(CustodyError, match="cannot redact a hold of spot-check"):
        decided(house, DecisionKind.REDACT, "sam")
    assert decided(house, DecisionKind.REJECT, "jo") is ExchangeState.REJECTED
    assert house.delivered() == {}


def test_what_no_rule_takes_leaves_unseen(make_house: MakeHouse) -> None:
    house = house_with(make_house, "{when: {Modality: US}, boxes: 1}, {boxes: 3}, {one_in: 1000000000}")
    assert house.through([capture(1, 1), capture(2, 0)]).state is ExchangeState.CLOSED
    said = payloads(house, house.exchanges()[0].exchange_id)["R1"]["deidentification"]
    assert said["pixel"]["reviewedByHuman"] == "no"  # type: ignore[index]
    assert all(np.frombuffer(data, np.uint8).size for data in house.delivered().values())
