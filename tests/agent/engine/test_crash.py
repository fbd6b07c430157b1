"""The engine in a process of its own: killed, started again, and looked at from outside."""

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.agent.engine.process import NAME

ROOT = Path(__file__).parents[3]


def start(folder: Path, mode: str) -> "subprocess.Popen[str]":
    url = f"sqlite:///{folder / 'lockgate.db'}"
    command = [sys.executable, "-W", "error", "-m", "tests.agent.engine.process", url, str(folder), mode]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(folder: Path, mode: str) -> str:
    process = start(folder, mode)
    try:
        out, _ = process.communicate(timeout=50)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, out
    return out


def ran(folder: Path) -> list[str]:
    return (folder / "ran").read_text("ascii").splitlines()


def everything_written(folder: Path) -> bytes:
    return b"".join(one.read_bytes() for one in sorted(folder.glob("lockgate.db*")))


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workflow killed in its second step and then started again."""
    folder = tmp_path_factory.mktemp("crashed")
    process = start(folder, "hang")
    deadline = time.monotonic() + 40
    while not (folder / "hanging").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (folder / "output").write_text(finish(folder, "finish"))
    return folder


def test_a_killed_workflow_goes_on_and_repeats_no_finished_step(crashed: Path) -> None:
    assert ran(crashed) == [
        "first x1 1",
        "second token-x1",
        "second token-x1",
        "third token-x1",
    ]
    assert "done delivering" in (crashed / "output").read_text()


def test_no_internet_socket_is_opened(crashed: Path) -> None:
    assert "internet sockets: 0" in (crashed / "output").read_text()


def test_its_database_is_wal(crashed: Path) -> None:
    connection = sqlite3.connect(crashed / "lockgate.db")
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    finally:
        connection.close()


def test_no_planted_name_reaches_the_database_or_the_log(tmp_path: Path) -> None:
    out = finish(tmp_path, "spill")
    assert "hold failed:video" in out
    assert "fall failed:internal" in out
    assert "tell failed:internal" in out
    assert "workflow failed:internal" in out
    assert "argument refused" in out
    written = everything_written(tmp_path)
    assert b"s-hold/1" in written, "this looks into the right file"
    for part in NAME.split("^"):
        assert part.encode("ascii") not in written
        assert part not in out
    assert ran(tmp_path) == [
        "failed s-hold/1 hold video HeldError",
        "failed s-fall/1 fall internal ValueError",
        "failed s-tell/1 tell internal ValueError",
        "failed s-workflow/1 workflow internal ValueError",
    ]
