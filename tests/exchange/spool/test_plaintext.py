"""Nothing of an instance lies on the disk in clear: not at rest, not on its way in, not set aside."""

import os
from pathlib import Path
from uuid import uuid4

from structlog.testing import capture_logs

from exchange.spool.envelope import CHUNK
from exchange.spool.store import Spool
from tests.exchange.spool.house import KEK, NOW, SYNTAX, context, put

NAME = b"PLANTED^PATIENT"
UID = "2.25.31415926535897932384626433"
CLASS = "1.2.840.10008.5.1.4.1.1.2.27182818"
PIXELS = bytes(range(256)) * 64
CALLER, PEER = "PLANTEDCALLER", "planted-peer"
PLANTED = (NAME, UID.encode(), CLASS.encode(), PIXELS[:64], PIXELS[100:164], CALLER.encode(), PEER.encode())


def planted_data() -> bytes:
    return NAME + os.urandom(8) + PIXELS * (2 * CHUNK // len(PIXELS)) + NAME


def found(root: Path) -> list[str]:
    """Where a planted text or pattern stands, in names as well as in contents."""
    hits = []
    for path in root.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        hits += [
            path.name for one in PLANTED if one in content or one in str(path.relative_to(root)).encode()
        ]
    return hits


def test_the_look_finds_what_lies_in_clear(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\0" + PIXELS)
    (tmp_path / UID).mkdir()
    assert set(found(tmp_path)) == {"x", UID}


def test_nothing_in_clear_at_any_moment(tmp_path: Path) -> None:
    spool = Spool(tmp_path, kek=KEK)
    data = planted_data()
    arrival = context(CALLER, peer=PEER, calling_ae=CALLER)
    with spool.begin(CLASS, UID, SYNTAX, arrival) as writer:
        for at in range(0, len(data), 70_000):
            writer.write(data[at : at + 70_000])
            assert found(tmp_path) == []
        assert (tmp_path / "incoming" / f"{arrival.arrival_id}.part").stat().st_size > CHUNK
        with writer.written() as stream:
            assert NAME in stream.read(4096)
        assert found(tmp_path) == []
        first = writer.commit(NOW)
    assert found(tmp_path) == []
    with spool.begin(CLASS, UID, SYNTAX, context(CALLER, peer=PEER)) as writer:
        writer.write(data)
        second = writer.commit(NOW)
    assert second.duplicate
    assert found(tmp_path) == []
    raw = bytearray(spool.path(first.identity).read_bytes())
    raw[300] ^= 1
    spool.path(first.identity).write_bytes(raw)
    with capture_logs() as logs:
        assert list(spool.index()) == []
    assert spool.quarantined() == 2
    assert found(tmp_path) == []
    assert not any(one.decode("latin-1") in repr(logs) for one in PLANTED[:3])


def test_reprs_show_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, kek=KEK)
    with spool.begin(CLASS, UID, SYNTAX, context()) as writer:
        writer.write(NAME)
        shown = repr(writer) + repr(writer.written())
    assert NAME.decode() not in shown
    stored = put(spool, NAME + uuid4().bytes)
    assert repr(stored.wrapped_key) not in repr(stored)
