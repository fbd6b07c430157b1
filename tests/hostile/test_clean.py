"""`lockgate clean` over the hostile set: nothing planted survives in what is written, and nothing is lost.

The set is the reduced one; `benchmarks.deidentification` runs the whole and compares with other tools. What
the cleaner once got wrong stands in `test_defects`, each with the least that shows it.
"""

from dataclasses import dataclass

import pytest

from exchange.domain.codes import ReasonCode
from tests.hostile.cleaning import clean_folder
from tests.hostile.generate import Generator
from tests.hostile.key import Action, AnswerKey
from tests.hostile.outcome import Outcomes, Status
from tests.hostile.scorer import Failure, Score, score
from tests.support.models import readers

pytestmark = [pytest.mark.timeout(240), pytest.mark.filterwarnings("ignore")]

PATIENTS = 10
LEAST_OUT = 20


@dataclass(frozen=True)
class Run:
    """One run over the set."""

    key: AnswerKey
    outcomes: Outcomes
    score: Score

    def show(self, failures: list[Failure]) -> list[str]:
        """Failures with what is needed to look at them; the patients are made up."""
        by_file = {one.file: one for one in self.key.instances}
        return [
            f"{one.action} {one.place} {one.words} {by_file[one.file].origin} {one.file}" for one in failures
        ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    readers()  # skips where the weights are absent
    folder = tmp_path_factory.mktemp("hostile")
    key = Generator(folder / "files", people=PATIENTS, small=True).run()
    outcomes = clean_folder(folder / "files", folder / "out")
    return Run(key, outcomes, score(key, folder / "files", folder / "out", outcomes))


def test_every_file_is_clean_or_held_with_a_published_reason(run: Run) -> None:
    assert set(run.outcomes) == {one.file for one in run.key.instances}
    assert set(run.score.statuses) <= {Status.OUT, Status.HELD}
    assert run.score.statuses[Status.OUT] >= LEAST_OUT
    held = [one.reason for one in run.outcomes.values() if one.status is Status.HELD]
    assert {reason.split()[0] for reason in held} <= {str(code) for code in ReasonCode}
    # No value in a reason: a code and an element path or a box.
    words = {
        word for one in run.key.instances for check in one.checks for word in check.words if len(word) > 3
    }
    assert not [reason for reason in held if any(word in reason for word in words)]


def test_no_planted_word_is_left_in_any_byte_that_is_written(run: Run) -> None:
    assert run.show(run.score.surviving) == []
    assert run.score.planted > 400


def test_no_planted_word_is_left_where_it_was_planted(run: Run) -> None:
    assert run.show(run.score.failed(Action.TEXT_REMOVED)) == []


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.TEXT_REMOVED])
def test_everything_else_is_as_it_should_be(run: Run, action: Action) -> None:
    assert run.show(run.score.failed(action)) == []
    assert run.score.actions[action].came_out > 0


def test_relations_are_intact(run: Run) -> None:
    related = run.score.relations
    assert related.broken == []
    assert related.references > 0
    assert not +related.merged
    assert not +related.split
    assert related.kept == related.intervals > 0
