"""Whatever a caller does, it is ended properly, nothing of it is left, and the others are served."""

import os
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exchange.dimse.association import Association
from exchange.dimse.negotiation import encode_request
from exchange.dimse.peer import DicomPeer
from exchange.domain.errors import PeerRefused, PeerUnavailable
from tests.support import dcmtk
from tests.support.certificates import Certificates
from tests.support.intake_house import (
    COMMAND,
    CT,
    DEADLINE,
    EXPLICIT,
    LIMITS,
    House,
    build,
    connect,
    data_set,
    intake_threads,
    pdata,
    read_to_end,
    reset,
    store,
    store_good,
    uids_only,
    wait_for,
    wait_for_one_file,
)
from tests.support.ports import HOST

REQUEST = encode_request(DicomPeer("TELERAD", HOST, 1), [(CT, EXPLICIT)])
A_RELEASE_RQ, A_RELEASE_RP = bytes.fromhex("05000000000400000000"), bytes.fromhex("06000000000400000000")
A_ABORT = bytes.fromhex("07000000000400000000")


def aborted(source: int, reason: int) -> bytes:
    return bytes([7, 0, 0, 0, 0, 4, 0, 0, source, reason])


def operation(number: int) -> bytes:
    """The command set of a C-STORE with another command field."""
    return COMMAND.replace(struct.pack("<HHLH", 0, 0x100, 2, 1), struct.pack("<HHLH", 0, 0x100, 2, number))


# name: (whether an association comes first, what is sent, the last PDU of the answer)
UNRECOGNIZED, UNEXPECTED = aborted(2, 1), aborted(2, 2)
UNEXPECTED_PARAMETER, INVALID = aborted(2, 5), aborted(2, 6)
USER = aborted(0, 0)
SCRIPTS: dict[str, tuple[bool, bytes, bytes]] = {
    "nothing at all": (False, b"", b""),
    "half an A-ASSOCIATE": (False, REQUEST[:90], b""),
    "an HTTP request": (False, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", USER),
    "random bytes": (False, bytes(range(256)) * 8, USER),
    "an A-ASSOCIATE without items": (False, struct.pack(">BxLHxx", 1, 68, 1) + REQUEST[10:74], b""),
    "an A-ASSOCIATE that breaks off": (False, struct.pack(">BxL", 1, 90) + REQUEST[6:96], USER),
    "an endless A-ASSOCIATE": (False, struct.pack(">BxL", 1, 1 << 30) + bytes(1000), USER),
    "data before an association": (False, pdata(3, COMMAND), USER),
    "a second A-ASSOCIATE": (True, REQUEST, UNEXPECTED),
    "an A-ASSOCIATE-AC": (True, b"\2" + REQUEST[1:], UNEXPECTED),
    "an A-RELEASE-RP": (True, A_RELEASE_RP, UNEXPECTED),
    "an unknown PDU type": (True, struct.pack(">BxL", 0x77, 4) + bytes(4), UNRECOGNIZED),
    "a giant PDU length": (True, struct.pack(">BxL", 4, 0xFFFFFFFF) + b"x" * 1000, INVALID),
    "a giant A-RELEASE": (True, struct.pack(">BxL", 5, 0xFFFFFFFF), INVALID),
    "a PDU of length zero": (True, struct.pack(">BxL", 4, 0), INVALID),
    "a fragment of length zero": (True, struct.pack(">BxLL", 4, 4, 0) + bytes(8), INVALID),
    "a fragment longer than its PDU": (True, struct.pack(">BxLLBB", 4, 6, 99, 1, 3), INVALID),
    "half a PDU": (True, pdata(3, COMMAND)[:40], USER),
    "half a PDU header": (True, b"\4\0\0", USER),
    "a command that is no command": (True, pdata(3, b"\xff" * 64), USER),
    "an empty command": (True, pdata(3, b""), USER),
    "a response to nothing": (True, pdata(3, operation(0x8001)), USER),
    "a data set without a command": (True, pdata(2, b"data"), UNEXPECTED_PARAMETER),
    "a command instead of its data set": (True, pdata(3, COMMAND) * 2, UNEXPECTED_PARAMETER),
    "an endless command": (True, b"".join(pdata(1, bytes(16_000)) for _ in range(8)), INVALID),
    "an unknown context": (True, pdata(3, COMMAND, 77) + pdata(2, b"data", 77), INVALID),
    "a context that changes": (True, pdata(3, COMMAND) + pdata(2, b"data", 3), UNEXPECTED_PARAMETER),
    "a store that stops in the middle": (True, pdata(3, COMMAND) + pdata(0, b"half of it"), USER),
    "a release in the middle": (True, pdata(3, COMMAND) + pdata(0, b"half") + A_RELEASE_RQ, A_RELEASE_RP),
    "an abort in the middle": (True, pdata(3, COMMAND) + pdata(0, b"half") + A_ABORT, b""),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_misbehaving_callers_are_ended_and_leave_nothing(house: House, name: str) -> None:
    associate, script, expected = SCRIPTS[name]
    with capture_logs() as logs, connect(house, associate=associate) as raw:
        raw.sendall(script)
        ending = read_to_end(raw)  # the intake must end it, by its own timers
        if "without items" in name:
            assert ending[0] == 3  # rejected: no application context
        else:
            assert ending == expected
        raw.close()
        assert store_good(house) == 0
        wait_for_one_file(house)
    assert "1.2.3.4" not in str(logs)


@pytest.mark.parametrize("name", [name for name in SCRIPTS if "half" in name or "middle" in name])
@pytest.mark.parametrize("ending", [socket.socket.close, reset])
def test_connections_that_break_leave_nothing(
    house: House, name: str, ending: Callable[[socket.socket], None]
) -> None:
    associate, script, _ = SCRIPTS[name]
    with capture_logs():
        raw = connect(house, associate=associate)
        raw.sendall(script)
        ending(raw)
        assert store_good(house) == 0
        wait_for_one_file(house)


@pytest.mark.parametrize("stalled_at", [3, 10, 200, 5000])
def test_a_stall_ends_by_the_idle_timer_and_delays_nobody(house: House, stalled_at: int) -> None:
    uid, data = data_set()
    message = pdata(3, COMMAND) + pdata(2, data)
    with capture_logs() as logs, connect(house) as raw:
        raw.sendall(message[:stalled_at])
        assert store(house, CT, uid, [data]) == 0
        assert read_to_end(raw) == USER
    assert [entry["event"] for entry in logs] == ["intake.silence"]
    wait_for_one_file(house)


def test_a_slow_caller_that_keeps_sending_is_served(house: House) -> None:
    """Each piece comes in time, all of them together take longer than the idle timer."""
    pause = threading.Event()
    message = pdata(3, COMMAND) + pdata(2, uids_only(CT, "1.2.3.4"))
    with connect(house) as raw:
        for start in range(0, len(message), 30):
            raw.sendall(message[start : start + 30])
            pause.wait(0.2)
        assert raw.recv(1) == b"\x04"
    house.told.wait(1)


@pytest.mark.parametrize("pieces", [1, 7, 100])
def test_fragments_of_any_size(house: House, pieces: int) -> None:
    _, data = data_set()
    step = -(-len(data) // pieces)
    parts = [data[start : start + step] for start in range(0, len(data), step)]
    with connect(house) as raw:
        raw.sendall(pdata(1, COMMAND[:30]) + pdata(1, b"") + pdata(3, COMMAND[30:]))
        raw.sendall(b"".join(pdata(0, part) for part in parts) + pdata(2, b""))
        # The announced UID is another one: the answer shows that all bytes were understood.
        assert struct.pack("<HHLH", 0, 0x900, 2, 0xA900) in raw.recv(65536)


def test_operations_that_are_not_served_are_answered(house: House) -> None:
    with connect(house) as raw:
        raw.sendall(pdata(3, operation(0x20)) + pdata(2, b"an identifier"))
        assert struct.pack("<HHLH", 0, 0x900, 2, 0x0211) in raw.recv(65536)
        raw.sendall(pdata(3, operation(0x0FFF).replace(b"\0\0\0\x08\2\0\0\0\0\0", b"\0\0\0\x08\2\0\0\0\1\1")))
        raw.sendall(pdata(3, COMMAND) + pdata(2, uids_only(CT, "1.2.3.4")))
        assert struct.pack("<HHLH", 0, 0x900, 2, 0) in raw.recv(65536)
        raw.sendall(A_RELEASE_RQ)
        assert raw.recv(65536) == A_RELEASE_RP


def test_a_lost_answer_costs_one_arrival_more(house: House) -> None:
    """The caller is gone when its answer comes; what it sent is kept, and a re-send is another arrival."""
    with capture_logs():
        raw = connect(house)
        raw.sendall(pdata(3, COMMAND) + pdata(2, uids_only(CT, "1.2.3.4")))
        reset(raw)
        first = house.told.wait(1)[0]
        assert store_good(house) == 0
    again = house.told.wait(2)[1]
    assert (again.identity, again.duplicate) == (first.identity, True)
    assert [each.duplicate for each in house.spooled()] == [False, True]


def test_a_data_set_over_the_cap_is_read_and_refused(tmp_path: Path, certificates: Certificates) -> None:
    house = build(tmp_path, certificates, replace(LIMITS, instance_bytes=100_000))
    house.intake.start()
    whole = uids_only(CT, "1.2.3.4")
    big = whole + struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 300_000) + bytes(300_000)
    proposal = (CT, EXPLICIT)
    with capture_logs(), Association.request(house.peer(), [proposal]) as association:
        context_id = association.contexts[proposal]
        assert association.store(context_id, CT, "1.2.3.4", [big]) == 0xC004
        assert house.names() == []
        assert association.store(context_id, CT, "1.2.3.4", [whole]) == 0
    house.intake.stop(1.0)
    house.spool.close()


def test_a_silent_tls_caller_does_not_block_the_port(house: House) -> None:
    with capture_logs(), socket.create_connection((HOST, house.tls_port), timeout=DEADLINE) as silent:
        silent.sendall(b"\x16")
        if dcmtk.available():
            known = house.certificates.client
            answer = dcmtk.echoscu(
                house.tls_port, called_ae="TELERAD", ca=house.certificates.ca, identity=known
            )
            assert answer.returncode == 0
        assert read_to_end(silent) == b""


def test_too_many_associations_are_refused_for_now(house: House) -> None:
    opened = [connect(house) for _ in range(LIMITS.associations)]
    with capture_logs():
        with pytest.raises(PeerUnavailable, match="local limit") as caught:
            store_good(house)
        assert not isinstance(caught.value, PeerRefused)
        crowd = [connect(house, associate=False) for _ in range(LIMITS.associations)]
        with connect(house, associate=False) as beyond:
            assert read_to_end(beyond) == b""
        for raw in (*opened, *crowd):
            raw.close()
        wait_for(lambda: intake_threads().count("intake-association") == 0, "the ends of all associations")
    assert store_good(house) == 0


def test_two_hundred_idle_associations_and_a_good_one(tmp_path: Path, certificates: Certificates) -> None:
    limits = replace(LIMITS, associations=256, network_seconds=DEADLINE, artim_seconds=DEADLINE)
    house = build(tmp_path, certificates, limits)
    house.intake.start()
    idle = [connect(house) for _ in range(200)]
    uid, data = data_set()
    assert [store(house, CT, uid, [data]) for _ in range(3)] == [0, 0, 0]
    house.intake.stop(1.0)
    for raw in idle:
        assert read_to_end(raw) in (A_ABORT, b"")
        raw.close()
    house.spool.close()
    assert not intake_threads()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_abort_storms_leave_nothing_open(house: House) -> None:
    """300 associations that end in every way; threads and descriptors are as before."""
    assert store_good(house) == 0
    before = open_files()
    with capture_logs():
        for number in range(200):
            raw = connect(house)
            raw.sendall(A_ABORT)
            (reset if number % 2 else socket.socket.close)(raw)
        for _ in range(50):
            with connect(house) as raw:
                raw.sendall(pdata(3, COMMAND) + b"\x77\0\0\0\0\0")
                assert read_to_end(raw) == UNRECOGNIZED
        for _ in range(50):
            assert store_good(house) == 0
        wait_for(lambda: intake_threads().count("intake-association") == 0, "the ends of all associations")
    assert open_files() <= before
