"""Policy by destination: one study, two routes, each with what its profile says of pixels."""

from pathlib import Path

import numpy as np
from pydicom import dcmread  # noqa: TID251 - an outside reader

from exchange.domain.exchange import ExchangeState
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.test_spot_check import capture
from tests.redact.ocr.drawing import ground

PROFILES = {
    "headers": "profile: headers\noptions: ['113107', '113101', '113105']\n",
    "own": "profile: own\noptions: ['113107', '113101', '113105']\n"
    "pixels: {modes: [{mode: identity-only}]}\n",
}
SECOND = """also: [second]
  - name: second
    direction: outbound
    match: {called_ae: NEVER-CALLED}
    settle: {quiet_seconds: 5.0}
    deidentify: {profile: own}
    deliver: [second]"""


def test_each_recipient_gets_the_pixels_that_its_route_says(make_house: MakeHouse) -> None:
    house = make_house(
        SECOND, profiles=PROFILES, peers="second: {folder: {path: second/}}", folders=["second"]
    )
    house.through([capture(1, 1)])
    assert [one.state for one in house.exchanges()] == [ExchangeState.CLOSED, ExchangeState.CLOSED]
    assert {(one.route, one.profile_id) for one in house.exchanges()} == {
        ("outgoing", "headers"),
        ("second", "own"),
    }

    def text_left(name: str) -> bool:
        (path,) = Path(house.folder / name).rglob("*.dcm")
        pixels = np.asarray(dcmread(path).pixel_array)
        return bool((pixels[24:44] == 255).any())

    assert not (ground(192, 256)[24:44] == 255).any()
    assert not text_left("outgoing"), "all text goes"
    assert text_left("second"), "what names nobody stays there"
