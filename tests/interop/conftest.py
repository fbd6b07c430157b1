"""One short folder a module: a running appliance is costly, so tests of a module share it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.appliance import short_folder


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A new folder, removed after the module."""
    with short_folder() as made:
        yield made
