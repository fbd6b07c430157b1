"""Custody and DBOS on one database, both writing as hard as they can."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.custody.arrivals import record_arrivals
from agent.custody.attempts import abandon_attempt, begin_attempt, check_token
from agent.custody.database import Database, open_database
from agent.custody.listings import counts, exchange, list_exchanges
from agent.engine.port import Engine, EngineSettings, WorkflowState
from agent.engine.steps import StepRunner
from exchange.domain.exchange import ExchangeState
from tests.agent.custody.world import START, World, arrival

STUDIES = 8


class Office:
    """Workflows whose steps write to custody, and an engine that runs them."""

    def __init__(self, url: str) -> None:
        self.database: Database = open_database(url)
        self.engine = Engine(EngineSettings(url, "node-1", {"study": 4}))
        self.engine.register("study", self.study)
        self.engine.launch()

    def study(self, steps: StepRunner, exchange_id: str) -> str:
        token = steps.run("begin", self.begin, exchange_id)
        for number in range(3):
            steps.run(f"check-{number}", self.check, exchange_id, token)
        return steps.run("end", self.end, exchange_id, token)

    def begin(self, exchange_id: str) -> str:
        return begin_attempt(self.database, exchange_id, 1, START).token

    def check(self, exchange_id: str, token: str) -> str:
        return str(check_token(self.database, exchange_id, token).state)

    def end(self, exchange_id: str, token: str) -> str:
        return str(abandon_attempt(self.database, exchange_id, token, "tried", START).state)

    def close(self) -> None:
        self.engine.close(0)
        self.database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'lockgate.db'}"
    else:
        url = request.getfixturevalue("postgresql")
    made = Office(url)
    yield made
    made.close()


def test_neither_loses_a_write_to_the_other(office: Office) -> None:
    world = World(office.database)
    ids = [world.settled("a", study=f"1.{number}").exchange_id for number in range(STUDIES)]
    with ThreadPoolExecutor(4) as threads:
        enqueued = [
            threads.submit(office.engine.enqueue, "study", f"{one}/1", (one,), "study") for one in ids
        ]
        more = [
            threads.submit(record_arrivals, office.database, [arrival(f"n{number}", study="2")], START)
            for number in range(40)
        ]
        assert all(one.result(60) for one in enqueued)
        assert sum(len(one.result(60)) for one in more) == 40
    deadline = datetime.now(UTC) + timedelta(seconds=40)
    while any(office.engine.state(f"{one}/1") is not WorkflowState.DONE for one in ids):
        assert datetime.now(UTC) < deadline
        threading.Event().wait(0.05)
    assert {office.engine.outcome(f"{one}/1") for one in ids} == {"settled"}
    assert {exchange(office.database, one).error_code for one in ids} == {"tried"}
    assert counts(office.database).arrivals == STUDIES + 40
    (opened,) = list_exchanges(office.database, {ExchangeState.OPEN})
    assert opened.instance_count == 40
