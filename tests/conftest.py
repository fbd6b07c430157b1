"""Fixtures for every test: corpus, Hypothesis profiles, a loop that must not block."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import HealthCheck, settings

from tests.support.corpus import find_corpus

settings.register_profile("dev", max_examples=50, deadline=None)
# The gate judges a commit: the same examples every time. `dev` and `ci` (500 examples) go looking.
settings.register_profile("gate", max_examples=50, deadline=None, derandomize=True)
settings.register_profile(
    "ci", max_examples=500, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(autouse=True)
def event_loop_never_blocks() -> Iterator[BlockBuster]:
    """Fail whatever blocks an event loop; a test may list what it must allow."""
    with blockbuster_ctx() as blockbuster:
        yield blockbuster


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real DICOM files, when this checkout has one beside it."""
    folder = find_corpus()
    if folder is None:
        pytest.skip("no corpus of real files beside this checkout ($LOCKGATE_CORPUS or ../shared/corpus)")
    return folder


def pytest_report_header() -> str:
    """Say whether the real corpus takes part."""
    folder = find_corpus()
    return f"corpus: {folder}" if folder else "corpus: absent, pydicom's own files only"
