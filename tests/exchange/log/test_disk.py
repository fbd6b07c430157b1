"""The log's writer on a disk that is full, fails, lies or loses its power: acknowledged leaves stay."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from exchange.domain.errors import LogError
from exchange.log.events import Event, EventKind
from exchange.log.tiles import bundle_name
from exchange.log.writer import Log
from tests.exchange.log.making import BOOT, LogSite


def failing(after: int) -> Callable[[int, memoryview, int], int]:
    """A disk that fills up after some bytes."""
    real = os.pwrite
    state = {"left": after}

    def write(descriptor: int, data: memoryview, offset: int) -> int:
        if state["left"] <= 0:
            raise OSError(28, "No space left on device")
        done = real(descriptor, data[: state["left"]], offset)
        state["left"] -= done
        return done

    return write


@pytest.mark.parametrize("after", [0, 10, 130, 155, 200], ids=lambda after: f"after {after}")
def test_a_full_disk_leaves_no_half_leaf(site: LogSite, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    site.fill()
    with site.open() as log:
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", failing(after))
            with pytest.raises(LogError, match="No space left"):
                log.append(BOOT)
        assert site.fsck().ok
        assert log.head.seq == 4
        assert log.append(BOOT).seq == 5
    assert (site.fsck().problem, site.fsck().leaves) == ("", 6)


def _refuse(*_: object) -> None:
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize("killed", [True, False])
def test_a_half_leaf_that_cannot_be_removed_at_once_is_removed_later(
    site: LogSite, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    site.fill()
    with site.open() as log:
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", failing(10))
            patch.setattr(os, "ftruncate", _refuse)
            for _ in range(2):
                with pytest.raises(LogError):
                    log.append(BOOT)
        if not killed:
            log.append(BOOT)
    with site.open():
        pass
    assert site.fsck().ok
    assert site.kinds()[-1] == ("log.recovered" if killed else "boot")


@pytest.mark.parametrize("call", ["fsync", "pwrite", "ftruncate"])
@pytest.mark.parametrize("before", [0, 3, 100, 255, 256], ids=lambda count: f"after {count}")
def test_what_a_failed_fsync_left_never_counts(
    site: LogSite, monkeypatch: pytest.MonkeyPatch, before: int, call: str
) -> None:
    """Nothing is written while the disk fails; then the log goes on where it was acknowledged."""
    with site.open() as log:
        log.append_all(Event(EventKind.INSTANCE_SENT, {"number": number}) for number in range(before))
        head = log.head
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", _refuse)
            with pytest.raises(LogError, match="Input/output"):
                log.append(BOOT)
            patch.setattr(os, call, _refuse)
            for _ in range(2):
                with pytest.raises(LogError, match="Input/output"):
                    log.append(BOOT)
        assert log.head == head
        assert log.append(BOOT).seq == before
        assert log.append(BOOT).seq == before + 1
    assert site.fsck().ok
    assert site.kinds() == ["instance.sent"] * before + ["boot", "boot"]


def test_a_checkpoint_that_cannot_be_written_is_written_before_the_next_leaf(
    site: LogSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leaves are durable and their head is in the second store: they count."""
    with site.open() as log:
        log.append(BOOT)
        with monkeypatch.context() as patch:
            patch.setattr("exchange.log.writer.write_file", _refuse)
            assert log.append(BOOT).seq == 1
            assert len(site.read()) == 1
            with pytest.raises(LogError, match="Input/output"):
                log.append(BOOT)
        assert b"\n2\n" in log.proof(1)
        assert log.append(BOOT).seq == 2
        assert len(site.read()) == 3
    with monkeypatch.context() as patch, site.open() as log:
        patch.setattr("exchange.log.writer.write_file", _refuse)
        log.append(BOOT)
    assert len(site.read()) == 3
    with site.open() as log:
        assert (log.head.seq, log.generation) == (3, 1)
    assert (site.fsck().problem, site.fsck().leaves) == ("", 4)


def test_an_end_that_the_disk_lost_is_not_continued(site: LogSite, monkeypatch: pytest.MonkeyPatch) -> None:
    with site.open() as log:
        log.append(BOOT)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", _refuse)
            with pytest.raises(LogError, match="Input/output"):
                log.append(BOOT)
        path = site.folder() / bundle_name(0)
        path.write_bytes(path.read_bytes().replace(b"boot", b"b00t"))
        for _ in range(2):
            with pytest.raises(LogError, match="its end was lost"):
                log.append(BOOT)


def test_a_disk_that_changes_under_the_writer_is_not_signed(site: LogSite) -> None:
    """Before each signature the tiles are read back: they must lead from the last head to the new one."""
    with site.open() as log:
        log.append_all([BOOT] * 5)
        path = site.folder() / "tile/0/000"
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
        heads = site.places.heads.read_bytes()
        for _ in range(2):
            with pytest.raises(LogError, match="does not continue what was signed"):
                log.append(BOOT)
        assert site.places.heads.read_bytes() == heads


class Killed(BaseException):
    """The process ends here."""


CALLS = ("pwrite", "fsync", "ftruncate", "open", "write")


def killing(monkeypatch: pytest.MonkeyPatch, at: int) -> Callable[[], int]:
    """Let the process end at the `at`-th call that changes the disk, in the middle of what it writes."""
    made = 0

    def patched(name: str) -> Callable[..., object]:
        real: Callable[..., object] = getattr(os, name)

        def call(*arguments: object, **more: object) -> object:
            nonlocal made
            made += 1
            if made == at:
                if name == "pwrite":
                    descriptor, data, offset = arguments
                    real(descriptor, bytes(data)[: len(bytes(data)) // 2], offset)  # type: ignore[call-overload]
                raise Killed
            return real(*arguments, **more)

        return call

    for name in CALLS:
        monkeypatch.setattr(os, name, patched(name))
    real_replace = Path.replace

    def replace(path: Path, target: Path) -> Path:
        nonlocal made
        made += 1
        if made == at:
            raise Killed
        return real_replace(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    return lambda: made


def abandon(log: Log) -> None:
    """What the kernel does for a killed process."""
    log._close_files()
    os.close(log._lock)
    log._lock = -1


@pytest.mark.parametrize("before", [0, 3, 254, 511])
def test_killed_at_any_call_loses_no_leaf_that_was_acknowledged(
    site: LogSite, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three leaves in one commit, over the edge of a bundle too; ended at each call that touches the disk."""
    site.fill_at_once(before) if before else site.open().close()
    count, at = before, 0
    while True:
        at += 1
        log = site.open()
        count = log.signed.size
        with monkeypatch.context() as patch:
            made = killing(patch, at)
            with suppress(Killed):
                log.append_all([Event(EventKind.ALERT, {"at": at, "number": n}) for n in range(3)])
            calls = made()
        abandon(log)
        with site.open() as again:
            assert again.generation == 1
            # All three or none; and what says that a crash was cleaned up.
            kinds = site.kinds()[count:]
            assert kinds in (["alert"] * 3, ["log.recovered"], [], ["alert"] * 3 + ["log.recovered"])
            assert again.append(BOOT).seq == count + len(kinds)
        assert site.fsck().problem == ""
        if calls < at:
            break
    assert at > 8, "the calls were counted"


@pytest.mark.parametrize("count", [0, 3])
def test_killed_at_any_call_while_opening(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = 0
    while True:
        at += 1
        site = LogSite(tmp_path / str(at))
        if count:
            site.fill(count)
            with (site.folder() / bundle_name(0)).open("ab") as file:
                file.write(b"torn")
        with monkeypatch.context() as patch:
            made = killing(patch, at)
            with suppress(Killed):
                site.open().close()
            calls = made()
        # The object is gone, its lock with it.
        with site.open() as log:
            log.append(BOOT)
            assert log.generation == 1
        check = site.fsck()
        assert (check.problem, check.generation) == ("", 1)
        if calls < at:
            break
    assert at > 5, "the calls were counted"
