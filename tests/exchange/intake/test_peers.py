"""The intake with the senders that hospitals have: DCMTK with PDUs of any size, Orthanc pushing a study."""

from pathlib import Path

import pytest

from exchange.dicomio.examine import examine
from tests.support import dcmtk, orthanc
from tests.support.intake_house import House, local

pytestmark = pytest.mark.interop
needs_dcmtk = pytest.mark.skipif(not dcmtk.available(), reason="DCMTK is not installed (apt install dcmtk)")
NAMES = ["CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "JPEG2000.dcm", "SC_rgb_rle.dcm"]


@needs_dcmtk
@pytest.mark.parametrize("options", [["-pdu", "4096"], ["--max-send-pdu", "4096"], ["-pdu", "131072"]])
def test_storescu_with_pdus_of_any_size(house: House, options: list[str]) -> None:
    sources = [local("CT_small.dcm"), local("MR_small.dcm")]
    sent = dcmtk.storescu(house.port, sources, called_ae="TELERAD", options=options)
    assert sent.returncode == 0, sent.stderr
    for arrival in house.told.wait(2):
        house.spool.verify(arrival.identity, arrival.wrapped_key)


@needs_dcmtk
def test_storescu_over_tls_with_a_large_instance(house: House, tmp_path: Path) -> None:
    large = tmp_path / "large.dcm"
    layout = examine(local("CT_small.dcm"))
    whole = local("CT_small.dcm").read_bytes()
    assert layout.pixels is not None
    length = 8 * 1024 * 1024
    at = whole.rindex(b"\xe0\x7f\x10\0OW")
    large.write_bytes(whole[: at + 8] + length.to_bytes(4, "little") + bytes(length))
    identity, ca = house.certificates.client, house.certificates.ca
    sent = dcmtk.storescu(house.tls_port, [large] * 3, called_ae="TELERAD", ca=ca, identity=identity)
    assert sent.returncode == 0, sent.stderr
    first, *others = house.told.wait(3)
    assert first.byte_count > length
    assert [each.duplicate for each in others] == [True, True]


@pytest.mark.skipif(not orthanc.available(), reason="Orthanc is not installed (apt install orthanc)")
def test_orthanc_pushes_a_study(house: House, tmp_path: Path) -> None:
    peers = {"LOCKGATE": orthanc.Modality("TELERAD", house.port)}
    with orthanc.Orthanc(tmp_path / "pacs", ae_title="PACS", modalities=peers) as pacs:
        for name in NAMES:
            pacs.upload(local(name))
        pacs.send_to("LOCKGATE", [str(study) for study in pacs.studies()])
        arrivals = house.told.wait(len(NAMES))
    expected = {examine(local(name)).sop_instance_uid for name in NAMES}
    assert {each.sop_instance_uid for each in arrivals} == expected
    assert {each.arrival.calling_ae for each in arrivals} == {"PACS"}
    for each in arrivals:
        house.spool.verify(each.identity, each.wrapped_key)
        assert each.glance is not None
        assert each.glance.study_instance_uid
