"""A log that is not the one that was signed last is never signed again; whatever else fails is mended."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from exchange.domain.errors import LogError
from exchange.keys.log import make_log_keys
from exchange.log.events import Event, EventKind
from exchange.log.opening import CHECKPOINT
from exchange.log.reader import LogReader, generations
from exchange.log.tiles import Tiles, bundle_name
from tests.exchange.log.making import BOOT, NOW, LogSite


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def begins_anew(site: LogSite, code: str, found: int, generation: int = 2) -> None:
    """Opening keeps the old generation as it is and begins the next with what it says of the loss."""
    head = site.places.heads.read_text().splitlines()[-1].split()
    before = contents(site.folder(generation - 1)) if site.folder(generation - 1).exists() else {}
    with site.open() as log:
        assert log.generation == generation
        assert log.signed.origin == site.keys.origin(generation)
        log.append(BOOT)
    assert (contents(site.folder(generation - 1)) if before else {}) == before
    recovered, alert, boot = LogReader.open(site.places.folder, generation).read()
    assert (recovered.kind, recovered.outcome) == ("log.recovered", "failed")
    assert dict(recovered.obj) == {
        "code": code,
        "generation": generation - 1,
        "size": int(head[1]),
        "root": head[2],
        "found": found,
    }
    assert (alert.kind, alert.obj["code"], boot.kind) == ("alert", "log-recovered", "boot")
    assert site.fsck().ok
    with site.open() as log:
        assert log.generation == generation


def test_a_restored_snapshot_begins_a_new_log(site: LogSite, tmp_path: Path) -> None:
    site.fill(300)
    shutil.copytree(site.places.folder, tmp_path / "snapshot")
    site.fill(5)
    shutil.rmtree(site.places.folder)
    shutil.copytree(tmp_path / "snapshot", site.places.folder)
    begins_anew(site, "short", 300)


def test_and_again(site: LogSite, tmp_path: Path) -> None:
    site.fill(3)
    shutil.copytree(site.places.folder, tmp_path / "snapshot")
    for generation in (2, 3):
        site.fill(5)
        shutil.rmtree(site.places.folder)
        shutil.copytree(tmp_path / "snapshot", site.places.folder)
        site.fill(1)
        # Of the generation between nothing was in the snapshot.
        assert generations(site.places.folder) == [1, generation]


def test_a_snapshot_that_another_log_grew_from_is_a_fork(site: LogSite, tmp_path: Path) -> None:
    site.fill(3)
    other = LogSite(tmp_path / "other")
    shutil.copytree(site.root / "state", other.root / "state")
    shutil.copytree(site.root / "keys", other.root / "keys")
    site.fill(4)
    with other.open() as log:
        log.append_all([BOOT] * 4)
    shutil.rmtree(site.places.folder)
    shutil.copytree(other.places.folder, site.places.folder)
    begins_anew(site, "fork", 7)


def test_a_longer_fork_is_none_the_better(site: LogSite, tmp_path: Path) -> None:
    site.fill(3)
    other = LogSite(tmp_path / "other")
    shutil.copytree(site.root / "state", other.root / "state")
    shutil.copytree(site.root / "keys", other.root / "keys")
    site.fill(4)
    with other.open() as log:
        log.append_all([BOOT] * 40)
    shutil.rmtree(site.places.folder)
    shutil.copytree(other.places.folder, site.places.folder)
    begins_anew(site, "fork", 43)


def test_a_log_that_is_gone(site: LogSite) -> None:
    site.fill(4)
    shutil.rmtree(site.places.folder)
    begins_anew(site, "log-gone", 0)


def test_both_stores_restored_together_cannot_be_seen_here(site: LogSite, tmp_path: Path) -> None:
    """Only who has seen a later head elsewhere knows: a witness, or a partner with a receipt's proof."""
    site.fill(3)
    shutil.copytree(site.root, tmp_path / "snapshot")
    site.fill(4)
    copy = LogSite(tmp_path / "snapshot")
    with copy.open() as log:
        assert (log.generation, log.append(BOOT).seq) == (1, 3)


def test_keys_that_are_others_begin_a_new_log(site: LogSite, tmp_path: Path) -> None:
    site.fill(4)
    site.keys = make_log_keys(tmp_path / "keys2")
    begins_anew(site, "other-key", 0)


Damage = Callable[[LogSite], None]

CASES: list[tuple[str, Damage, str, int]] = [
    ("bundle cut", lambda site: os.truncate(site.folder() / bundle_name(0), 100), "short", 0),
    ("bundle gone", lambda site: (site.folder() / bundle_name(0)).unlink(), "short", 4),
    ("bundle empty", lambda site: os.truncate(site.folder() / bundle_name(0), 0), "short", 0),
    ("tile cut", lambda site: os.truncate(site.folder() / "tile/0/000", 32 * 3), "short", 4),
    ("tile gone", lambda site: (site.folder() / "tile/0/000").unlink(), "short", 4),
    ("tile rot", lambda site: flip(site.folder() / "tile/0/000", 50), "root", 4),
    ("leaf rot", lambda site: flip(site.folder() / bundle_name(0), 60), "leaf", 0),
    ("all but the lock gone", lambda site: shutil.rmtree(site.folder()), "log-gone", 0),
]


@pytest.mark.parametrize(("name", "damage", "code", "found"), CASES, ids=[case[0] for case in CASES])
def test_a_damaged_end_is_not_continued(
    site: LogSite, name: str, damage: Damage, code: str, found: int
) -> None:
    site.fill(4)
    damage(site)
    assert not site.folder().exists() or not site.fsck().ok
    begins_anew(site, code, found)


def test_a_lost_checkpoint_is_signed_again_for_the_same_tree(site: LogSite) -> None:
    site.fill(4)
    for damage in (Path.unlink, lambda path: path.write_bytes(b""), lambda path: flip(path, 70)):
        damage(site.folder() / CHECKPOINT)
        with site.open() as log:
            assert (log.generation, log.signed.size) == (1, 4)
        assert (site.fsck().problem, site.fsck().leaves) == ("", 4)


def test_a_checkpoint_from_before_is_brought_up(site: LogSite) -> None:
    site.fill(3)
    old = (site.folder() / CHECKPOINT).read_bytes()
    site.fill(2)
    (site.folder() / CHECKPOINT).write_bytes(old)
    with site.open() as log:
        assert (log.generation, log.signed.size) == (1, 5)
    assert site.fsck().leaves == 5


def test_a_lost_second_store_is_an_alert(site: LogSite) -> None:
    site.fill(4)
    site.places.heads.unlink()
    with site.open() as log:
        assert log.generation == 1
    assert (site.kinds()[-1], site.read()[-1].obj["code"]) == ("alert", "log-heads-lost")
    with site.open() as log:
        assert log.signed.size == 5
    assert site.fsck().ok


@pytest.mark.parametrize("torn", [b"x", b"lockgate.log/ab", b"\0" * 100])
def test_a_torn_line_of_the_second_store_is_cut(site: LogSite, torn: bytes) -> None:
    site.fill(4)
    with site.places.heads.open("ab") as file:
        file.write(torn)
    with site.open() as log:
        assert (log.generation, log.append(BOOT).seq) == (1, 4)
    assert site.fsck().ok


def test_a_damaged_line_of_the_second_store_is_an_alert(site: LogSite) -> None:
    site.fill(4)
    flip(site.places.heads, site.places.heads.stat().st_size - 30)
    with site.open() as log:
        assert (log.generation, log.signed.size) == (1, 5)
    assert (site.kinds()[-1], site.read()[-1].obj["code"]) == ("alert", "log-heads-damaged")
    with site.open() as log:
        assert log.signed.size == 5
    assert site.fsck().problem == "line 5 is damaged"


def test_the_second_store_may_be_behind(site: LogSite) -> None:
    site.fill(3)
    old = site.places.heads.read_bytes()
    site.fill(3)
    site.places.heads.write_bytes(old)
    with site.open() as log:
        assert (log.generation, log.signed.size) == (1, 6)
    assert site.fsck().ok


def test_fsck_compares_every_head_that_was_signed(site: LogSite) -> None:
    site.fill(6)
    lines = site.places.heads.read_bytes().splitlines(keepends=True)
    assert len(lines) == 7
    site.places.heads.write_bytes(b"".join(lines[:3]) + lines[3].replace(b" 3 ", b" 4 ") + lines[4])
    assert site.fsck().problem == "line 4 is damaged"
    forged = LogSite(site.root / "forged", site.keys)
    with forged.open() as log:
        log.append_all([BOOT] * 3)
    other = forged.places.heads.read_bytes().splitlines(keepends=True)[1]
    site.places.heads.write_bytes(b"".join([*lines[:3], other, *lines[4:]]))
    assert (site.fsck().place, site.fsck().problem) == (
        "heads",
        "the tree of 3 leaves was signed with another root",
    )


def rot(name: str, offset: int) -> Damage:
    return lambda site: flip(site.folder() / name, offset)


ROT: list[tuple[str, Damage, str]] = [
    ("a leaf in the middle", rot(bundle_name(1), 1000), "leaf"),
    ("a tile in the middle", rot("tile/0/001", 7 * 32), "tile/0/001"),
    ("a tile above", rot("tile/1/000", 33), "tile/1/000"),
    ("the checkpoint's root", rot(CHECKPOINT, 50), "checkpoint"),
    ("a length", rot(bundle_name(0), 1), "leaf"),
    ("a bundle gone", lambda site: (site.folder() / bundle_name(1)).unlink(), bundle_name(1)),
    ("a bundle cut", lambda site: os.truncate(site.folder() / bundle_name(0), 900), bundle_name(0)),
    ("a tile gone", lambda site: (site.folder() / "tile/0/001").unlink(), "tile/0/001"),
]


@pytest.mark.parametrize(("name", "damage", "place"), ROT, ids=[one[0] for one in ROT])
def test_fsck_names_the_first_wrong_thing(site: LogSite, name: str, damage: Damage, place: str) -> None:
    site.fill_at_once(700)
    assert site.fsck().ok
    damage(site)
    check = site.fsck()
    assert check.place.startswith(place) or (place == "leaf" and check.place == "tile/0/001"), check
    assert check.problem


def test_a_disk_that_cannot_be_read_is_no_loss(site: LogSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site.fill(4)

    def refuse(_: Tiles, name: str, __: int) -> bytes:
        cause = OSError(5, "Input/output error")
        raise LogError(f"cannot read the log: {name}: {cause.strerror}") from cause

    with monkeypatch.context() as patch:
        patch.setattr(Tiles, "read", refuse)
        with pytest.raises(LogError, match="Input/output error"):
            site.open()
    with site.open() as log:
        assert log.generation == 1


def test_a_clock_a_year_back(site: LogSite) -> None:
    site.fill(2)
    site.clock = lambda: NOW - timedelta(days=365)
    site.fill(2)
    assert [leaf.t[:4] for leaf in site.read()] == ["2026", "2026", "2025", "2025"]
    assert site.fsck().ok


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from exchange.keys.log import LogKeys
from exchange.log.events import Event, EventKind
from exchange.log.opening import LogPlaces
from exchange.log.writer import Log
root = Path(sys.argv[1])
places = LogPlaces(root / "state/log", root / "keys/log.heads")
log = Log.open(places, LogKeys.from_folder(root / "keys"), lambda: datetime.now(UTC))
print("open", log.signed.size, flush=True)
number = 0
while True:
    number += 1
    refs = log.append_all(Event(EventKind.ALERT, {"n": number}) for _ in range(number % 90))
    print("ack", log.signed.size, flush=True)
"""


def test_kill_9_of_a_writing_process_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    site = LogSite(tmp_path, make_log_keys(tmp_path / "keys"))
    acknowledged = 0
    for kill in range(8):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            word, size = writer.stdout.readline().split()
            assert word == "open"
            assert int(size) >= acknowledged
            for _ in range(2 + kill * 3):
                acknowledged = int(writer.stdout.readline().split()[1])
            os.kill(writer.pid, signal.SIGKILL)
            for line in writer.stdout:  # what it had said when it was killed
                if line.endswith("\n"):
                    acknowledged = int(line.split()[1])
    with site.open() as log:
        assert log.generation == 1
        assert log.signed.size >= acknowledged > 300
        log.append(Event(EventKind.SHUTDOWN))
    assert site.fsck().problem == ""
