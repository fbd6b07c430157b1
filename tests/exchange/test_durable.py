"""Durable files: whole or not at all."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange import durable


def test_write_and_replace(tmp_path: Path) -> None:
    path = tmp_path / "a"
    durable.write_file(path, b"one")
    durable.write_file(path, (part for part in (b"tw", b"o")))
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a"
    durable.write_file(path, b"old")

    def breaking() -> Iterator[bytes]:
        yield b"new"
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        durable.write_file(path, breaking())
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_order_of_effects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is synced before the name exists, the name before the call returns."""
    events: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        events.append("fsync")
        real_fsync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        events.append("rename")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    durable.write_file(tmp_path / "a", b"x")
    assert events == ["fsync", "rename", "fsync"]


def test_files_are_synced_together_and_only_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_bytes(b"x")
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.readlink(f"/proc/self/fd/{number}")))
    durable.fsync_files(paths)
    assert synced == [str(path) for path in paths]
    with pytest.raises(FileNotFoundError):
        durable.fsync_files([tmp_path / "none"])


def test_make_folder_creates_parents(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "c"
    durable.make_folder(folder)
    durable.make_folder(folder)
    assert folder.is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        durable.make_folder(tmp_path / "file" / "x")
