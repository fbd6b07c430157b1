"""Stopping an intake: what runs may end, what is left is cut off, nothing is lost or left open."""

import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from exchange.dimse.association import Association, AssociationLost
from exchange.intake.dicom import DicomIntake
from exchange.intake.listener import DicomListener
from tests.support.intake_house import (
    COMMAND,
    CT,
    DEADLINE,
    EXPLICIT,
    House,
    connect,
    data_set,
    identify,
    pdata,
    read_to_end,
    store,
    wait_for,
)
from tests.support.ports import HOST


def test_stop_lets_a_running_store_end(house: House) -> None:
    uid, data = data_set()
    half, stopping, answers = threading.Event(), threading.Event(), list[int]()

    def slowly() -> Iterator[bytes]:
        yield data[:20_000]
        half.set()
        assert stopping.wait(DEADLINE)
        yield data[20_000:]

    sender = threading.Thread(target=lambda: answers.append(store(house, CT, uid, slowly())))
    sender.start()
    assert half.wait(DEADLINE)
    stopper = threading.Thread(target=house.intake.stop, args=(DEADLINE,))
    stopper.start()
    end = time.monotonic() + DEADLINE
    while True:  # until the port refuses
        try:
            socket.create_connection((HOST, house.port), timeout=1).close()
        except OSError:
            break
        assert time.monotonic() < end
    stopping.set()
    sender.join(DEADLINE)
    stopper.join(DEADLINE)
    assert answers == [0]
    assert [each.sop_instance_uid for each in house.spooled()] == [uid]


def test_stop_cuts_off_after_the_grace(house: House) -> None:
    with connect(house) as raw, capture_logs() as logs:
        raw.sendall(pdata(3, COMMAND) + pdata(0, b"half of it"))
        wait_for(lambda: bool(house.names()), "the fragment's arrival")
        house.intake.stop(0.2)
        assert "intake.cut_off" in [entry["event"] for entry in logs]
        assert read_to_end(raw)[:1] in (b"\x07", b"")
    assert house.names() == []


def test_a_taken_port_is_told_and_leaves_nothing_open(house: House) -> None:
    listeners = [DicomListener(HOST, 0, frozenset({"A"})), DicomListener(HOST, house.port, frozenset({"A"}))]
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        listeners[1] = DicomListener(HOST, taken.getsockname()[1], frozenset({"A"}))
        intake = DicomIntake(listeners, house.spool, lambda: datetime.now(UTC), identify, house.told.arrival)
        with pytest.raises(OSError, match="in use"):
            intake.start()
        intake.stop(1.0)


def test_a_lost_association_says_so(house: House) -> None:
    with pytest.raises(AssociationLost), Association.request(house.peer(), [(CT, EXPLICIT)]) as association:
        association.store(77, CT, "1.2.3.4", [b"x"])
