"""A study that hangs or kills its worker is tried again, then held as `poison`; the others go on."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from tests.support.appliance import Appliance, short_folder
from tests.support.kill_loop import child_pids
from tests.support.small_studies import make_instance, make_study, send

pytestmark = pytest.mark.timeout(180)

STAGE_SECONDS = 8.0
ATTEMPTS = 2
ENDLESS = 3000  # frames of noise, all different: far more than can be read in STAGE_SECONDS


@pytest.fixture(scope="module")
def box() -> Iterator[Appliance]:
    with short_folder() as folder:
        limits = {"stage_seconds": STAGE_SECONDS, "attempts": ATTEMPTS, "workers": 2}
        with Appliance(folder / "site", limits=limits) as running:
            yield running


def make_long(study: int, frames: int) -> Dataset:
    """One instance of so many frames."""
    ds = make_instance(study)
    ds.NumberOfFrames = frames
    noise = np.random.default_rng(study).integers(0, 4096, (frames, ds.Rows, ds.Columns), dtype=np.uint16)
    ds.PixelData = noise.tobytes()
    return ds


def test_a_stage_that_does_not_end_is_stopped_and_its_study_held(box: Appliance) -> None:
    assert set(send(box.port, "OUTGOING", [make_long(1, ENDLESS)]).values()) == {0x0000}
    box.wait_for(lambda one: one.in_state("processing"), "study in work")
    assert set(send(box.port, "OUTGOING", make_study(2)).values()) == {0x0000}

    box.wait_closed(1)  # the other one, while the first is still at it or just stopped
    (hold,) = box.wait_held(1)
    assert hold["code"] == "poison"
    assert "WorkerTimeout" in hold["detail"]
    found = box.exchange(hold["exchange_id"])
    assert [one["outcome"] for one in found["attempts"]] == ["failed: poison", "held: poison"]
    assert found["receipts"] == []
    assert len(box.delivered()) == 2


def test_a_worker_that_is_killed_costs_an_attempt_and_no_study(box: Appliance) -> None:
    """As the kernel does when memory is short."""
    known = {one["exchange_id"] for one in box.exchanges()}
    assert set(send(box.port, "OUTGOING", make_study(3, 24)).values()) == {0x0000}

    def killed(one: Appliance) -> list[dict[str, Any]]:
        """Kill every worker until the attempt has failed by it."""
        mine = [each for each in one.exchanges() if each["exchange_id"] not in known]
        if mine and mine[0]["state"] == "processing" and mine[0]["attempt_count"] == 1:
            for pid in filter(is_worker, child_pids(one.pid)):
                os.kill(pid, signal.SIGKILL)
        return [each for each in mine if each["attempt_count"] == 2]

    (exchange,) = box.wait_for(killed, "second attempt")
    box.wait_for(lambda one: one.exchange(exchange["exchange_id"])["state"] == "closed", "end")
    attempts = box.exchange(exchange["exchange_id"])["attempts"]
    assert [one["outcome"] for one in attempts] == ["failed: poison", "delivering"]
    assert box.status()["pid"] == box.pid


def is_worker(pid: int) -> bool:
    """Not the resource tracker that multiprocessing starts beside them."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"spawn_main" in file.read()
    except OSError:
        return False
