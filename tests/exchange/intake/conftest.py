"""A running intake for each test: the DICOM one (`house`) and the STOW-RS one (`stow`)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from exchange.domain.delivery import OutgoingInstance
from tests.support.certificates import Certificates, make_certificates
from tests.support.intake_house import House, build, intake_threads
from tests.support.outgoing import make_study, plain_file
from tests.support.stow_house import StowHouse


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


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Sequence[OutgoingInstance]:
    return make_study(tmp_path_factory.mktemp("frozen"))


@pytest.fixture(scope="session")
def files(study: Sequence[OutgoingInstance]) -> list[bytes]:
    return [plain_file(each).read_bytes() for each in study]


@pytest.fixture
def stow(tmp_path: Path) -> Iterator[StowHouse]:
    with StowHouse(tmp_path) as running:
        yield running
