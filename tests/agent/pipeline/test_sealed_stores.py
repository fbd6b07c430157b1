"""Nothing that names a patient lies in clear in the state folder; erased is erased; upgrades lose nothing."""

import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agent.custody.arrivals import instance_keys, members
from agent.custody.attempts import frozen_of
from agent.custody.records import InstanceKey, Location
from agent.daemon.arrivals import index_spool
from agent.pipeline.indexing import index
from agent.pipeline.retire import retire_due
from agent.pipeline.sources import frozen_source, member_source
from exchange.dicomio.digest import dataset_sha256, pixel_sha256
from exchange.dicomio.examine import examine
from exchange.dicomio.stream import open_binary
from exchange.domain.errors import SpoolError
from exchange.domain.exchange import ExchangeState
from exchange.spool.store import Spool
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.house import House, encoded
from tests.support.small_studies import PATIENT, instance_uid, make_instance, make_study, study_uid

RETAINED = "deidentify: none\n    reason: the partner treats the patient"
TAKEN = ("deidentify: {profile: headers, pseudonym_domain: outgoing}", RETAINED)


@pytest.fixture
def retained(make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch) -> House:
    """A house whose route sends the bytes as they came."""
    from tests.agent.pipeline import house as module

    monkeypatch.setattr(module, "SITE", module.SITE.replace(*TAKEN))
    return make_house()


def in_clear(house: House) -> list[str]:
    """Files of the state folder that hold a name, an id or the pixels of the first two studies."""
    pixels = [make_instance(study).PixelData[100:164] for study in (1, 2)]
    planted = [*(one.encode() for one in PATIENT), *pixels]
    state = house.appliance.folders.state
    return [
        str(path.relative_to(state))
        for path in state.rglob("*")
        if path.is_file() and any(one in path.read_bytes() for one in planted)
    ]


def test_bytes_that_leave_as_they_came_are_not_copied(retained: House) -> None:
    house = retained
    one = house.through(make_study(1))
    assert one.state is ExchangeState.CLOSED
    assert not [path for path in house.appliance.folders.frozen.rglob("*") if path.is_file()]
    rows = frozen_of(house.appliance.custody, one.exchange_id)
    assert [(row.location, row.path) for row in rows] == [(Location.SPOOL, "")] * 2
    for row in rows:
        source = frozen_source(house.appliance, row)
        assert row.sha256 == dataset_sha256(source)
        assert row.pixel_sha256 == pixel_sha256(examine(source))
    sent = house.delivered()
    assert len(sent) == 2
    for number in range(2):
        assert any(raw.endswith(encoded(make_instance(1, number))) for raw in sent.values())


def test_nothing_lies_in_clear_on_the_way(retained: House) -> None:
    house = retained
    seen = []
    house.arrive(make_study(1))
    seen.append(in_clear(house))
    house.settle()
    house.process()
    seen.append(in_clear(house))
    house.deliver()
    seen.append(in_clear(house))
    assert house.exchanges()[0].state is ExchangeState.CLOSED
    assert seen == [[], [], []]
    assert any(PATIENT[0].encode() in raw for raw in house.delivered().values())  # the look would find it


def test_erased_is_erased_and_the_same_study_may_come_again(retained: House, tmp_path: Path) -> None:
    """A copy of the spool taken before opens with nothing that the box still has."""
    house = retained
    one = house.through(make_study(1))
    appliance = house.appliance
    kept = members(appliance.custody, one.exchange_id)
    assert all(member.wrapped_key for member in kept)
    shutil.copytree(appliance.spool.root, tmp_path / "copy")
    house.wait(days=31)
    assert retire_due(appliance) == 2
    assert {key.wrapped_key for key in keys(house, one.exchange_id).values()} == {None}
    for member in kept:
        path = appliance.spool.path(member.identity)
        assert not path.exists()
        shutil.copy(tmp_path / "copy" / path.relative_to(appliance.spool.root), path)
    appliance.spool.close()
    restored = Spool(appliance.spool.root, kek=appliance.spool.kek)
    assert list(restored.index()) == []
    assert len(restored.closed()) == 2
    for member in kept:
        with pytest.raises(SpoolError):
            restored.source(member.identity)
    appliance.spool = restored
    index_spool(appliance)
    assert restored.closed()
    assert not any(restored.holds(member.identity) for member in kept)  # left by no crash, but deleted again
    again = house.through(make_study(1))
    assert again.exchange_id != one.exchange_id
    for member in members(appliance.custody, again.exchange_id):
        restored.verify(member.identity, member.wrapped_key or b"")


def keys(house: House, exchange_id: str) -> dict[str, InstanceKey]:
    chosen = [one.identity for one in members(house.appliance.custody, exchange_id)]
    return instance_keys(house.appliance.custody, chosen)


def test_what_a_start_cannot_open_and_custody_does_not_know_goes_to_quarantine(house: House) -> None:
    house.arrive(make_study(1))
    spool = house.appliance.spool
    lost = house.spooled(make_instance(2))
    known = {one.identity for one in members(house.appliance.custody, house.exchanges()[0].exchange_id)}
    spool.close()
    for path in (spool.root / "epochs").iterdir():
        path.unlink()  # as if an older database had been brought back
    house.appliance.spool = Spool(spool.root, kek=spool.kek)
    with capture_logs() as logs:
        index_spool(house.appliance)
    assert {entry["event"] for entry in logs} == {"spool file without a row", "spool.quarantined"}
    assert house.appliance.spool.quarantined() == 1
    assert not house.appliance.spool.holds(lost.identity)
    assert all(house.appliance.spool.holds(identity) for identity in known)


def test_a_duplicate_that_is_indexed_first_brings_the_key(house: House) -> None:
    first, second = house.spooled(make_instance(1)), house.spooled(make_instance(1))
    assert second.duplicate
    index(house.appliance, [second])
    index(house.appliance, [first])
    (member,) = members(house.appliance.custody, house.exchanges()[0].exchange_id)
    with open_binary(member_source(house.appliance, member)) as stream:
        assert PATIENT[0].encode() in stream.read()


def test_what_the_header_says_is_taken_from_the_arrival_or_looked_up(house: House) -> None:
    index(house.appliance, [house.spooled(make_instance(1))])
    (member,) = members(house.appliance.custody, house.exchanges()[0].exchange_id)
    assert member.study_instance_uid == study_uid(1)
    assert member.sop_instance_uid == instance_uid(1, 0)
    assert member.modality == "CT"
    assert len(member.patient_key) == 64
    index(house.appliance, [house.spooled(make_instance(2))])
    other = members(house.appliance.custody, house.exchanges()[0].exchange_id)[0]
    assert other.patient_key == member.patient_key  # the same patient


def test_a_changed_spool_file_is_never_sent(retained: House) -> None:
    house = retained
    house.arrive(make_study(1, 1))
    house.settle()
    house.process()
    (row,) = frozen_of(house.appliance.custody, house.exchanges()[0].exchange_id)
    path = house.appliance.spool.path(row.identity)
    raw = bytearray(path.read_bytes())
    raw[-100] ^= 1
    path.write_bytes(raw)
    house.deliver()
    assert house.delivered() == {}
