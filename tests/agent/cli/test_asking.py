"""The verbs that ask the running daemon, over a real control socket."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import anyio
import pytest
from typer.testing import CliRunner

from agent.cli.main import app
from agent.custody.listings import exchange
from agent.daemon.answers import StatusAnswer
from agent.daemon.control import ControlInterface
from agent.daemon.control_socket import bind_control, control_server
from tests.agent.custody.world import World
from tests.agent.pipeline.house import House
from tests.support.appliance import short_folder


@pytest.fixture
def house() -> Iterator[House]:
    """An appliance whose control socket answers; its workflows do not run."""
    with ExitStack() as stack:
        made = House(stack.enter_context(short_folder()) / "site", stack)
        status = StatusAnswer(
            site="general-hospital", appliance="edge-01", version="1", pid=1,
            started_at=datetime(2026, 1, 1, tzinfo=UTC), config_sha256="", firmware_profile="x86-cpu",
            workers=1, ports=(), quarantined=0, exchanges={}, deliveries={}, holds={}, instances=0,
            arrivals=0, bytes=0,
        )  # fmt: skip
        server = control_server(ControlInterface(made.appliance, lambda: status, lambda: None).app())
        listener = bind_control(made.appliance.configuration.site.control_socket)
        listener.listen()
        thread = threading.Thread(target=lambda: anyio.run(server.serve, [listener]))
        thread.start()
        yield made
        server.should_exit = True
        thread.join(20)
        listener.close()


def run(house: House, *arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "-c", str(house.folder / "site.yaml")])
    assert result.exit_code == 0, result.output
    return result.output


def test_status_is_shown_to_people_and_to_programs(house: House) -> None:
    world = World(house.appliance.custody)
    (sent,) = world.delivering("a", "b", to=("outgoing",))
    world.claim(sent)
    shown = run(house, "status")
    for word in ("general-hospital", "under way", sent.exchange_id[:8], "0/2", "peers", "outgoing", "closed"):
        assert word in shown
    answer = json.loads(run(house, "status", "--json"))
    assert answer["under_way"][0]["step"]["total"] == 2


def test_an_exchange_is_prioritised_and_listed_page_by_page(house: House) -> None:
    world = World(house.appliance.custody)
    ids = [world.settled(f"s{number}", study=f"6.{number}").exchange_id for number in range(3)]
    said = run(house, "exchanges", "prioritise", ids[0], "stat")
    assert said.endswith(f"exchange {ids[0]} is stat\n")
    assert exchange(world.database, ids[0]).priority == 2
    first = json.loads(run(house, "exchanges", "list", "--limit", "2", "--json"))
    rest = json.loads(run(house, "exchanges", "list", "--after", first[-1]["exchange_id"], "--json"))
    assert [one["exchange_id"] for one in (*first, *rest)] == ids[::-1]
