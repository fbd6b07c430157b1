"""SIGHUP, SIGTERM, a second daemon, and what systemd is told."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.daemon.systemd import Notifier
from tests.support.appliance import Appliance, Site, dicom_peer, outbound, short_folder
from tests.support.ports import stop
from tests.support.receiver import Receiver
from tests.support.signed import check_receipts, logged, receipts
from tests.support.small_studies import make_study, send

pytestmark = pytest.mark.timeout(120)

STOP_SECONDS = 20.0
RETRY = {"first_seconds": 0.2, "most_seconds": 1.0}


class Systemd:
    """The other end of NOTIFY_SOCKET: reads all the time, as systemd does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: list[str] = []
        self._change = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while message := self._socket.recv(4096).decode():
            with self._change:
                self.messages.append(message)
                self._change.notify_all()

    def wait(self, wanted: str, count: int = 1, deadline_seconds: float = 30) -> str:
        """Wait until so many messages have this line; the last of them."""

        def found() -> list[str]:
            return [one for one in self.messages if wanted in one.splitlines()]

        with self._change:
            if not self._change.wait_for(lambda: len(found()) >= count, deadline_seconds):
                raise TimeoutError(f"systemd was not told {wanted}: {self.messages}")
            return found()[-1]

    def forget(self) -> None:
        """Drop what has come so far."""
        with self._change:
            self.messages.clear()

    def close(self) -> None:
        """End the reader with an empty datagram."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", str(self.path))
        self._reader.join(5)
        self._socket.close()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with short_folder() as path:
        yield path


@pytest.fixture(scope="module")
def systemd(folder: Path) -> Iterator[Systemd]:
    listening = Systemd(folder / "notify")
    yield listening
    listening.close()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def box(folder: Path, systemd: Systemd, receiver: Receiver) -> Iterator[Appliance]:
    environment = {"NOTIFY_SOCKET": str(systemd.path), "WATCHDOG_USEC": "400000"}
    made = Appliance(
        folder / "site",
        routes=[outbound("outgoing", "OUTGOING", ["outgoing"], quiet_seconds=0.3, retry=RETRY)],
        peers={"partner": dicom_peer("RECEIVER", receiver.port)},
        environment=environment,
    )
    with made as running:
        yield running


def said(box: Appliance, event: str, offset: int) -> list[dict[str, object]]:
    return [one for one in box.log_lines(offset) if one["event"] == event]


def log_end(box: Appliance) -> int:
    return box.log_file.stat().st_size


def test_systemd_is_told(box: Appliance, systemd: Systemd) -> None:
    assert "STATUS=serving 1 routes" in systemd.wait("READY=1")
    systemd.wait("WATCHDOG=1", count=3)


def notify_often(notifier: Notifier) -> None:
    for _ in range(2000):
        notifier.alive()


def test_a_systemd_that_does_not_read_holds_up_nobody(folder: Path) -> None:
    """More datagrams than the socket's queue holds; a blocking send would never return."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(folder / "deaf"))
        notifier = Notifier(str(folder / "deaf"))
        sender = threading.Thread(target=lambda: notify_often(notifier), daemon=True)
        sender.start()
        sender.join(20)
        assert not sender.is_alive()


def test_a_valid_change_takes_effect_at_sighup(box: Appliance, systemd: Systemd, receiver: Receiver) -> None:
    send(box.port, "OUTGOING", make_study(1))
    box.wait_closed(1)
    assert not receiver.received

    box.edit(lambda site: site["routes"][0].update(deliver=["partner"]))
    offset = log_end(box)
    systemd.forget()
    box.signal(signal.SIGHUP)
    box.wait_for(lambda one: said(one, "configuration reloaded", offset), "reload")
    systemd.wait("READY=1")
    assert any("RELOADING=1" in one for one in systemd.messages)

    send(box.port, "OUTGOING", make_study(2))
    box.wait_closed(2)
    assert len(receiver.received) == 2
    entry = logged(box, "config.changed")[-1]
    assert (entry["outcome"], entry["obj"]["configSha256"]) == ("ok", box.status()["config_sha256"])


def test_a_mistake_keeps_the_old_configuration_serving(
    box: Appliance, systemd: Systemd, receiver: Receiver
) -> None:
    before, digest = box.site_file.read_text(), box.status()["config_sha256"]

    def break_it(site: Site) -> None:
        site["routes"][0]["deliver"] = ["partnr"]

    box.edit(break_it)
    offset = log_end(box)
    systemd.forget()
    box.signal(signal.SIGHUP)
    (line,) = box.wait_for(
        lambda one: said(one, "reload refused, the old configuration goes on", offset), "refusal"
    )
    wrong = next(
        number for number, text in enumerate(box.site_file.read_text().splitlines(), 1) if "partnr" in text
    )
    assert f"site.yaml:{wrong}:" in str(line["reason"])
    assert "partner" in str(line["reason"])
    assert "refused" in systemd.wait("READY=1")
    assert logged(box, "config.changed")[-1]["outcome"] == "failed"
    assert box.status()["config_sha256"] == digest

    # The control socket's reload says the same to a person.
    refused = box.reload()
    assert refused.status_code == 400
    assert "partnr" in refused.text

    send(box.port, "OUTGOING", make_study(3))
    box.wait_closed(3)
    assert len(receiver.received) == 4
    box.site_file.write_text(before)


def test_what_needs_a_restart_is_refused_at_a_reload(box: Appliance) -> None:
    before = box.site_file.read_text()
    box.edit(lambda site: site["limits"].update(attempts=5))
    refused = box.reload()
    assert refused.status_code == 400
    assert "restart" in refused.json()["hint"]
    box.site_file.write_text(before)
    assert box.reload().status_code == 200


def test_sigterm_in_the_middle_of_a_study_loses_and_doubles_nothing(
    box: Appliance, systemd: Systemd, receiver: Receiver
) -> None:
    known = len(receiver.received)
    closed = {one["exchange_id"] for one in box.in_state("closed")}
    send(box.port, "OUTGOING", make_study(4, 6))
    box.wait_for(lambda one: one.in_state("processing"), "study in flight")
    systemd.forget()
    began = time.monotonic()
    assert box.terminate(STOP_SECONDS) == 0
    assert time.monotonic() - began < STOP_SECONDS
    systemd.wait("STOPPING=1")
    assert [one["kind"] for one in logged(box, "shutdown")][-1:] == ["shutdown"]

    box.start()

    def finished(one: Appliance) -> list[dict[str, object]]:
        return [each for each in one.in_state("closed") if each["exchange_id"] not in closed]

    (exchange,) = box.wait_for(finished, "end of the study")
    assert {len(comings) for comings in receiver.received.values()} == {1}
    assert len(receiver.received) == known + 6
    for slot in ("R1", "R2", "R3"):
        assert len(receipts(box, str(exchange["exchange_id"]), slot)) == 1
    check_receipts(box, str(exchange["exchange_id"]))


def test_a_daemon_without_systemd_stops_at_sigint(folder: Path) -> None:
    box = Appliance(folder / "other")
    with box:
        process = box.process
        assert process is not None
        box.signal(signal.SIGINT)
        assert process.wait(STOP_SECONDS) == 0
        box.process = None
        stop(process)
