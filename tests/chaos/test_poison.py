"""A study that hangs or kills its worker is tried again, then held as `poison`; the others go on."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.chaos.scene import Scene, house
from tests.chaos.shim import HANG, Calls
from tests.support.promises import worker_pids

pytestmark = pytest.mark.timeout(180)

STAGE_SECONDS = 6.0
ATTEMPTS = 2
READS_IN_WORKERS = Calls.READ | Calls.IN_WORKERS


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with house(stage_seconds=STAGE_SECONDS, attempts=ATTEMPTS, workers=2) as made:
        made.bring("FOLDER")
        made.wait_over()
        yield made


def test_a_stage_that_hangs_is_stopped_and_its_study_held(scene: Scene) -> None:
    known = scene.known()
    with scene.shim.failing(READS_IN_WORKERS, HANG, contains="/spool/", most=1):
        scene.bring("BOTH", 1)
        scene.wait(lambda _: scene.shim.failed == 1, "worker that hangs")
        scene.bring("FOLDER")

        def other_is_through(_: object) -> bool:
            return [one["state"] for one in scene.exchanges_of("FOLDER", known)] == ["closed"]

        scene.wait(other_is_through, "the other study, beside the hanging one")
    (exchange,) = scene.exchanges_of("BOTH", known)
    with scene.shim.failing(READS_IN_WORKERS, HANG, contains="/spool/", most=1):
        (hold,) = scene.box.wait_held(1)
    assert hold["code"] == "poison"
    assert "WorkerTimeout" in hold["detail"]
    found = scene.box.exchange(exchange["exchange_id"])
    assert [one["outcome"] for one in found["attempts"]] == ["failed: poison", "held: poison"]
    assert found["receipts"] == []
    scene.check()


def test_a_worker_that_is_killed_costs_an_attempt_and_no_study(scene: Scene) -> None:
    """As the kernel does when memory is short."""
    known = scene.known()
    pid = scene.box.pid
    with scene.shim.failing(READS_IN_WORKERS, HANG, contains="/spool/", most=1):
        scene.bring("BOTH", 2)
        scene.wait(lambda _: scene.shim.failed == 1, "study in a worker")
        for worker in worker_pids(pid):
            os.kill(worker, signal.SIGKILL)
        scene.wait_over()
    (exchange,) = scene.exchanges_of("BOTH", known)
    attempts = scene.box.exchange(exchange["exchange_id"])["attempts"]
    assert [one["outcome"] for one in attempts] == ["failed: poison", "delivering"]
    assert scene.box.pid == pid
    scene.check()
