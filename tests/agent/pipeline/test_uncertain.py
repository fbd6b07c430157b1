"""A study with a line that may be text or anatomy: it waits, and a person has it removed or lets it stay."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, dcmread  # noqa: TID251 - an outside reader

from agent.custody.holds import list_holds
from agent.custody.records import HoldRecord
from agent.pipeline.decide import Verdict, decide_hold
from agent.pipeline.hold_pictures import pictures_of
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import DecisionKind, DecisionReason, ExchangeState
from exchange.log.events import EventKind
from exchange.log.reader import read_log
from redact.pixels.boxes import BoxRule, boxes_at
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.house import House
from tests.agent.pipeline.receipts import payloads
from tests.redact.pixels.test_policy import faint
from tests.support.small_studies import make_instance

PROFILE = "profile: headers\noptions: ['113107', '113101', '113105']\n"


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return make_house(profiles={"headers": PROFILE})


def instance() -> Dataset:
    ds, picture = make_instance(1), faint()
    ds.Rows, ds.Columns = picture.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.WindowCenter, ds.WindowWidth = 128, 255
    ds.RescaleSlope, ds.RescaleIntercept = 1, 0
    ds.PixelData = picture.tobytes()
    ds["PixelData"].VR = "OB"
    return ds


def held(house: House) -> HoldRecord:
    assert house.through([instance()]).state is ExchangeState.HELD
    (hold,) = list_holds(house.appliance.custody)
    return hold


def decided(house: House, hold: HoldRecord, kind: DecisionKind, by: str = "sam") -> ExchangeState:
    verdict = Verdict(kind, by, "root", DecisionReason.OTHER)
    decide_hold(house.appliance, hold.hold_id, verdict)
    house.process()
    house.deliver()
    return house.exchanges()[0].state


def sent(house: House) -> NDArray[np.uint8]:
    (data,) = house.delivered().values()
    return np.asarray(dcmread(BytesIO(data)).pixel_array)


def place_of(hold: HoldRecord) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    box = boxes_at(hold.path, BoxRule.UNCERTAIN)[0]
    return lambda picture: picture[box.y0 : box.y1, box.x0 : box.x1]


def test_it_waits_with_the_place_to_look_at(house: House) -> None:
    hold = held(house)
    assert (hold.code, hold.stage) == (ReasonCode.UNCERTAIN_TEXT, "clean")
    assert hold.path.startswith("frame 0: ")
    assert house.delivered() == {}


def test_redacting_removes_it(house: House) -> None:
    hold = held(house)
    there = place_of(hold)
    assert decided(house, hold, DecisionKind.REDACT, by="jo") is ExchangeState.CLOSED
    assert np.ptp(there(sent(house))) == 0, "filled"
    assert np.ptp(there(faint())) > 0


def test_releasing_needs_the_role_and_still_has_the_proof(house: House) -> None:
    hold = held(house)
    with pytest.raises(CustodyError, match="what may be text would stay"):
        decided(house, hold, DecisionKind.RELEASE, by="jo")
    assert decided(house, hold, DecisionKind.RELEASE) is ExchangeState.CLOSED
    said = payloads(house, house.exchanges()[0].exchange_id)["R1"]["deidentification"]
    assert said["proof"]["passed"] == "yes"  # type: ignore[index]
    assert not np.array_equal(sent(house), faint()), "here the other weights are sure of what they read"


def test_other_holds_cannot_be_redacted(house: House) -> None:
    ds = instance()
    ds.BitsAllocated = 12
    assert house.through([ds]).state is ExchangeState.HELD
    (hold,) = list_holds(house.appliance.custody)
    with pytest.raises(CustodyError, match="cannot redact a hold of undecodable-pixels"):
        decided(house, hold, DecisionKind.REDACT)


def test_whoever_decides_can_look_at_it(house: House) -> None:
    hold = held(house)
    (shown,) = pictures_of(house.appliance, hold.hold_id[:8], "jo")
    assert shown.frame == 0
    picture = np.asarray(Image.open(BytesIO(shown.png)).convert("RGB"))
    factor = picture.shape[1] // faint().shape[1]
    there = place_of(hold)(picture[::factor, ::factor, 0])
    assert np.corrcoef(there.ravel(), place_of(hold)(faint()).ravel())[0, 1] > 0.9, "it is the line itself"
    assert (picture == (255, 255, 255)).all(axis=2).any(), "outlined"
    said = [
        one
        for one in read_log(house.appliance.configuration.site.log_folder)
        if one.kind == EventKind.AUDIT_READ
    ]
    assert [(one.outcome, one.obj["hold"]) for one in said] == [("ok", hold.hold_id)]


def test_nobody_else_sees_it_and_the_refusal_is_on_record(house: House) -> None:
    hold = held(house)
    with pytest.raises(CustodyError, match="not in the site file"):
        pictures_of(house.appliance, hold.hold_id, "mallory")
    assert [
        one.outcome
        for one in read_log(house.appliance.configuration.site.log_folder)
        if one.kind == EventKind.AUDIT_READ
    ] == ["denied"]


def test_an_instance_that_is_erased_is_not_shown(house: House) -> None:
    hold = held(house)
    house.appliance.spool.delete(hold.instance)
    with pytest.raises(CustodyError, match="retention has erased the instance"):
        pictures_of(house.appliance, hold.hold_id, "jo")
