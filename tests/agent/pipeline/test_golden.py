"""Where a reader fails at the golden pictures nothing is cleaned and nothing leaves."""

from pathlib import Path

import pytest

from agent.config.firmware import firmware_profile
from agent.daemon.build import worker_facts
from agent.pipeline.work import START, WARM, WarmTask, WorkerFacts
from agent.workers.pool import Pool
from exchange.domain.errors import ModelError
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.test_spot_check import PROFILES, capture
from tests.support.models import spoil


def test_nothing_leaves_when_a_reader_does_not_read(make_house: MakeHouse, tmp_path: Path) -> None:
    facts: WorkerFacts = worker_facts(firmware_profile(), None)
    spoilt = Pool(1, START, WorkerFacts(spoil(tmp_path), (tmp_path,), facts.providers, facts.threads))
    try:
        house = make_house(profiles=PROFILES)
        house.appliance.pool = spoilt
        with pytest.raises(ModelError, match="golden pictures"):
            spoilt.submit(WARM, WarmTask(pixels=True), seconds=60)
        house.arrive([capture(1, 1)])
        house.settle()
        with pytest.raises(ModelError, match=r"pp-ocrv6-tiny-det on \w+ and .* golden pictures"):
            house.process()  # tried anew, and found out anew
        house.deliver()
        assert house.delivered() == {}
    finally:
        spoilt.close(1.0)
