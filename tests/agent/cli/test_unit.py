"""The systemd unit: what the daemon relies on, and that systemd reads it without complaint."""

import shutil
import subprocess

import pytest

from agent.config.shipped import shipped


def settings() -> dict[str, str]:
    lines = (line for line in shipped("deploy/lockgate.service").read_text().splitlines() if "=" in line)
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_the_unit_notifies_is_watched_and_reloads() -> None:
    unit = settings()
    assert unit["Type"] == "notify"
    assert int(unit["WatchdogSec"]) > 0
    assert unit["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert unit["ExecStart"].split()[0].endswith("/bin/lockgate"), "python -m agent may run a stray agent.py"
    assert unit["LimitCORE"] == "0", "a core dump holds images and keys"
    assert unit["RestartPreventExitStatus"] == "2"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_reads_the_unit() -> None:
    answer = subprocess.run(
        ["systemd-analyze", "verify", str(shipped("deploy/lockgate.service"))],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [
        line for line in answer.stderr.splitlines() if "lockgate" in line and "is not executable" not in line
    ]
    assert complaints == []
