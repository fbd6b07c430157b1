"""The intake: Success means durable; every storage class and syntax is taken as it is."""

import ssl
import struct
import threading
from hashlib import sha256
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exchange.dicomio.examine import examine
from exchange.dicomio.filemeta import encode_uid
from exchange.dimse.association import Association
from exchange.domain.instance import SpooledInstance
from exchange.spool import store as store_module
from tests.support import dcmtk
from tests.support.intake_house import CT, DEADLINE, EXPLICIT, House, data_set, local, store, uids_only

PRIVATE_CLASS, PRIVATE_SYNTAX = "1.3.12.2.1107.5.9.1", "1.3.46.670589.33.1.4.1"
needs_dcmtk = pytest.mark.skipif(not dcmtk.available(), reason="DCMTK is not installed (apt install dcmtk)")


# With real clients


@pytest.mark.interop
@needs_dcmtk
def test_echo_and_the_called_title(house: House) -> None:
    assert dcmtk.echoscu(house.port, called_ae="REGISTRY").returncode == 0
    refused = dcmtk.echoscu(house.port, called_ae="SOMEONE")
    assert refused.returncode != 0
    assert b"Called AE Title Not Recognized" in refused.stderr


@pytest.mark.interop
@needs_dcmtk
def test_dcmtk_sends_every_syntax(house: House) -> None:
    names = ["CT_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm", "image_dfl.dcm", "JPEG-LL.dcm", "rtplan.dcm"]
    names += ["SC_rgb_jpeg_gdcm.dcm", "US1_J2KR.dcm", "test-SR.dcm", "waveform_ecg.dcm"]
    sources = [local(name) for name in names if (local("CT_small.dcm").parent / name).exists()]
    sent = dcmtk.dcmsend(house.port, sources, called_ae="TELERAD")
    assert sent.returncode == 0, sent.stderr
    arrivals = house.told.wait(len(sources))
    syntaxes = {each.transfer_syntax_uid for each in arrivals}
    assert {"1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.99"} <= syntaxes
    for each in arrivals:
        house.spool.verify(each.identity, each.wrapped_key)
        assert (
            examine(house.spool.source(each.identity, each.wrapped_key)).sop_instance_uid
            == each.sop_instance_uid
        )


@pytest.mark.interop
@needs_dcmtk
@pytest.mark.parametrize("nodelay", [True, False])
def test_storescu_with_and_without_nagle(house: House, nodelay: bool) -> None:
    sent = dcmtk.storescu(house.port, [local("CT_small.dcm")], called_ae="TELERAD", nodelay=nodelay)
    assert sent.returncode == 0
    (arrival,) = house.told.wait(1)
    assert (arrival.arrival.called_ae, arrival.arrival.calling_ae) == ("TELERAD", "STORESCU")
    assert (arrival.arrival.protocol, arrival.arrival.peer) == ("dimse", "peer-storescu")
    assert arrival.sop_instance_uid == data_set()[0]


@pytest.mark.interop
@needs_dcmtk
def test_tls_wants_a_certificate_that_we_know(house: House) -> None:
    known, stranger, ca = house.certificates.client, house.certificates.stranger, house.certificates.ca
    source = [local("CT_small.dcm")]

    def send(identity: "object") -> int:
        return dcmtk.storescu(
            house.tls_port, source, called_ae="TELERAD", ca=ca, identity=identity  # type: ignore[arg-type]
        ).returncode  # fmt: skip

    with capture_logs():
        assert send(None) != 0
        assert send(stranger) != 0
    assert send(known) == 0
    (arrival,) = house.told.wait(1)
    der = ssl.PEM_cert_to_DER_cert(known.cert.read_text())
    assert arrival.arrival.peer_certificate_sha256 == sha256(der).hexdigest()
    assert (arrival.arrival.protocol, arrival.arrival.peer) == ("dimse-tls", "peer-storescu-tls")
    assert dcmtk.echoscu(house.port, called_ae="TELERAD", ca=ca, identity=known).returncode != 0


# With our own lean client


def test_the_same_bytes_to_two_titles(house: House) -> None:
    uid, data = data_set()
    assert store(house, CT, uid, [data], called="TELERAD") == 0
    assert store(house, CT, uid, [data], called="REGISTRY") == 0
    first, second = house.told.wait(2)
    assert (first.arrival.called_ae, second.arrival.called_ae) == ("TELERAD", "REGISTRY")
    assert (first.identity, first.duplicate, second.duplicate) == (second.identity, False, True)
    assert house.spooled() == [first, second]
    assert len([name for name in house.names() if name.endswith(".sealed")]) == 1


@pytest.mark.parametrize("sop_class", [CT, PRIVATE_CLASS, "1.2.840.10008.5.1.4.1.1.999"])
@pytest.mark.parametrize(
    "syntax", [EXPLICIT, PRIVATE_SYNTAX, "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.2"]
)
def test_private_and_unknown_classes_and_syntaxes(house: House, sop_class: str, syntax: str) -> None:
    data = uids_only(sop_class, "1.2.3")
    if syntax.endswith("1.2.2"):
        data = b"".join(
            struct.pack(">HH2sH", 8, element, b"UI", len(encode_uid(uid))) + encode_uid(uid)
            for element, uid in ((0x16, sop_class), (0x18, "1.2.3"))
        )
    assert store(house, sop_class, "1.2.3", [data], syntax) == 0
    (arrival,) = house.told.wait(1)
    assert (arrival.sop_class_uid, arrival.transfer_syntax_uid) == (sop_class, syntax)


def test_hundreds_of_contexts_in_one_association(house: House) -> None:
    proposals = [(f"1.2.840.10008.5.1.4.1.1.{number}", EXPLICIT) for number in range(1000, 1128)]
    with Association.request(house.peer(), proposals) as association:
        assert len(association.contexts) == 128
        assert association.echo() in (0, 0x0122)


GROUP_0000 = struct.pack("<HH2sHH", 0, 0x0100, b"US", 2, 1)
PATIENT = struct.pack("<HH2sH", 0x10, 0x10, b"PN", 12) + b"SECRET^NAME "
REFUSED = {
    "instance differs": (uids_only(CT, "9.9.9"), 0xA900),
    "class differs": (uids_only("1.2.3", "1.2.3.4"), 0xA900),
    "no UIDs": (PATIENT, 0xC002),
    "truncated": (uids_only(CT, "1.2.3.4") + PATIENT[:-4], 0xC001),
    "garbage": (b"\x89PNG\r\n\x1a\n" * 40, 0xC001),
    "group 0000": (GROUP_0000 + uids_only(CT, "1.2.3.4"), 0xC003),
    "deep nesting": (
        uids_only(CT, "1.2.3.4")
        + struct.pack("<HH2sHLHHL", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF) * 10_000,
        0xC004,
    ),
    "directory": (uids_only(CT, "1.2.3.4") + struct.pack("<HH2sHL", 4, 0x1220, b"SQ", 0, 0), 0xC005),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_clear_status_and_nothing_kept(house: House, name: str) -> None:
    data, expected = REFUSED[name]
    with capture_logs() as logs:
        assert store(house, CT, "1.2.3.4", [data]) == expected
    assert house.names() == []
    assert "SECRET" not in str(logs)
    assert "1.2.3.4" not in str(logs)
    assert store(house, CT, "1.2.3.4", [uids_only(CT, "1.2.3.4")]) == 0


@pytest.mark.parametrize("uid", ["../../x", "/etc/cron.d/x", "1.2.3 4"])
def test_a_wire_uid_is_never_a_path(house: House, uid: str, tmp_path: Path) -> None:
    assert store(house, CT, uid, [uids_only(CT, uid)]) == 0
    (arrival,) = house.told.wait(1)
    assert arrival.sop_instance_uid == uid
    assert house.names() == [f"{arrival.identity}.sealed"]
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]


def test_no_space_is_out_of_resources_and_passes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    uid, data = data_set()
    with capture_logs():
        monkeypatch.setattr(house.spool, "_min_free_bytes", 1 << 62)
        assert store(house, CT, uid, [data]) == 0xA700
        monkeypatch.setattr(house.spool, "_min_free_bytes", 0)
    assert house.names() == []
    assert store(house, CT, uid, [data]) == 0


def test_success_comes_after_the_folder_is_synced(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the folder's fsync hangs there is no answer."""
    reached, go_on = threading.Event(), threading.Event()

    def hanging(path: Path) -> None:
        reached.set()
        assert go_on.wait(DEADLINE)

    monkeypatch.setattr(store_module, "fsync_folder", hanging)
    uid, data = data_set()
    answers: list[int] = []
    sender = threading.Thread(target=lambda: answers.append(store(house, CT, uid, [data])))
    sender.start()
    assert reached.wait(DEADLINE)
    assert answers == []
    go_on.set()
    sender.join(DEADLINE)
    assert answers == [0]
    assert [each.sop_instance_uid for each in house.spooled()] == [uid]


def test_who_is_told_of_arrivals_may_fail(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[SpooledInstance] = []

    def fail(instance: SpooledInstance) -> None:
        told.append(instance)
        raise RuntimeError("custody is away")

    monkeypatch.setattr(house.intake.acceptance, "_on_arrival", fail)
    uid, data = data_set()
    with capture_logs() as logs:
        assert [store(house, CT, uid, [data]) for _ in range(3)] == [0, 0, 0]
    assert [entry["error"] for entry in logs] == ["RuntimeError"] * 3
    assert [each.sop_instance_uid for each in told] == [uid] * 3
    assert len(house.spooled()) == 3
