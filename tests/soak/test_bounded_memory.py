"""Memory does not grow with the instance nor with the study; the full sizes are in `scripts/soak`."""

import pytest

from tests.soak.giant import BOUND_MIB, pass_giant
from tests.soak.large_study import pass_study
from tests.support import dcmtk
from tests.support.appliance import short_folder

GIANT_MB = 64
INSTANCES = 400
# What the daemon may need more than when it was ready: buffers and threads, not the data.
GROWTH_MIB = 48.0


@pytest.mark.interop
@pytest.mark.timeout(180)
@pytest.mark.skipif(not dcmtk.available(), reason="DCMTK is not installed (apt install dcmtk)")
def test_memory_does_not_grow_with_the_instance() -> None:
    with short_folder() as folder:
        passage = pass_giant(folder, GIANT_MB)
    assert passage.same
    assert passage.after.daemon - passage.before.daemon < GROWTH_MIB, passage
    assert passage.after.daemon < BOUND_MIB


@pytest.mark.timeout(240)
@pytest.mark.parametrize("route", ["AS_IS", "HEADERS"])
def test_memory_does_not_grow_with_the_study(route: str) -> None:
    with short_folder() as folder:
        passage = pass_study(folder, INSTANCES, route)
    assert passage.delivered == INSTANCES
    assert passage.exchanges == 1
    assert passage.after.daemon - passage.before.daemon < GROWTH_MIB, passage
