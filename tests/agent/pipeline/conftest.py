"""A house per test, with one pool of workers for all of them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from agent.config.firmware import firmware_profile
from agent.daemon.build import worker_facts
from agent.pipeline.work import START
from agent.workers.pool import Pool
from tests.agent.pipeline.house import House
from tests.support.appliance import short_folder

MakeHouse = Callable[..., House]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """Real workers; starting them is what costs."""
    workers = Pool(1, START, worker_facts(firmware_profile(), None))
    yield workers
    workers.close(1.0)


@pytest.fixture
def make_house(pool: Pool) -> Iterator[MakeHouse]:
    """Make a house; further lines of its route may be given."""
    with ExitStack() as stack:

        def make(route: str = "", **more: Any) -> House:
            house = House(stack.enter_context(short_folder()) / "site", stack, route, **more)
            house.appliance.pool = pool
            return house

        yield make


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    """A house as it comes."""
    return make_house()
