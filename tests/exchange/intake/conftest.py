"""A running intake for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Certificates, make_certificates
from tests.support.intake_house import House, build, intake_threads


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def house(tmp_path: Path, certificates: Certificates) -> Iterator[House]:
    house = build(tmp_path, certificates)
    house.intake.start()
    yield house
    house.intake.stop(5.0)
    house.spool.close()
    assert not intake_threads()
