"""The daemon in this process: its event loop never blocks, its socket answers, it stops in order."""

import os
import signal
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
from blockbuster import BlockBuster

from agent.daemon.daemon import Daemon
from agent.daemon.systemd import Notifier
from exchange.log.reader import read_log
from tests.agent.pipeline.house import House
from tests.support.appliance import short_folder
from tests.support.ports import free_port

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def site_file() -> Any:
    """A site that nobody has run yet, on a free port."""
    with short_folder() as folder, ExitStack() as stack:
        House(folder / "site", stack)
        stack.close()  # the stores belong to the daemon now
        file = folder / "site" / "site.yaml"
        file.write_text(file.read_text().replace("port: 11112", f"port: {free_port()}"))
        yield file


async def answer(socket: Path, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
    transport = httpx.AsyncHTTPTransport(uds=str(socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://lockgate") as client:
        return await (client.get(path) if body is None else client.post(path, json=body))


async def until_up(socket: Path) -> None:
    with anyio.fail_after(40):
        while True:
            try:
                await answer(socket, "/status")
            except httpx.HTTPError:
                await anyio.sleep(0.05)  # polls a real daemon's readiness, with a deadline
            else:
                return


async def test_the_loop_never_blocks_and_the_socket_answers(
    site_file: Path, event_loop_never_blocks: BlockBuster
) -> None:
    # The test's own HTTP client reads its certificates when it is made; the daemon has no such excuse.
    event_loop_never_blocks.functions["os.stat"].can_block_in("httpx", "create_ssl_context")
    socket = site_file.parent / "state" / "control.sock"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Daemon(site_file, Notifier("")).run)
        await until_up(socket)
        assert stat.S_IMODE((await anyio.Path(socket).stat()).st_mode) == 0o600
        status = (await answer(socket, "/status")).json()
        assert status["pid"] == os.getpid()
        assert status["exchanges"]["open"] == 0
        assert (await answer(socket, "/exchanges")).json() == []
        assert (await answer(socket, "/holds")).json() == []
        assert b"lockgate_exchanges" in (await answer(socket, "/metrics")).content
        missing = await answer(socket, "/exchanges/abc")
        assert missing.status_code == 400
        assert missing.json()["message"].startswith("cannot tell which exchange")
        refused = await answer(socket, "/holds/abc/release", {"by": "sam", "reason": "no such code"})
        assert refused.status_code == 400
        denied = await answer(socket, "/keys/pseudonyms/rotate", {"by": "nobody at all"})
        assert (denied.status_code, "may not" in denied.text) == (400, False)
        audited = await answer(socket, "/log/audit", {"kind": "audit.read", "said": {"people": 0}})
        assert audited.json()["leaf"] > 6
        wrong = await answer(socket, "/log/audit", {"kind": "boot", "said": {}})
        assert wrong.status_code == 400
        os.kill(os.getpid(), signal.SIGTERM)
    assert not await anyio.Path(socket).exists()
    log = site_file.parent / "state" / "log"
    kinds = [leaf.kind for leaf in await anyio.to_thread.run_sync(lambda: list(read_log(log)))]
    assert kinds[:6] == ["key.created"] * 5 + ["boot"]
    assert {"policy.changed", "user.denied", "audit.read"} <= set(kinds)
    assert kinds[-1] == "shutdown"
