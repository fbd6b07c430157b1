"""The intake: Success means durable; whatever a caller does, the others are served."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file
from structlog.testing import capture_logs

from exchange import spool as spool_module
from exchange.dicomio.examine import examine
from exchange.dicomio.filemeta import encode_uid
from exchange.dimse import commands
from exchange.dimse.association import Association, AssociationLost
from exchange.dimse.negotiation import encode_request
from exchange.dimse.peer import DicomPeer
from exchange.dimse.tls import server_context
from exchange.domain.errors import PeerRefused, PeerUnavailable
from exchange.domain.instance import SpooledInstance
from exchange.intake.dicom import DicomIntake
from exchange.intake.listener import DicomListener, IntakeLimits
from exchange.spool import Spool
from tests.support import dcmtk
from tests.support.certificates import Certificates, make_certificates
from tests.support.ports import HOST

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
PRIVATE_CLASS, PRIVATE_SYNTAX = "1.3.12.2.1107.5.9.1", "1.3.46.670589.33.1.4.1"
DEADLINE = 20.0  # seconds: generous, nothing waits this long when it works
needs_dcmtk = pytest.mark.skipif(not dcmtk.available(), reason="DCMTK is not installed (apt install dcmtk)")


@dataclass
class Told:
    """Collects arrivals and lets a test wait for them."""

    arrivals: list[SpooledInstance] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, instance: SpooledInstance) -> None:
        with self.changed:
            self.arrivals.append(instance)
            self.changed.notify_all()

    def wait(self, count: int) -> list[SpooledInstance]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.arrivals) >= count, DEADLINE)
            return list(self.arrivals)


@dataclass
class House:
    """A running intake with a plain and a TLS port."""

    intake: DicomIntake
    spool: Spool
    told: Told
    certificates: Certificates

    @property
    def port(self) -> int:
        return self.intake.ports[0]

    @property
    def tls_port(self) -> int:
        return self.intake.ports[1]

    def peer(self, called_ae: str = "TELERAD") -> DicomPeer:
        return DicomPeer(called_ae, HOST, self.port, calling_ae="PACS")

    def spooled(self) -> list[SpooledInstance]:
        return list(self.spool.index())

    def names(self) -> list[str]:
        return sorted(path.name for path in self.spool.root.rglob("*") if path.is_file())


def identify(calling_ae: str, address: str, certificate_sha256: str) -> str:
    assert address == HOST
    return f"peer-{calling_ae.lower()}{'-tls' if certificate_sha256 else ''}"


def build(tmp_path: Path, certificates: Certificates, limits: IntakeLimits) -> House:
    titles = frozenset({"TELERAD", "REGISTRY"})
    identity = certificates.server
    tls = server_context(identity.cert, identity.key, certificates.ca)
    spool, told = Spool(tmp_path / "spool"), Told()
    intake = DicomIntake(
        [DicomListener(HOST, 0, titles, None, limits), DicomListener(HOST, 0, titles, tls, limits)],
        spool,
        lambda: datetime.now(UTC),
        identify,
        told,
    )
    return House(intake, spool, told, certificates)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def house(tmp_path: Path, certificates: Certificates) -> Iterator[House]:
    limits = IntakeLimits(associations=8, artim_seconds=1.0, network_seconds=1.5)
    house = build(tmp_path, certificates, limits)
    house.intake.start()
    yield house
    house.intake.stop(5.0)
    assert not [each.name for each in threading.enumerate() if each.name.startswith(("intake", "Acceptor"))]


def local(name: str) -> Path:
    return Path(str(get_testdata_file(name)))


def data_set(name: str = "CT_small.dcm") -> tuple[str, bytes]:
    """SOP Instance UID and data set bytes of a file."""
    layout = examine(local(name))
    return layout.sop_instance_uid, local(name).read_bytes()[layout.dataset_offset :]


def uids_only(sop_class: str, instance: str) -> bytes:
    parts = []
    for element, uid in ((0x16, sop_class), (0x18, instance)):
        value = encode_uid(uid)
        parts.append(struct.pack("<HH2sH", 8, element, b"UI", len(value)) + value)
    return b"".join(parts)


def store(
    house: House,
    sop_class: str,
    instance: str,
    data: Iterable[bytes],
    syntax: str = EXPLICIT,
    called: str = "TELERAD",
) -> int:
    with Association.request(house.peer(called), [(sop_class, syntax)]) as association:
        return association.store(association.contexts[sop_class, syntax], sop_class, instance, data)


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
        house.spool.verify(each.identity)
        assert examine(house.spool.path(each.identity)).sop_instance_uid == each.sop_instance_uid


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
    assert len([name for name in house.names() if name.endswith(".dcm")]) == 1


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
    assert house.names() == [f"{arrival.identity}.dcm"]
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
    """While the folder's fsync hangs there is no answer; what lies there then is found by an index."""
    reached, go_on = threading.Event(), threading.Event()

    def hanging(path: Path) -> None:
        reached.set()
        assert go_on.wait(DEADLINE)

    monkeypatch.setattr(spool_module, "fsync_folder", hanging)
    uid, data = data_set()
    answers: list[int] = []
    sender = threading.Thread(target=lambda: answers.append(store(house, CT, uid, [data])))
    sender.start()
    assert reached.wait(DEADLINE)
    assert answers == []
    assert [each.sop_instance_uid for each in Spool(house.spool.root).index()] == [uid]
    go_on.set()
    sender.join(DEADLINE)
    assert answers == [0]


def test_a_slow_listener_of_arrivals_delays_nobody(tmp_path: Path, certificates: Certificates) -> None:
    house = build(tmp_path, certificates, IntakeLimits())
    stuck = threading.Event()

    def slow(instance: SpooledInstance) -> None:
        stuck.wait(DEADLINE)
        raise RuntimeError("custody is away")

    house.intake._on_arrival = slow
    house.intake.start()
    uid, data = data_set()
    assert [store(house, CT, uid, [data]) for _ in range(3)] == [0, 0, 0]
    stuck.set()
    with capture_logs() as logs:
        house.intake.stop(5.0)
    assert [entry["error"] for entry in logs] == ["RuntimeError"] * 3


# Misbehaving callers, on raw sockets


def connect(house: House, *, associate: bool = True) -> socket.socket:
    raw = socket.create_connection((HOST, house.port), timeout=DEADLINE)
    if associate:
        raw.sendall(encode_request(house.peer(), [(CT, EXPLICIT)]))
        assert raw.recv(1) == b"\x02"
        raw.recv(65536)
    return raw


def pdata(control: int, fragment: bytes, context_id: int = 1) -> bytes:
    item = struct.pack(">LBB", len(fragment) + 2, context_id, control) + fragment
    return struct.pack(">BxL", 4, len(item)) + item


def read_to_end(raw: socket.socket) -> bytes:
    received = b""
    try:
        while piece := raw.recv(65536):
            received += piece
    except ConnectionError:
        pass
    return received


COMMAND = commands.c_store_rq(1, CT, "1.2.3.4")
SCRIPTS = {
    "nothing at all": (False, b""),
    "half an A-ASSOCIATE": (False, encode_request(DicomPeer("TELERAD", HOST, 1), [(CT, EXPLICIT)])[:90]),
    "an HTTP request": (False, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "random bytes": (False, bytes(range(256)) * 8),
    "a giant PDU length": (True, struct.pack(">BxL", 4, 0xFFFFFFFF) + b"x" * 1000),
    "half a PDU": (True, pdata(3, COMMAND)[:40]),
    "a command that is no command": (True, pdata(3, b"\xff" * 64)),
    "a data set without a command": (True, pdata(2, b"data")),
    "an endless command": (True, b"".join(pdata(1, bytes(16_000)) for _ in range(8))),
    "an unknown context": (True, pdata(3, COMMAND, 77) + pdata(2, b"data", 77)),
    "an empty fragment": (True, struct.pack(">BxLL", 4, 4, 0)),
    "a store that stops in the middle": (True, pdata(3, COMMAND) + pdata(0, b"half of it")),
    "a query where only stores are": (
        True,
        pdata(
            3, COMMAND.replace(struct.pack("<HHLH", 0, 0x100, 2, 1), struct.pack("<HHLH", 0, 0x100, 2, 0x20))
        )
        + pdata(0, b"an identifier"),
    ),
}


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        *((name, "silence") for name in SCRIPTS),
        *(
            (name, ending)
            for name in SCRIPTS
            if "half" in name or "middle" in name
            for ending in ("close", "reset")
        ),
    ],
)
def test_misbehaving_callers_are_ended_and_leave_nothing(house: House, name: str, ending: str) -> None:
    associate, script = SCRIPTS[name]
    with capture_logs(), connect(house, associate=associate) as raw:
        raw.sendall(script)
        if ending == "reset":
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif ending == "silence":
            read_to_end(raw)  # the intake must end it, by its own timers
        raw.close()
        assert store(house, CT, "1.2.3.4", [uids_only(CT, "1.2.3.4")]) == 0
        wait_for_one_file(house)


def wait_for_one_file(house: House) -> None:
    """Only the good store is left, once the bad association's thread is through."""
    end = time.monotonic() + DEADLINE
    while [name[64:] for name in house.names()] != [".dcm"]:
        assert time.monotonic() < end, house.names()
        time.sleep(0.02)


def test_a_silent_tls_caller_does_not_block_the_port(house: House) -> None:
    with socket.create_connection((HOST, house.tls_port), timeout=DEADLINE) as silent:
        silent.sendall(b"\x16")
        if dcmtk.available():
            known = house.certificates.client
            answer = dcmtk.echoscu(
                house.tls_port, called_ae="TELERAD", ca=house.certificates.ca, identity=known
            )
            assert answer.returncode == 0


def test_too_many_associations_are_refused_for_now(house: House) -> None:
    opened = [connect(house) for _ in range(8)]
    with pytest.raises(PeerUnavailable) as caught:
        store(house, CT, "1.2.3.4", [uids_only(CT, "1.2.3.4")])
    assert not isinstance(caught.value, PeerRefused)
    for raw in opened:
        raw.close()


# Stopping


def test_stop_lets_a_running_store_end(house: House) -> None:
    uid, data = data_set()
    half, stopping, answers = threading.Event(), threading.Event(), list[int]()

    def slowly() -> Iterator[bytes]:
        yield data[:20_000]
        half.set()
        assert stopping.wait(DEADLINE)
        yield data[20_000:]

    sender = threading.Thread(target=lambda: answers.append(store(house, CT, uid, slowly())))
    sender.start()
    assert half.wait(DEADLINE)
    stopper = threading.Thread(target=house.intake.stop, args=(DEADLINE,))
    stopper.start()
    end = time.monotonic() + DEADLINE
    while True:  # until the port refuses
        try:
            socket.create_connection((HOST, house.port), timeout=1).close()
        except OSError:
            break
        assert time.monotonic() < end
    stopping.set()
    sender.join(DEADLINE)
    stopper.join(DEADLINE)
    assert answers == [0]
    assert [each.sop_instance_uid for each in house.spooled()] == [uid]


def test_stop_cuts_off_after_the_grace(house: House) -> None:
    with connect(house) as raw, capture_logs() as logs:
        raw.sendall(pdata(3, COMMAND) + pdata(0, b"half of it"))
        end = time.monotonic() + DEADLINE
        while not house.names():  # the fragment has arrived
            assert time.monotonic() < end
            time.sleep(0.01)
        house.intake.stop(0.2)
        assert "intake.cut_off" in [entry["event"] for entry in logs]
        assert read_to_end(raw)[:1] in (b"\x07", b"")
    assert house.names() == []


def test_a_taken_port_is_told_and_leaves_nothing_open(house: House, tmp_path: Path) -> None:
    listeners = [DicomListener(HOST, 0, frozenset({"A"})), DicomListener(HOST, house.port, frozenset({"A"}))]
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        listeners[1] = DicomListener(HOST, taken.getsockname()[1], frozenset({"A"}))
        intake = DicomIntake(listeners, house.spool, lambda: datetime.now(UTC), identify, house.told)
        with pytest.raises(OSError, match="in use"):
            intake.start()
        intake.stop(1.0)


def test_a_lost_association_says_so(house: House) -> None:
    with pytest.raises(AssociationLost), Association.request(house.peer(), [(CT, EXPLICIT)]) as association:
        association.store(77, CT, "1.2.3.4", [b"x"])
