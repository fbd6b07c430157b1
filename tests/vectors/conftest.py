"""The browser's driver runs an event loop of its own, in which it reads files: it is not the product's."""

import pytest


@pytest.fixture(autouse=True)
def event_loop_never_blocks() -> None:
    """Nothing here runs the product in a loop."""
