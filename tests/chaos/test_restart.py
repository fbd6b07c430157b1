"""A daemon that is started again finds its work: a long queue, or what an earlier version was at."""

import sqlite3
from contextlib import closing

import pytest

from tests.chaos.scene import OVER, Scene
from tests.chaos.shim import HANG, Calls

EARLIER = "lockgate-workflows-1"


def working(scene: Scene) -> dict[str, int]:
    """How many exchanges are not over, by state."""
    counts = scene.box.status()["exchanges"]
    return {state: count for state, count in counts.items() if count and state not in OVER}


@pytest.mark.parametrize(
    "queued",
    [
        pytest.param(20, marks=pytest.mark.timeout(180)),
        pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)
def test_queued_exchanges_survive_a_restart(scene: Scene, queued: int) -> None:
    """They wait for a partner that is away; the daemon is killed before and after they are cleaned."""
    patience, came = 60.0 + queued, set(scene.partner.received)
    scene.partner.down()
    try:
        for _ in range(queued):
            scene.bring("PARTNER", 1)
        scene.box.kill9()
        scene.box.start()
        scene.box.wait_for(lambda _: working(scene) == {"delivering": queued}, "queued exchanges", patience)
        scene.box.kill9()
        scene.box.start()
        assert working(scene) == {"delivering": queued}
    finally:
        scene.partner.up()
    scene.wait_over(patience)
    comings = [len(digests) for uid, digests in scene.partner.received.items() if uid not in came]
    assert comings == [1] * queued
    assert scene.holds() == []
    scene.check()


@pytest.mark.timeout(180)
def test_an_upgrade_finds_exchanges_in_flight(scene: Scene) -> None:
    """One is being sent, one is in a worker, others wait: all are begun anew, and nothing leaves twice."""
    known, end = scene.known(), scene.box.log_file.stat().st_size
    reads = Calls.READ | Calls.IN_WORKERS
    with scene.stalled():
        scene.bring("PARTNER", 1)
        scene.wait(lambda box: box.status()["deliveries"].get("active"), "delivery under way")
        with scene.shim.failing(reads, HANG, contains="/spool/", most=1):
            scene.bring("FOLDER", 1)
            scene.wait(lambda _: scene.shim.failed == 1, "study in a worker")
            for _ in range(3):
                scene.bring("BOTH", 1)
            scene.wait(lambda _: working(scene).keys() == {"settled", "processing", "delivering"}, "queue")
            scene.box.kill9()
    left = leave_as_earlier_version(scene)
    assert left >= 2
    scene.box.start()
    scene.wait_over()
    lines = [one for one in scene.box.log_lines(end) if "another version" in one["event"]]
    assert [one["count"] for one in lines] == [left]
    found = [one for one in scene.box.exchanges() if one["exchange_id"] not in known]
    assert [one["state"] for one in found] == ["closed"] * 5
    assert scene.holds() == []
    scene.check()


def leave_as_earlier_version(scene: Scene) -> int:
    """Open workflows and the database bear the number of the version before; how many workflows are open."""
    with closing(sqlite3.connect(scene.box.state / "lockgate.db")) as database, database:
        database.execute("UPDATE lockgate_schema SET version = 1")
        return database.execute(
            "UPDATE workflow_status SET application_version = ? WHERE status IN ('PENDING', 'ENQUEUED')",
            (EARLIER,),
        ).rowcount
