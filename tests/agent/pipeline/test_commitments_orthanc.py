"""Storage commitment with a real Orthanc, which reports on an association of its own to our listener."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from agent.pipeline.commitments import take_commitment
from agent.pipeline.schedule import _issue_owed
from exchange.domain.exchange import DeliveryState
from exchange.domain.notices import CommitmentReport
from exchange.intake.dicom import DicomIntake
from exchange.intake.listener import DicomListener
from tests.agent.pipeline.house import House
from tests.agent.pipeline.partner import detail, partner_house, receipt
from tests.support import orthanc
from tests.support.ports import HOST, wait_until
from tests.support.small_studies import make_study

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not orthanc.available(), reason="Orthanc is not installed"),
]


def test_orthanc_commits(make_house: Callable[..., House], tmp_path: Path) -> None:
    with orthanc.Orthanc(tmp_path / "orthanc", ae_title="PARTNER") as partner:
        house = partner_house(make_house, partner.dicom_port, ", commitment: require")
        box, told = house.appliance, list[CommitmentReport]()

        def take(report: CommitmentReport) -> None:
            take_commitment(box, report)
            told.append(report)

        intake = DicomIntake(
            [DicomListener(HOST, 0, {"LOCKGATE"})],
            box.spool,
            box.clock,
            lambda *_: "",
            lambda _: None,
            on_commitment=take,
        )
        intake.start()
        try:
            modality = {"AET": "LOCKGATE", "Host": HOST, "Port": intake.ports[0]}
            httpx.put(f"{partner.url}/modalities/box", json=modality).raise_for_status()
            house.arrive(make_study(1, 5), "PARTNER")
            house.settle()
            house.process()
            assert house.deliver() in ([DeliveryState.COMMITTING], [DeliveryState.COMMITTED])
            wait_until(lambda: bool(told), "report of Orthanc", 30)
        finally:
            intake.stop(5)
        assert len(partner.instances()) == 5
    _issue_owed(box)
    (delivery,) = detail(house).deliveries
    assert delivery.state is DeliveryState.COMMITTED
    assert sorted(told[0].committed) == sorted(one.sop_instance_uid for one in detail(house).frozen)
    second = receipt(house, "R2")
    assert second["id"]["stage"] == "committed"
    assert second["delivery"]["storageCommitment"] == "committed"
