"""A disk that fills up between the two editions of a receipt: the exchange is not closed over the gap."""

import errno
from pathlib import Path

import pytest

from agent.custody.deliveries import delivery
from agent.pipeline import attest
from agent.pipeline.attest import attest_delivery, attest_exchange
from exchange.durable import write_file
from tests.agent.pipeline.house import House
from tests.agent.pipeline.partner import detail
from tests.support.small_studies import make_study


@pytest.mark.parametrize(("write", "recorded"), [(1, []), (2, [("R2", "partner")])], ids=["bundle", "proof"])
def test_an_exchange_is_closed_over_both_editions_only(
    house: House, monkeypatch: pytest.MonkeyPatch, write: int, recorded: list[tuple[str, str]]
) -> None:
    """Full for the site edition's bundle, or for the proof that is added when both are in the log."""
    house.arrive(make_study(1))
    house.settle()
    house.process()

    written = 0

    def full_for_the_site(path: Path, data: bytes) -> None:
        nonlocal written
        written += path.parent.name == "site"
        if path.parent.name == "site" and written == write:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_file(path, data)

    monkeypatch.setattr(attest, "write_file", full_for_the_site)
    with pytest.raises(OSError, match="No space"):
        house.deliver()
    found = detail(house)
    assert [(one.slot, one.edition) for one in found.receipts if one.slot == "R2"] == recorded
    assert attest_exchange(house.appliance, found.exchange.exchange_id) == "open"
    monkeypatch.undo()
    attest_delivery(house.appliance, delivery(house.appliance.custody, found.deliveries[0].delivery_id))
    assert attest_exchange(house.appliance, found.exchange.exchange_id) == "closed"
    assert len({(one.slot, one.edition) for one in detail(house).receipts}) == 6
