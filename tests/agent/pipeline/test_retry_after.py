"""A peer that asks for time gets it: its next attempt is not sooner than it said."""

from datetime import timedelta

import pytest

from exchange.domain.exchange import DeliveryState
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.partner import CLEANED, ROUTE, detail
from tests.support.scripted_stow import ScriptedStow
from tests.support.small_studies import make_study


@pytest.mark.parametrize(("asked", "granted"), [(900, 900), (86_400, 3600)])
def test_a_peer_that_asks_for_time_gets_it(make_house: MakeHouse, asked: int, granted: int) -> None:
    busy = (503, "text/plain", b"")
    with ScriptedStow(lambda _: busy, headers={"Retry-After": str(asked)}) as server:
        peers = f'partner: {{dicomweb: {{url: "{server.url}"}}}}'
        house = make_house(ROUTE.replace("DEIDENTIFY", CLEANED), peers=peers)
        house.arrive(make_study(1), "PARTNER")
        house.settle()
        house.process()
        assert house.deliver() == [DeliveryState.WAITING]
    (waiting,) = detail(house).deliveries
    assert waiting.next_attempt_at is not None
    assert waiting.next_attempt_at - house.now == timedelta(seconds=granted)
