"""Which clean instances a person looks at first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.headers.conditions import IsIn
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.pixels.boxes import BoxRule, TextBox, boxes_at
from redact.pixels.spot_check import SpotRule, stop_for_spot_check

KEY = Pseudonymiser(bytes(range(32)), "issuer")
CAPTURE = IsIn(0x00080060, frozenset({"sc"}))


def box(frame: int, x0: int, y0: int, x1: int, y1: int) -> TextBox:
    return TextBox(frame, y0, x0, y1, x1, BoxRule.ALL_TEXT, 0.9)


def held(rule: SpotRule, *boxes: TextBox, uid: str = "2.25.7", key: Pseudonymiser = KEY) -> bool:
    try:
        stop_for_spot_check([rule], key, uid, boxes, (100, 200))
    except HeldError:
        return True
    return False


def test_boxes_are_counted_on_one_frame() -> None:
    rule = SpotRule(boxes=2)
    assert not held(rule, box(0, 0, 0, 9, 9), box(1, 0, 0, 9, 9))
    assert held(rule, box(3, 0, 0, 9, 9), box(0, 0, 0, 9, 9), box(3, 20, 0, 29, 9))


def test_an_area_is_of_one_frame_and_counts_each_pixel_once() -> None:
    rule = SpotRule(area=0.25)  # of 100 x 200: 5000 pixels
    assert held(rule, box(0, 0, 0, 100, 50))
    assert not held(rule, box(0, 0, 0, 100, 49))
    assert not held(rule, box(0, 0, 0, 100, 30), box(0, 0, 0, 100, 30)), "the same place twice"
    assert not held(rule, box(0, 0, 0, 100, 30), box(1, 0, 0, 100, 30)), "two frames"
    assert held(rule, box(0, 0, 0, 100, 30), box(0, 100, 0, 200, 20))


def test_a_hold_names_the_rule_and_the_places_and_nothing_else() -> None:
    boxes = box(2, 1, 2, 30, 9), box(0, 3, 4, 20, 9)
    with pytest.raises(HeldError) as caught:
        stop_for_spot_check([SpotRule(boxes=9), SpotRule(number=2)], KEY, "2.25.7", boxes, (100, 200))
    assert caught.value.code is ReasonCode.SPOT_CHECK
    assert caught.value.message == "spot check 2: everything"
    assert [(one.frame, one.x0, one.y0) for one in boxes_at(caught.value.path, BoxRule.ORDERED)] == [
        (0, 3, 4),
        (2, 1, 2),
    ]


def test_a_rule_that_says_nothing_takes_everything() -> None:
    assert held(SpotRule())
    assert SpotRule().asks(Dataset())


def test_all_that_a_rule_says_must_hold() -> None:
    header = Dataset()
    header.Modality = "SC"
    rule = SpotRule(when=CAPTURE, drawings=True)
    assert not rule.asks(header)
    header.add_new((0x6002, 0x3000), "OW", b"\0\0")
    assert rule.asks(header)
    header.Modality = "CT"
    assert not rule.asks(header)
    assert not held(SpotRule(boxes=1, area=0.5), box(0, 0, 0, 10, 10))


@pytest.mark.parametrize("tag", [0x60000010, 0x601E3000, 0x00700001])
def test_overlays_in_any_group_and_annotations_are_drawings(tag: int) -> None:
    header = Dataset()
    assert not SpotRule(drawings=True).asks(header)
    header.add_new(tag, "SQ" if tag == 0x00700001 else "US" if tag == 0x60000010 else "OW", None)
    assert SpotRule(drawings=True).asks(header)


@given(st.integers(1, 10**6), st.integers(1, 50))
def test_a_draw_is_of_the_study_and_the_same_whenever_it_is_asked(number: int, one_in: int) -> None:
    rule, uid = SpotRule(one_in=one_in), f"2.25.{number}"
    again = Pseudonymiser(bytes(range(32)), "issuer")
    assert held(rule, uid=uid) == held(rule, box(0, 0, 0, 9, 9), uid=uid, key=again)
    assert held(SpotRule(one_in=1), uid=uid)


def test_about_one_in_so_many_is_drawn_and_another_key_draws_others() -> None:
    rule, other = SpotRule(one_in=10), Pseudonymiser(bytes(range(1, 33)), "issuer")
    uids = [f"2.25.{number}" for number in range(1, 2001)]
    drawn = {uid for uid in uids if rule.draws(KEY, uid)}
    assert 150 < len(drawn) < 250
    assert len(drawn & {uid for uid in uids if rule.draws(other, uid)}) < 50


def test_a_rule_tells_what_it_asks() -> None:
    rule = SpotRule(CAPTURE, True, 12, 0.2, 20, 3)
    assert str(rule) == (
        "spot check 3: Modality is sc, with drawings, 12 boxes on a frame or more,"
        " 20% of a frame removed or more, one study in 20"
    )
    assert str(SpotRule(number=1)) == "spot check 1: everything"
