"""`lockgate clean`: a file over which workers die fails, and every other file is cleaned."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.config.profiles import load_profile
from agent.pipeline import work
from agent.pipeline.epochs import KeyEpochs
from agent.pipeline.halving import in_halves
from agent.pipeline.offline import CleanJob, clean_offline
from agent.workers.errors import TaskFailed, WorkerCrashed
from agent.workers.pool import Pool
from exchange.domain.codes import ReasonCode
from exchange.keys.domains import DomainKeys
from redact.headers.profile import Profile
from redact.stage import InstanceCleaner
from tests.support.ct_files import CtFiles

DEADLY = "00000.dcm"


def start(argument: Any) -> work.Models:
    """A worker that dies, as by a C library's abort, over the pixels of one file."""
    models = work.start(argument)
    real = InstanceCleaner.run

    def run(self: InstanceCleaner, source: Any, *others: Any) -> Any:
        if Path(source).name == DEADLY:
            os.kill(os.getpid(), signal.SIGABRT)
        return real(self, source, *others)

    InstanceCleaner.run = run  # type: ignore[method-assign,assignment]
    return models


@pytest.mark.timeout(180)  # three times a worker is started
def test_a_file_that_ends_its_worker_fails_and_the_rest_is_cleaned(tmp_path: Path) -> None:
    CtFiles(16).study(tmp_path / "in", 2)
    pool = Pool(1, f"{__name__}:start", work.WorkerFacts(Path("none"), (), (), 1))
    profile = Profile("headers", load_profile("hipaa-safe-harbor").options - {"113101"})
    epochs = KeyEpochs(DomainKeys.ephemeral(), "clean", "")
    try:
        done = clean_offline(CleanJob(tmp_path / "in", tmp_path / "out", profile, epochs), pool, 1)
    finally:
        pool.close(1.0)
    assert (done.totals.clean, done.totals.held, done.totals.failed) == (1, 0, 1)
    (failed,) = [one for one in done.files if one.status == "failed"]
    assert (failed.input, [one.code for one in failed.reasons]) == (DEADLY, [ReasonCode.POISON])
    assert len([*(tmp_path / "out").rglob("*.dcm")]) == 1
    assert not [*(tmp_path / "out").glob(".lockgate*")]


def test_each_item_has_one_result_in_order_and_other_failures_go_on() -> None:
    submitted = []

    def work_on(part: Sequence[int]) -> list[int]:
        submitted.append(len(part))
        if 5 in part:
            raise WorkerCrashed(-6)
        return [*part]

    found = [*in_halves(range(16), work_on, lambda one: [-one])]
    assert [one for part in found for one in part] == [*range(5), -5, *range(6, 16)]
    assert submitted == [16, 8, 4, 4, 2, 1, 1, 2, 8]

    def fail(_part: Sequence[int]) -> list[int]:
        raise TaskFailed("MemoryError", "x.py:1")

    with pytest.raises(TaskFailed):
        [*in_halves(range(4), fail, lambda one: [one])]
