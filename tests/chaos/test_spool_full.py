"""A full disk: the sender is told to try later, nothing accepted is lost, and it recovers by itself."""

import errno
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from exchange.dimse.status import store_outcome
from exchange.domain.delivery import InstanceState
from tests.support.appliance import Appliance, short_folder
from tests.support.signed import check_receipts
from tests.support.sites import running_as_root
from tests.support.small_studies import make_study, send

pytestmark = pytest.mark.timeout(120)

DISK_MIB = 48
_MIB = 1024 * 1024


@contextmanager
def small_disk(mountpoint: Path) -> Iterator[Path]:
    """A tmpfs of a few MiB, unmounted afterwards."""
    if not running_as_root():
        pytest.skip("only root can mount the small disk that this test fills")
    mountpoint.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_MIB}m", "lockgate-test", str(mountpoint)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.strip()}")
    try:
        yield mountpoint
    finally:
        subprocess.run(["umount", "--lazy", str(mountpoint)], check=True)


class Filler:
    """A file that takes what is free on a disk."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "filler"

    def fill(self, leave_bytes: int = 0) -> None:
        """Leave so many bytes free, as near as others who write allow; none by default."""
        with self._path.open("ab") as file:
            state = os.statvfs(self._path)
            wanted = max(state.f_bavail * state.f_frsize - leave_bytes, 0)
            try:
                while wanted > 0:
                    wanted -= os.write(file.fileno(), bytes(min(wanted, _MIB)))
                while not leave_bytes:
                    os.write(file.fileno(), bytes(512))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Give everything back."""
        self._path.unlink()


def is_out_of_resources(statuses: set[int]) -> bool:
    return bool(statuses) and all(status & 0xFF00 == 0xA700 for status in statuses)


def test_a_full_spool_answers_out_of_resources_and_recovers() -> None:
    """Spool on a disk of its own: state goes on working, only intake has to say no."""
    with short_folder() as folder, small_disk(folder / "disk") as disk:
        box = Appliance(folder / "site", limits={"spool_reserve_mib": 8})
        box.make_site()
        box.edit(lambda site: site.update(spool=str(disk / "spool")))
        filler = Filler(disk)
        with box:
            first, second = make_study(1), make_study(2)
            assert set(send(box.port, "OUTGOING", first).values()) == {0x0000}
            filler.fill(4 * _MIB)  # below the reserve
            statuses = set(send(box.port, "OUTGOING", second).values())
            assert is_out_of_resources(statuses)
            filler.fill()  # not a byte left: what was accepted goes through all the same
            assert is_out_of_resources(set(send(box.port, "OUTGOING", second).values()))
            box.wait_closed(1)
            assert {store_outcome("1.2", one).state for one in statuses} == {InstanceState.PENDING}

            filler.free()
            assert set(send(box.port, "OUTGOING", second).values()) == {0x0000}
            for exchange in box.wait_closed(2):
                check_receipts(box, exchange["exchange_id"])
        assert len(box.delivered()) == 4


@pytest.mark.parametrize(
    "moments",
    [("processing",), pytest.param(("open", "processing", "delivering") * 2, marks=pytest.mark.slow)],
)
@pytest.mark.timeout(300)
def test_a_full_disk_under_everything_is_survived(moments: Sequence[str]) -> None:
    """State, database, log and receipts on the full disk as well: the daemon waits and goes on."""
    with short_folder() as folder, small_disk(folder / "disk") as disk:
        box = Appliance(folder / "site", limits={"spool_reserve_mib": 2})
        box.make_site()
        box.edit(lambda site: site.update(state=str(disk / "state")))
        box.state = disk / "state"
        with box:
            for number, moment in enumerate(moments, start=1):
                fill_for_a_while(box, Filler(disk), number, moment)
            for exchange in box.wait_closed(len(moments)):
                check_receipts(box, exchange["exchange_id"])
        assert len(box.delivered()) == 2 * len(moments)


def fill_for_a_while(box: Appliance, filler: Filler, number: int, moment: str) -> None:
    """Fill the disk once a study has reached a state, see the complaint, free the disk, see the end."""
    offset = box.log_file.stat().st_size
    assert set(send(box.port, "OUTGOING", make_study(number)).values()) == {0x0000}
    box.wait_for(lambda one: newest(one, number) in {moment, "closed"}, f"study that is {moment}")
    filler.fill()
    assert is_out_of_resources(set(send(box.port, "OUTGOING", make_study(100 + number)).values()))

    def complained_or_done(one: Appliance) -> bool:
        lines = one.log_lines(offset)
        return newest(one, number) == "closed" or any(one["level"] == "error" for one in lines[1:])

    box.wait_for(complained_or_done, "complaint about the disk")
    assert box.status()["pid"] == box.pid
    filler.free()
    box.wait_for(lambda one: newest(one, number) == "closed", "end of the study")


def newest(box: Appliance, count: int) -> str:
    """The state of the newest exchange, once there are so many."""
    found = box.exchanges()
    return str(found[0]["state"]) if len(found) == count else ""
