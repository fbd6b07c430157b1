"""What a running daemon shows while studies go through it: metrics and `lockgate status`; and its end."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.interop.studies import HEADERS_ONLY
from tests.support.appliance import Appliance, dicom_peer, outbound, short_folder
from tests.support.ports import HOST, free_port, listens
from tests.support.receiver import Receiver
from tests.support.signed import logged
from tests.support.small_studies import PATIENT, make_recording, make_study, send

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

STOP_SECONDS = 20.0
SLICES, AT_ONCE = 4, 2
"""Instances of the first study, and how many of them the partner answers before it makes us wait."""
REFUSED = 0xA900
ROUTE, PARTNER, SCANNER = "outgoing", "partner", "scanner"
ON_THE_WAY = {"peer": PARTNER, "route": ROUTE}


@dataclass
class Partner:
    """How the partner answers: `AT_ONCE` instances at once, the others once `flow` is set; or it refuses."""

    flow: threading.Event = field(default_factory=threading.Event)
    refuses: bool = False
    came: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, _event: Any, _coming: int) -> int:
        with self.lock:
            self.came += 1
            at_once = self.came <= AT_ONCE
        if not at_once:
            self.flow.wait(60)
        return REFUSED if self.refuses else 0x0000


@dataclass(frozen=True)
class Page:
    """One scrape, taken apart."""

    text: str
    values: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float:
        """Of one series; 0 when it is not there."""
        return self.values.get((f"lockgate_{name}", frozenset(labels.items())), 0.0)


@dataclass(frozen=True)
class Watched:
    """A daemon with a metrics listener, and the partner that it sends to."""

    box: Appliance
    partner: Partner
    port: int

    def scrape(self) -> Page:
        """The page, as Prometheus reads it; refused here when Prometheus would refuse it."""
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.get(f"http://{HOST}:{self.port}/metrics").raise_for_status()
        assert answer.headers["content-type"].startswith("text/plain; version=")
        assert answer.text.endswith("\n")
        families = list(text_string_to_metric_families(answer.text))
        declared = Counter(line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE "))
        assert max(declared.values()) == 1, "a family is declared twice"
        assert all(one.documentation for one in families)
        assert {one.type for one in families} <= {"counter", "gauge", "histogram"}
        series = [(one.name, frozenset(one.labels.items())) for each in families for one in each.samples]
        assert max(Counter(series).values()) == 1, "a series is there twice"
        values = [one.value for each in families for one in each.samples]
        return Page(answer.text, dict(zip(series, values, strict=True)))


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    partner = Partner()
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        receiver = stack.enter_context(Receiver(partner.answer))
        stack.callback(partner.flow.set)
        box = Appliance(
            folder / "site",
            routes=[outbound(ROUTE, "OUTGOING", [PARTNER], quiet_seconds=0.3, profile="headers")],
            peers={
                PARTNER: dicom_peer("RECEIVER", receiver.port),
                SCANNER: dicom_peer("SENDER", free_port()),
            },
            profiles={"headers": HEADERS_ONLY},
        )
        box.make_site()
        port = free_port()
        box.edit(lambda site: site["listen"].update(metrics={"host": HOST, "port": port}))
        yield Watched(stack.enter_context(box), partner, port)


def test_while_a_study_is_being_sent(watched: Watched) -> None:
    """Half of it is confirmed; both `status` say so and when it will be done, the page what waits."""
    box = watched.box
    assert set(send(box.port, "OUTGOING", make_study(1, SLICES)).values()) == {0x0000}

    def half_sent(one: Appliance) -> list[dict[str, Any]]:
        """An ETA comes with a rate, and a rate after half a second."""
        steps = [each["step"] for each in one.status()["under_way"] if each["step"]]
        sent = [step for step in steps if step["stage"] == "deliver"]
        return [step for step in sent if step["done"] == AT_ONCE and step["eta"]]

    (step,) = box.wait_for(half_sent, "a study of which half is sent")
    assert (step["destination"], step["total"]) == (PARTNER, SLICES)
    assert 0 < step["bytes"] < step["byte_total"]
    assert step["instances_per_second"] > 0

    asked = box.cli("status", "--json")
    assert asked.returncode == 0, asked.stderr
    (under_way,) = json.loads(asked.stdout)["under_way"]
    assert (under_way["route"], under_way["step"]["done"]) == (ROUTE, AT_ONCE)
    assert datetime.fromisoformat(under_way["step"]["eta"]) > datetime.fromisoformat(under_way["since"])
    shown = box.cli("status")
    assert shown.returncode == 0, shown.stderr
    words = " ".join(shown.stdout.split())
    for word in ("under way", under_way["exchange_id"][:8], f"{AT_ONCE}/{SLICES}", PARTNER, "/s"):
        assert word in words

    page = watched.scrape()
    assert page.value("accepted_instances_total", protocol="dimse", peer=SCANNER) == SLICES
    assert page.value("accepted_bytes_total", protocol="dimse", peer=SCANNER) > SLICES * 64 * 64 * 2
    assert page.value("settled_instances_total", route=ROUTE, peer=SCANNER) == SLICES
    assert page.value("queued", **ON_THE_WAY) == 1
    assert page.value("oldest_waiting_seconds", **ON_THE_WAY) > 0
    assert page.value("exchanges", state="delivering") == 1
    assert page.value("stage_seconds_count", stage="clean", route=ROUTE) == 1
    assert page.value("stage_seconds_count", stage="deliver", route=ROUTE) == 0
    assert page.value("spool_used_bytes") > SLICES * 64 * 64 * 2


def test_after_studies_were_delivered_refused_and_held(watched: Watched) -> None:
    box = watched.box
    watched.partner.flow.set()
    box.wait_closed(1)
    watched.partner.refuses = True
    assert set(send(box.port, "OUTGOING", make_study(2, 2)).values()) == {0x0000}
    box.wait_for(lambda one: one.status()["deliveries"].get("rejected"), "delivery that is refused")
    send(box.port, "OUTGOING", [make_recording(3)])
    (hold,) = box.wait_held(1)
    box.wait_for(lambda one: one.over(3), "end of all studies")

    page = watched.scrape()
    assert page.value("delivered_instances_total", **ON_THE_WAY) == SLICES
    assert page.value("delivered_bytes_total", **ON_THE_WAY) > SLICES * 64 * 64 * 2
    assert page.value("refused_deliveries_instances_total", **ON_THE_WAY) == 2
    assert page.value("ended_deliveries_total", **ON_THE_WAY, outcome="forwarded") == 1
    assert page.value("ended_deliveries_total", **ON_THE_WAY, outcome="rejected") == 1
    assert page.value("held_exchanges_total", route=ROUTE, code=hold["code"]) == 1
    assert page.value("open_holds", code=hold["code"]) == 1
    assert page.value("queued", **ON_THE_WAY) == 0
    assert page.value("stage_seconds_count", stage="clean", route=ROUTE) == 3
    assert page.value("stage_seconds_count", stage="deliver", route=ROUTE) == 2
    assert page.value("stage_seconds_sum", stage="deliver", route=ROUTE) > 0
    assert page.value("settled_exchanges_total", route=ROUTE, peer=SCANNER) == 3
    assert [page.value("issued_receipts_total", slot=slot) for slot in ("R1", "R2", "R3")] == [2, 2, 2]
    assert page.value("circuit", peer=PARTNER, state="closed") == 1
    assert page.value("spool_free_bytes") > page.value("spool_reserve_bytes") > 0
    assert not [word for word in PATIENT if word in page.text]
    assert "2.25." not in page.text, "a UID is in the metrics"


def test_it_ends_in_order_while_somebody_scrapes(watched: Watched) -> None:
    """A connection kept alive, a request half sent, and answers that nobody reads hold nothing up."""
    box = watched.box
    request = f"GET /metrics HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    with ExitStack() as stack:
        idle, half, deaf = (
            stack.enter_context(socket.create_connection((HOST, watched.port), timeout=20)) for _ in range(3)
        )
        idle.sendall(request)
        assert idle.recv(15) == b"HTTP/1.1 200 OK"
        half.sendall(request[:-4])
        deaf.sendall(request * 500)
        assert deaf.recv(15) == b"HTTP/1.1 200 OK"
        assert box.terminate(STOP_SECONDS) == 0
    assert not listens(watched.port)
    assert len(logged(box, "shutdown")) == 1
    assert "Traceback" not in box.log_text()
