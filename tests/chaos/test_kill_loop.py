"""`kill -9` at random moments: nothing accepted is lost, nothing leaves twice in two shapes."""

import pytest

from tests.support.appliance import short_folder
from tests.support.kill_loop import Plan, kill_loop


def run(plan: Plan) -> None:
    with short_folder() as folder:
        outcome = kill_loop(folder / "site", plan)
    verdict = outcome.verdict
    assert verdict.problems == [], outcome
    assert len(outcome.killed_at) == plan.kills
    assert verdict.receipts["R1 partner"] == verdict.receipts["R3 partner"] == verdict.exchanges
    assert verdict.receipts["R2 partner"] == verdict.receipts["R2 site"] == 2 * verdict.exchanges


@pytest.mark.timeout(240)
def test_three_kills_while_ten_studies_go_through() -> None:
    run(Plan(kills=3, seed=11))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [2, 3])
def test_twenty_kills_while_ten_studies_go_through(seed: int) -> None:
    run(Plan(kills=20, instances=4, seed=seed))
