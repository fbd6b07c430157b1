"""An upgrade: plain files of version 1 are sealed, and nothing is lost at any moment."""

import json
import os
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from exchange.dicomio.filemeta import encode_file_meta
from exchange.domain.errors import SpoolFullError
from exchange.domain.instance import identity_hash
from exchange.spool.store import Spool
from exchange.spool.takeover import CREATOR_UID
from tests.exchange.spool.house import CLASS, KEK, NOW, SYNTAX, UID, dataset, files

NAME = b"PLANTED^PATIENT"


def record(byte_count: int, arrival_id: str, seconds: int = 0) -> bytes:
    """A record of version 1."""
    arrival = {
        "arrival_id": arrival_id,
        "protocol": "dimse",
        "called_ae": "TELERAD",
        "calling_ae": "PACS",
        "peer": "pacs",
        "peer_address": "10.0.0.1",
        "received_at": (NOW + timedelta(seconds=seconds)).isoformat(timespec="microseconds").ljust(32),
        "peer_certificate_sha256": "",
    }
    fields = {"sop_class_uid": CLASS, "sop_instance_uid": UID, "transfer_syntax_uid": SYNTAX}
    whole = {"schema": "lockgate.arrival/1", **fields, "byte_count": f"{byte_count:>20}", "arrival": arrival}
    return json.dumps(whole).encode("ascii")


def plain(root: Path, data: bytes, arrival_id: str) -> Path:
    """A spool file of version 1."""
    state = identity_hash(CLASS, UID, SYNTAX)
    state.update(data)
    identity = state.hexdigest()
    path = root / identity[:2] / f"{identity}.dcm"
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = encode_file_meta(CLASS, UID, SYNTAX, (CREATOR_UID, record(len(data), arrival_id)))
    path.write_bytes(meta + data)
    return path


def in_clear(root: Path) -> bool:
    return any(NAME in (root / name).read_bytes() for name in files(root))


def test_a_plain_file_and_its_arrivals_are_sealed(tmp_path: Path) -> None:
    data = NAME + os.urandom(600_000)
    first, further = uuid4().hex, uuid4().hex
    path = plain(tmp_path, data, first)
    path.with_name(f"{path.stem}.{further}.arrival").write_bytes(record(len(data), further, 1))
    spool = Spool(tmp_path, kek=KEK)
    one, two = spool.index()
    assert (one.arrival.arrival_id, two.arrival.arrival_id) == (first, further)
    assert (one.duplicate, two.duplicate) == (False, True)
    assert one.arrival.received_at == NOW
    assert two.arrival.received_at == NOW + timedelta(seconds=1)
    assert one.byte_count == two.byte_count == len(data)
    assert dataset(spool, one) == data
    assert not path.exists()
    assert not in_clear(tmp_path)
    assert list(spool.index()) == [one, two]
    spool.indexed([one, two])


def test_a_crash_after_sealing_leaves_both_and_is_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = plain(tmp_path, NAME, uuid4().hex)
    spool = Spool(tmp_path, kek=KEK)
    monkeypatch.setattr("exchange.spool.takeover.drop", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        list(spool.index())
    monkeypatch.undo()
    assert path.exists()
    spool.close()
    again = Spool(tmp_path, kek=KEK)
    (one,) = again.index()
    assert dataset(again, one) == NAME
    assert not path.exists()


def test_a_full_disk_leaves_the_plain_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plain(tmp_path, NAME, uuid4().hex)
    before = path.read_bytes()
    spool = Spool(tmp_path, kek=KEK)

    def full(*_: object) -> int:
        raise OSError(28, "injected")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(SpoolFullError):
        list(spool.index())
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert len(list(spool.index())) == 1


@pytest.mark.parametrize("damage", ["flip", "cut", "foreign", "name"])
def test_a_broken_plain_file_goes_to_quarantine(tmp_path: Path, damage: str) -> None:
    path = plain(tmp_path, b"pixels", uuid4().hex)
    raw = path.read_bytes()
    if damage == "name":
        path.rename(path.with_name(f"{path.stem[:2]}{'0' * 62}.dcm"))
    else:
        broken = {"flip": raw[:-1] + b"X", "cut": raw[:-1], "foreign": bytes(128) + b"DICM"}[damage]
        path.write_bytes(broken)
    spool = Spool(tmp_path, kek=KEK)
    with capture_logs() as logs:
        assert list(spool.index()) == []
    assert [entry["event"] for entry in logs] == ["spool.quarantined"]
    assert spool.quarantined() == 1
