"""What custody has answered for is there after a kill -9, and nothing is there by halves."""

import signal
import subprocess
import sys
from pathlib import Path

from agent.custody.arrivals import members, unindexed
from agent.custody.database import open_database
from agent.custody.listings import counts, list_exchanges

ROOT = Path(__file__).parents[3]


def test_a_killed_writer_loses_nothing_that_it_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'lockgate.db'}"
    told: list[str] = []
    for _ in range(2):
        command = [sys.executable, "-m", "tests.agent.custody.writer", url]
        with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for line in process.stdout:
                told += line.split() if line.endswith("\n") else []
                if len(told) % 30 == 0:
                    process.send_signal(signal.SIGKILL)
                    break
            told += [one for line in process.stdout if line.endswith("\n") for one in line.split()]
    assert len(told) >= 60
    database = open_database(url)
    assert unindexed(database, told) == ()
    for one in list_exchanges(database):
        assert one.instance_count == len(members(database, one.exchange_id))
        assert one.byte_count == 1000 * one.instance_count
    assert counts(database).arrivals % 3 == 0, "three at a time or none"
    database.close()
