"""What the fault tests have in common: a house in which one study has gone through."""

from collections.abc import Iterator

import pytest

from tests.chaos.scene import Scene, house


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with house() as made:
        made.bring()
        made.wait_over()
        yield made
