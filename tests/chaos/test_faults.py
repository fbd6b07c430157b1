"""The fault table, row by row in one house: what is promised holds after each, and the daemon goes on.

For each row: a study goes through, the fault comes, a study is offered, the fault goes, what was refused is
offered again, another study goes through. Then everything is over as expected, and the promises are looked at
from outside (`tests.support.promises`).
"""

from collections.abc import Iterator

import pytest

from tests.chaos.faults import TABLE, Fault, Progress
from tests.chaos.scene import Scene

pytestmark = pytest.mark.timeout(180)

# Refused for now (PS3.4 B.2.3: 0xA7xx out of resources; 0xC0FF is ours: cannot store) or not answered at all.
TRY_AGAIN = (0xA700, 0xC000)


@pytest.fixture(autouse=True)
def back_to_normal(scene: Scene) -> Iterator[None]:
    """A row that failed must not make the next one fail."""
    yield
    if scene.box.process is None or scene.box.process.poll() is not None:
        scene.box.process = None
        scene.box.start()


@pytest.mark.parametrize(
    "fault",
    [pytest.param(one, id=one.name, marks=[pytest.mark.slow] if one.slow else []) for one in TABLE],
)
def test_a_fault(scene: Scene, fault: Fault) -> None:
    known, held = scene.known(), scene.holds()
    pid = scene.box.pid
    study, answered = scene.offer(fault.route) if fault.offered_first else (0, {})
    with fault.breaks(scene):
        if not fault.offered_first:
            study, answered = scene.offer(fault.route)
        check_answers(fault, answered)
        if fault.expect_progress is Progress.GOES_ON:
            scene.wait(lambda _: delivered(scene, fault, known), "delivery while the fault lasts")
    if fault.expect_fatal:
        assert scene.box.process is None
        scene.box.start()
    else:
        assert scene.box.pid == pid
        assert scene.box.process is not None
        assert scene.box.process.poll() is None, scene.box.log_tail()

    scene.insist(study, fault.route)
    after = scene.bring(fault.route)
    assert after == study + 1
    scene.wait_over()
    new = sorted(set(scene.holds()) - set(held))
    assert new == ([fault.expect_held] if fault.expect_held else []), scene.box.log_tail(20)
    scene.check()


def check_answers(fault: Fault, answered: dict[str, int]) -> None:
    """Accepted or refused as the table says; what is refused may be tried again."""
    statuses = set(answered.values())
    if fault.expect_progress in (Progress.GOES_ON, Progress.WAITS):
        assert statuses == {0x0000}, f"refused: {[hex(one) for one in statuses]}"
    if fault.expect_progress is Progress.REFUSED:
        assert 0x0000 not in statuses
    assert all(one == 0 or one & 0xFF00 in TRY_AGAIN for one in statuses), [hex(one) for one in statuses]


def delivered(scene: Scene, fault: Fault, known: set[str]) -> bool:
    """The study that was offered is through, fault or no fault."""
    found = scene.exchanges_of(fault.route, known)
    return sum(one["instance_count"] for one in found) >= 2 and all(one["state"] == "closed" for one in found)


def test_the_log_is_usable_afterwards(scene: Scene) -> None:
    """Complaints are there, one JSON object a line, none with a traceback or an original UID."""
    lines = scene.box.log_lines()
    assert lines
    assert "Traceback" not in scene.box.log_text()
    assert not scene.originals_named()
