"""From intake to custody: arrivals are gathered for a moment and recorded in groups."""

from threading import Thread

import pytest

from agent.custody.listings import counts
from agent.daemon.arrivals import ArrivalQueue
from agent.daemon.daemon import look_pause
from tests.agent.pipeline.conftest import house as house  # a fixture, found by its name here
from tests.agent.pipeline.conftest import make_house as make_house
from tests.agent.pipeline.conftest import pool as pool
from tests.agent.pipeline.house import House
from tests.support.small_studies import make_study


def test_a_group_is_recorded_as_a_whole_and_wakes_the_schedule_once(house: House) -> None:
    woken: list[int] = []
    arrivals = ArrivalQueue(house.appliance, lambda: woken.append(counts(house.appliance.custody).arrivals))
    for ds in make_study(1, 3):
        arrivals.put(house.spooled(ds))
    arrivals.hurry()
    arrivals.close()
    thread = Thread(target=arrivals.run)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert woken == [3]


def test_nothing_is_quiet_while_arrivals_wait_to_be_recorded(house: House) -> None:
    """A machine under load records late; a study that is still coming must not be taken for complete."""
    arrivals = ArrivalQueue(house.appliance, lambda: None)
    house.appliance.unrecorded = arrivals.oldest
    first, second = make_study(1, 2)
    house.arrive([first])
    house.wait(seconds=1)
    arrivals.put(house.spooled(second))
    assert house.settle() == ()

    arrivals.close()
    arrivals.run()
    assert arrivals.oldest() is None
    (settled,) = house.settle()
    assert settled.instance_count == 2


@pytest.mark.parametrize(
    ("seconds", "pause"), [(0.0, 0.02), (0.015, 0.045), (0.05, 0.15), (10.0, 0.25)], ids=str
)
def test_the_schedule_rests_in_proportion_to_its_look(seconds: float, pause: float) -> None:
    assert look_pause(seconds) == pytest.approx(pause)
