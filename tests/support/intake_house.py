"""A running DICOM intake with a plain and a TLS port, and callers that keep to no rules."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydicom.data import get_testdata_file

from exchange.dicomio.examine import examine
from exchange.dicomio.filemeta import encode_uid
from exchange.dimse import commands
from exchange.dimse.association import Association
from exchange.dimse.negotiation import encode_request
from exchange.dimse.peer import DicomPeer
from exchange.dimse.tls import server_context
from exchange.domain.instance import SpooledInstance
from exchange.domain.notices import CommitmentReport, StudyNotice
from exchange.intake.dicom import DicomIntake
from exchange.intake.listener import DicomListener, IntakeLimits
from exchange.spool.store import Spool
from tests.support.certificates import Certificates
from tests.support.ports import HOST

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
DEADLINE = 20.0  # seconds: generous, nothing waits this long when it works
TITLES = frozenset({"TELERAD", "REGISTRY"})
COMMAND = commands.c_store_rq(1, CT, "1.2.3.4")
LIMITS = IntakeLimits(associations=8, artim_seconds=0.6, network_seconds=0.8)


@dataclass
class Told:
    """Collects what the intake tells of, and lets a test wait for it.

    Attributes:
        failure: Raised by the two callbacks that are waited for, when set.
    """

    arrivals: list[SpooledInstance] = field(default_factory=list)
    notices: list[StudyNotice] = field(default_factory=list)
    commitments: list[CommitmentReport] = field(default_factory=list)
    failure: Exception | None = None
    changed: threading.Condition = field(default_factory=threading.Condition)

    def arrival(self, instance: SpooledInstance) -> None:
        with self.changed:
            self.arrivals.append(instance)
            self.changed.notify_all()

    def notice(self, notice: StudyNotice) -> None:
        if self.failure is not None:
            raise self.failure
        self.notices.append(notice)

    def commitment(self, report: CommitmentReport) -> None:
        if self.failure is not None:
            raise self.failure
        self.commitments.append(report)

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
        """The files of instances, unfinished ones included."""
        folders = [*self.spool.root.glob("[0-9a-f][0-9a-f]"), self.spool.root / "incoming"]
        return sorted(path.name for folder in folders for path in folder.iterdir())


def identify(calling_ae: str, address: str, certificate_sha256: str) -> str:
    assert address == HOST
    return f"peer-{calling_ae.lower()}{'-tls' if certificate_sha256 else ''}"


def build(folder: Path, certificates: Certificates, limits: IntakeLimits = LIMITS) -> House:
    """An intake that is not started yet."""
    identity = certificates.server
    tls = server_context(identity.cert, identity.key, certificates.ca)
    spool, told = Spool(folder / "spool", kek=bytes(32)), Told()
    intake = DicomIntake(
        [DicomListener(HOST, 0, TITLES, None, limits), DicomListener(HOST, 0, TITLES, tls, limits)],
        spool,
        lambda: datetime.now(UTC),
        identify,
        told.arrival,
        on_notice=told.notice,
        on_commitment=told.commitment,
    )
    return House(intake, spool, told, certificates)


def intake_threads() -> list[str]:
    """Threads of an intake that still run."""
    return [each.name for each in threading.enumerate() if each.name.startswith("intake")]


def local(name: str) -> Path:
    """A file of pydicom's own."""
    return Path(str(get_testdata_file(name)))


def data_set(name: str = "CT_small.dcm") -> tuple[str, bytes]:
    """SOP Instance UID and data set bytes of a file."""
    layout = examine(local(name))
    return layout.sop_instance_uid, local(name).read_bytes()[layout.dataset_offset :]


def uids_only(sop_class: str, instance: str) -> bytes:
    """The smallest data set that is an instance, explicit VR little endian."""
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
    """C-STORE over an association of its own; the status."""
    with Association.request(house.peer(called), [(sop_class, syntax)]) as association:
        return association.store(association.contexts[sop_class, syntax], sop_class, instance, data)


def store_good(house: House) -> int:
    """C-STORE of one small instance, as anybody else's."""
    return store(house, CT, "1.2.3.4", [uids_only(CT, "1.2.3.4")])


# Callers on raw sockets


def connect(house: House, *, associate: bool = True) -> socket.socket:
    raw = socket.create_connection((HOST, house.port), timeout=DEADLINE)
    if associate:
        raw.sendall(encode_request(house.peer(), [(CT, EXPLICIT)]))
        assert raw.recv(1) == b"\x02"
        raw.recv(65536)
    return raw


def reset(raw: socket.socket) -> None:
    """Close with a TCP reset."""
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


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


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Poll a condition of other threads until it holds."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def wait_for_one_file(house: House) -> None:
    """Only one good store is left, once a bad association's thread is through."""
    wait_for(lambda: [name[64:] for name in house.names()] == [".sealed"], "one file and nothing else")
