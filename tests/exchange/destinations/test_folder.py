"""The folder destination, and how it fails."""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from exchange.destinations.folder import FolderDestination
from exchange.dicomio.digest import dataset_sha256
from exchange.domain.delivery import InstanceOutcome, InstanceState, OutgoingInstance
from exchange.domain.errors import PeerRefused, PeerUnavailable
from tests.support.outgoing import SERIES, STUDY, make_study, plain_file

SENT, REFUSED, PENDING = InstanceState.SENT, InstanceState.REFUSED, InstanceState.PENDING


@pytest.fixture
def study(tmp_path: Path) -> Sequence[OutgoingInstance]:
    return make_study(tmp_path / "frozen", 3)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def file_of(target: Path, instance: OutgoingInstance) -> Path:
    return target / STUDY / SERIES / f"{instance.sop_instance_uid}.dcm"


def test_writes_the_same_bytes_under_the_uids(study: Sequence[OutgoingInstance], target: Path) -> None:
    told: list[InstanceOutcome] = []
    report = FolderDestination(target).send(study, told.append)
    assert report.reachable
    assert tuple(told) == report.outcomes
    assert [outcome.state for outcome in told] == [SENT] * 3
    for instance in study:
        written = file_of(target, instance)
        assert written.read_bytes() == plain_file(instance).read_bytes()
        assert dataset_sha256(written) == instance.sha256
        assert written.stat().st_mode & 0o777 == 0o640
    files = [path for path in target.rglob("*") if path.is_file()]
    assert len(files) == 3


def break_nothing(study: Sequence[OutgoingInstance], target: Path) -> Sequence[OutgoingInstance]:
    return study


def already_there(study: Sequence[OutgoingInstance], target: Path) -> Sequence[OutgoingInstance]:
    """Failed but landed: an earlier attempt wrote it and died before telling."""
    FolderDestination(target).send(study[:2], lambda _: None)
    return study


def another_there(study: Sequence[OutgoingInstance], target: Path) -> Sequence[OutgoingInstance]:
    FolderDestination(target).send(study[:2], lambda _: None)
    file_of(target, study[1]).write_bytes(b"another")
    return study


def symlink_there(study: Sequence[OutgoingInstance], target: Path) -> Sequence[OutgoingInstance]:
    file_of(target, study[1]).parent.mkdir(parents=True)
    file_of(target, study[1]).symlink_to(plain_file(study[1]))
    return study


def path_as_uid(study: Sequence[OutgoingInstance], target: Path) -> Sequence[OutgoingInstance]:
    return [study[0], replace(study[1], study_instance_uid="../../evil"), study[2]]


def altered(study: Sequence[OutgoingInstance], target: Path) -> Sequence[OutgoingInstance]:
    data = bytearray(plain_file(study[1]).read_bytes())
    data[-1] ^= 1
    plain_file(study[1]).write_bytes(data)
    return study


def vanished(study: Sequence[OutgoingInstance], target: Path) -> Sequence[OutgoingInstance]:
    plain_file(study[1]).unlink()
    return study


def blocked_name(study: Sequence[OutgoingInstance], target: Path) -> Sequence[OutgoingInstance]:
    (target / STUDY).mkdir()
    (target / STUDY / SERIES).write_bytes(b"a file where a folder must be")
    return [study[0], replace(study[1], series_instance_uid="2.25.7"), study[2]]


def folder_gone(study: Sequence[OutgoingInstance], target: Path) -> Sequence[OutgoingInstance]:
    target.rmdir()
    return study


@dataclass(frozen=True)
class Failure:
    name: str
    break_it: Callable[[Sequence[OutgoingInstance], Path], Sequence[OutgoingInstance]]
    states: list[InstanceState]
    reachable: bool = True
    left: int = 3  # files in the folder afterwards


FAILURES = [
    Failure("nothing", break_nothing, [SENT] * 3),
    Failure("landed before", already_there, [SENT] * 3),
    Failure("another file has the name", another_there, [SENT, REFUSED, SENT]),
    Failure("a symlink has the name", symlink_there, [SENT, REFUSED, SENT]),
    Failure("a UID that is a path", path_as_uid, [SENT, REFUSED, SENT], left=2),
    Failure("frozen bytes altered", altered, [SENT, PENDING, SENT], left=2),
    Failure("frozen file gone", vanished, [SENT, PENDING, SENT], left=2),
    Failure("a file where a folder must be", blocked_name, [PENDING, SENT, PENDING], left=2),
    Failure("folder gone", folder_gone, [], reachable=False, left=0),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_failures(failure: Failure, study: Sequence[OutgoingInstance], target: Path, tmp_path: Path) -> None:
    told: list[InstanceOutcome] = []
    report = FolderDestination(target).send(failure.break_it(study, target), told.append)
    assert [outcome.state for outcome in told] == failure.states
    assert report.reachable is failure.reachable
    assert len([path for path in target.rglob("*") if path.is_file() or path.is_symlink()]) == failure.left
    assert not (tmp_path.parent / "evil").exists()
    for outcome in told:
        assert str(tmp_path) not in outcome.detail


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("cannot mount a small tmpfs here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_ends_the_attempt_and_leaves_no_torso(
    study: Sequence[OutgoingInstance], tiny_disk: Path
) -> None:
    destination = FolderDestination(tiny_disk)
    report = destination.send(study, lambda _: None)
    assert [outcome.state for outcome in report.outcomes] == [SENT, PENDING]
    assert report.outcomes[1].status == "ENOSPC"
    assert "no space" in report.error
    files = [path for path in tiny_disk.rglob("*") if path.is_file()]
    assert files == [file_of(tiny_disk, study[0])]
    file_of(tiny_disk, study[0]).unlink()  # room again: the next attempt goes on with the rest
    assert destination.send(study[1:2], lambda _: None).outcomes[0].state is SENT


def test_receipts_lie_beside_the_study(target: Path) -> None:
    destination = FolderDestination(target)
    assert destination.put_receipt(STUDY, "0f3a-1", b"zip")
    assert destination.put_receipt(STUDY, "0f3a-1.receipt.zip", b"zip")
    assert (target / STUDY / "receipts" / "0f3a-1.receipt.zip").read_bytes() == b"zip"
    with pytest.raises(PeerRefused, match="another"):
        destination.put_receipt(STUDY, "0f3a-1", b"other")


@pytest.mark.parametrize(("study", "name"), [("../x", "a"), (STUDY, "../a"), (STUDY, ".a"), (STUDY, "")])
def test_receipt_names_are_never_paths(target: Path, study: str, name: str) -> None:
    with pytest.raises(PeerRefused, match="cannot be a path"):
        FolderDestination(target).put_receipt(study, name, b"zip")
    assert list(target.iterdir()) == []


def test_probe(target: Path) -> None:
    assert "writable" in FolderDestination(target).probe(1)
    assert list(target.iterdir()) == []
    with pytest.raises(PeerUnavailable, match="no such folder"):
        FolderDestination(target / "absent").probe(1)
    if os.geteuid():
        target.chmod(0o500)
        with pytest.raises(PeerUnavailable, match="cannot write"):
            FolderDestination(target).probe(1)
