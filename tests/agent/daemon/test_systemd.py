"""sd_notify datagrams, as systemd would read them."""

import os
import socket
from pathlib import Path

import pytest

from agent.daemon.systemd import Notifier, watchdog_seconds


@pytest.fixture
def listener(tmp_path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(tmp_path / "notify"))
    listening.settimeout(5)
    return listening


def test_ready_stopping_and_watchdog(listener: socket.socket) -> None:
    notifier = Notifier(listener.getsockname())
    notifier.ready("serving 2 routes")
    notifier.alive()
    notifier.reloading()
    notifier.stopping()
    assert listener.recv(200) == b"READY=1\nSTATUS=serving 2 routes"
    assert listener.recv(200) == b"WATCHDOG=1"
    assert listener.recv(200).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    assert listener.recv(200).startswith(b"STOPPING=1")
    listener.close()


def test_nobody_listens(tmp_path: Path) -> None:
    Notifier("").ready("x")
    Notifier(str(tmp_path / "absent")).ready("x")
    assert not list(tmp_path.iterdir())


def test_watchdog_interval_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert watchdog_seconds() == 15
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert watchdog_seconds() is None
    monkeypatch.delenv("WATCHDOG_USEC")
    assert watchdog_seconds() is None
