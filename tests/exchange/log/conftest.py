"""A log per test."""

from pathlib import Path

import pytest

from tests.exchange.log.making import LogSite


@pytest.fixture
def site(tmp_path: Path) -> LogSite:
    return LogSite(tmp_path)
