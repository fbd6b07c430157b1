"""A clock that is set back holds nothing up, and every step is on record."""

from datetime import UTC, datetime, timedelta

import pytest

from agent.custody import settling
from agent.pipeline.clockwatch import ClockWatch, watch_clock
from exchange.log.reader import read_log
from tests.agent.pipeline.house import House
from tests.support.small_studies import make_study

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wall", "monotonic", "stepped"),
    [
        (timedelta(seconds=5), 5.0, None),
        (timedelta(seconds=6), 5.0, None),  # slewed
        (timedelta(seconds=65), 5.0, timedelta(minutes=1)),
        (timedelta(days=-1), 5.0, timedelta(days=-1, seconds=-5)),
    ],
)
def test_a_step_is_told_from_time_that_went_by(
    wall: timedelta, monotonic: float, stepped: timedelta | None
) -> None:
    watch = ClockWatch()
    assert watch.step(NOW, 100.0) is None
    assert watch.step(NOW + wall, 100.0 + monotonic) == stepped


def test_what_would_wait_for_a_day_that_is_over_is_due(house: House) -> None:
    house.arrive(make_study(1))
    watch_clock(house.appliance)
    house.wait(days=-1)
    watch_clock(house.appliance)
    assert settling.open_exchanges(house.appliance.custody)[0].last_arrival_at == house.now
    (settled,) = house.settle()
    assert settled.route == "outgoing"
    kinds = [entry.kind for entry in read_log(house.appliance.configuration.site.log_folder)]
    assert kinds.count("clock.step") == 1
