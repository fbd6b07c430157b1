"""A site, a study and its chain of receipts."""

from pathlib import Path

import pytest

from exchange.receipts.issuer import IssuedReceipt
from exchange.receipts.verify.trust import Trust, read_trust
from tests.exchange.receipts.making import Site, Study, full_chain, write_study


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return write_study(tmp_path / "study")


@pytest.fixture
def chain(site: Site, study: Study) -> list[IssuedReceipt]:
    return full_chain(site, study)


@pytest.fixture
def trust(site: Site) -> Trust:
    return read_trust(site.trust)
