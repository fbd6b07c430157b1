"""What is shown: metrics without PHI, progress, peers, forecasts; over the interface as people ask it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import anyio
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from starlette.applications import Starlette

from agent.cli.status import rendered
from agent.config.models import MetricsListener
from agent.daemon.answers import ExchangeDetailAnswer, StatusAnswer
from agent.daemon.control import ControlInterface
from agent.daemon.metrics import bind_metrics, exposition, metrics_server
from agent.pipeline.circuit import note_attempt
from exchange.domain.delivery import InstanceState
from exchange.domain.errors import ConfigurationError
from exchange.domain.exchange import DeliveryState
from tests.agent.custody.world import World
from tests.agent.pipeline.house import House
from tests.support.appliance import short_folder
from tests.support.small_studies import make_study

CANARY = "Zywiecka^Halszka"


@pytest.fixture
def house() -> Iterator[House]:
    with ExitStack() as stack:
        yield House(stack.enter_context(short_folder()) / "site", stack)


def status_of(house: House) -> StatusAnswer:
    return StatusAnswer(
        site="general-hospital", appliance="edge-01", version="1", pid=1,
        started_at=datetime(2026, 1, 1, tzinfo=UTC), config_sha256="", firmware_profile="x86-cpu", workers=1,
        ports=(), quarantined=0, exchanges={}, deliveries={}, holds={}, instances=0, arrivals=0, bytes=0,
    )  # fmt: skip


def interface(house: House) -> Starlette:
    app = ControlInterface(house.appliance, lambda: status_of(house), lambda: None).app()

    async def with_user(scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {})["local_user"] = "sam"
        await app(scope, receive, send)

    return with_user  # type: ignore[return-value] # an ASGI application all the same


def ask(house: House, method: str, path: str, body: dict[str, str] | None = None) -> httpx.Response:
    async def work() -> httpx.Response:
        transport = httpx.ASGITransport(app=interface(house))
        async with httpx.AsyncClient(transport=transport, base_url="http://lockgate") as client:
            return await client.request(method, path, json=body)

    return anyio.run(work)


def samples(house: House) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = exposition(house.appliance).decode()
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_gauges_say_what_custody_says(house: House) -> None:
    world = World(house.appliance.custody)
    world.closed("z")
    one, two = world.delivering("a", "b", to=("outgoing", "elsewhere"))
    world.deliver(two)
    for _ in range(3):
        note_attempt(house.appliance, "outgoing", False, "unreachable")
    house.appliance.metrics.accepted("dimse", "pacs", 1000)
    house.appliance.metrics.delivered("outgoing", "outgoing", 900)
    house.appliance.metrics.delivery_ended("outgoing", "outgoing", DeliveryState.FORWARDED)
    house.appliance.metrics.receipt("R1")
    house.appliance.metrics.open_associations = lambda: 3
    with house.appliance.metrics.timed("clean", "outgoing"):
        pass
    found = samples(house)
    assert found["lockgate_exchanges", (("state", "closed"),)] == 1
    assert found["lockgate_deliveries", (("state", "forwarded"),)] == 2
    assert found["lockgate_queued", (("peer", "elsewhere"), ("route", "second-opinion"))] == 1
    assert found["lockgate_circuit", (("peer", "outgoing"), ("state", "open"))] == 1
    assert found["lockgate_circuit", (("peer", "outgoing"), ("state", "closed"))] == 0
    assert found["lockgate_unreachable_in_a_row", (("peer", "outgoing"),)] == 3
    assert found["lockgate_open_associations", ()] == 3
    assert found["lockgate_spool_used_bytes", ()] == 3000
    assert found["lockgate_spool_free_bytes", ()] > 0
    assert found["lockgate_accepted_bytes_total", (("peer", "pacs"), ("protocol", "dimse"))] == 1000
    assert found["lockgate_delivered_instances_total", (("peer", "outgoing"), ("route", "outgoing"))] == 1
    assert found["lockgate_issued_receipts_total", (("slot", "R1"),)] == 1
    assert found["lockgate_stage_seconds_count", (("route", "outgoing"), ("stage", "clean"))] == 1
    assert found["lockgate_oldest_waiting_seconds", (("peer", "elsewhere"), ("route", "second-opinion"))] > 0
    assert one.destination == "elsewhere"


def test_nothing_of_a_study_is_ever_in_a_metric_or_the_status(house: House) -> None:
    study = make_study(1)
    for ds in study:
        ds.PatientName, ds.PatientID, ds.AccessionNumber = CANARY, "PID-4711-X", "ACC-0815-Y"
    house.through(study)
    texts = exposition(house.appliance).decode() + ask(house, "GET", "/status").text
    texts += ask(house, "GET", "/metrics").text
    assert "lockgate_exchanges" in texts
    for secret in (CANARY, "Zywiecka", "PID-4711-X", "ACC-0815-Y", str(study[0].StudyInstanceUID)):
        assert secret not in texts
    assert str(study[0].SOPInstanceUID) not in texts


def test_status_shows_what_is_under_way_and_each_peer(house: House) -> None:
    world = World(house.appliance.custody)
    attempt = world.begin(world.settled("p", study="3").exchange_id)
    house.appliance.progress.begin(attempt.exchange_id, "clean", 8)
    house.appliance.progress.advance(attempt.exchange_id, 2)
    (sent,) = world.delivering("a", "b", to=("outgoing",))
    claim = world.claim(sent)
    world.said(claim, InstanceState.SENT, world.waiting(claim)[0])
    for _ in range(3):
        note_attempt(house.appliance, "outgoing", False, "unreachable")
    answer = ask(house, "GET", "/status").json()
    StatusAnswer.model_validate(answer)
    steps = {one["exchange_id"]: one["step"] for one in answer["under_way"]}
    assert (steps[attempt.exchange_id]["stage"], steps[attempt.exchange_id]["done"]) == ("clean", 2)
    mine = steps[sent.exchange_id]
    assert (mine["stage"], mine["destination"], mine["done"], mine["total"]) == ("deliver", "outgoing", 1, 2)
    (peer,) = answer["peers"]
    assert (peer["peer"], peer["circuit"], peer["failures"], peer["waiting"]) == ("outgoing", "open", 3, 1)
    assert [one["code"] for one in peer["forecasts"]] == ["circuit-open"]
    assert answer["queues"][0]["count"] == 1
    console = Console(width=200, record=True, file=None)
    with console.capture() as captured:
        for part in rendered(answer):
            console.print(part)
    for word in ("under way", "clean", "2/8", "deliver to outgoing", "open", "circuit-open"):
        assert word in captured.get()


def test_show_has_progress_and_forecasts(house: House) -> None:
    world = World(house.appliance.custody)
    (sent,) = world.delivering("a", "b", to=("gone",))
    answer = ask(house, "GET", f"/exchanges/{sent.exchange_id}").json()
    ExchangeDetailAnswer.model_validate(answer)
    assert [(one["stage"], one["total"]) for one in answer["progress"]] == [("deliver", 2)]
    assert [(one["code"], one["certain"]) for one in answer["forecasts"]] == [("peer-unknown", True)]


def test_prioritise_and_pages_over_the_interface(house: House) -> None:
    world = World(house.appliance.custody)
    ids = [world.settled(f"s{number}", study=f"6.{number}").exchange_id for number in range(5)]
    answer = ask(house, "POST", f"/exchanges/{ids[3]}/priority", {"priority": "stat"})
    assert answer.json() == {"exchange_id": ids[3], "priority": "stat", "deliveries": 0}
    assert ask(house, "GET", f"/exchanges/{ids[3]}").json()["priority"] == 2
    assert ask(house, "POST", f"/exchanges/{ids[3]}/priority", {"priority": "now"}).status_code == 400
    done = world.closed("d")
    refused = ask(house, "POST", f"/exchanges/{done}/priority", {"priority": "high"})
    assert (refused.status_code, "it has ended" in refused.json()["message"]) == (400, True)
    pages: list[str] = []
    while True:
        after = f"&after={pages[-1]}" if pages else ""
        rows = ask(house, "GET", f"/exchanges?limit=2{after}").json()
        if not rows:
            break
        pages += [one["exchange_id"] for one in rows]
    assert pages == [done, *reversed(ids)]


def test_retry_overrides_an_open_circuit(house: House) -> None:
    world = World(house.appliance.custody)
    (sent,) = world.delivering("a", to=("outgoing",))
    for _ in range(3):
        note_attempt(house.appliance, "outgoing", False, "unreachable")
    ask(house, "POST", f"/exchanges/{sent.exchange_id}/retry")
    (peer,) = ask(house, "GET", "/status").json()["peers"]
    assert peer["circuit"] == "half-open"


def test_the_metrics_listener_serves_metrics_and_nothing_else(house: House) -> None:
    async def work() -> tuple[int, int, str]:
        server = metrics_server(house.appliance)
        with bind_metrics(MetricsListener.model_construct(host="127.0.0.1", port=0)) as listener:
            listener.listen()  # callers wait in the backlog until it serves
            port = listener.getsockname()[1]
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.serve, [listener])
                async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                    with anyio.fail_after(20):
                        found = await client.get("/metrics")
                    other = await client.get("/status")
                server.should_exit = True
        return found.status_code, other.status_code, found.text

    status, other, text = anyio.run(work)
    assert (status, other) == (200, 404)
    assert "lockgate_exchanges" in text


def test_a_taken_port_is_said(house: House) -> None:
    with bind_metrics(MetricsListener.model_construct(host="127.0.0.1", port=0)) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"cannot listen for metrics on port {port}"):
            bind_metrics(MetricsListener(host="127.0.0.1", port=port))


def test_the_answers_fit_their_published_schemas(house: House) -> None:
    answer = ask(house, "GET", "/status").json()
    assert set(answer) == set(json.loads(StatusAnswer.model_validate(answer).model_dump_json()))
