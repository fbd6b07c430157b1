"""One write of a study's life fails, whichever it is: the study goes through, and nothing is promised twice.

The calls of one undisturbed study are counted; then each further study has one of them fail, at places spread
over that count. The soak tries every place.
"""

import errno

import pytest

from tests.chaos.scene import Scene
from tests.chaos.shim import Calls

PLACES = 6  # in a normal run


def sweep(scene: Scene, error: int, places: int) -> None:
    with scene.shim.failing(Calls.CHANGES, error, skip=1_000_000):
        scene.bring()
        scene.wait_over()
        total = scene.shim.seen
    assert total > PLACES
    step = max(total // places, 1) if places else 1
    for place in range(0, total, step):
        with scene.shim.failing(Calls.CHANGES, error, skip=place, most=1):
            study, _ = scene.offer()
            scene.insist(study)
            scene.wait_over()
        assert scene.box.process is not None
        assert scene.box.process.poll() is None, f"the daemon ended when write {place} failed"
    assert scene.holds() == []
    scene.check()


@pytest.mark.timeout(180)
def test_some_writes(scene: Scene) -> None:
    sweep(scene, errno.ENOSPC, PLACES)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
def test_every_write(scene: Scene, error: int) -> None:
    sweep(scene, error, 0)
