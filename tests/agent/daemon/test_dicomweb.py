"""The STOW-RS server in the daemon: in this process on a loop that must not block, and for real."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import yaml
from blockbuster import BlockBuster

from agent.config.models import Site
from agent.daemon.daemon import Daemon
from agent.daemon.dicomweb import open_dicomweb
from agent.daemon.systemd import Notifier
from exchange.domain.errors import ConfigurationError
from exchange.spool.store import Spool
from tests.agent.pipeline.house import House
from tests.support.appliance import Appliance, outbound, short_folder
from tests.support.outgoing import make_study, plain_file
from tests.support.ports import HOST, free_port, wait_until
from tests.support.stow_house import content_type, multipart

TOKEN = "partner-token"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as short:
        yield short


def add_door(site: dict[str, Any], folder: Path, port: int) -> None:
    """A door TELERAD with a token, beside whatever else listens."""
    token = folder / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    door = {"called_ae": "TELERAD", "token_file": str(token), "peer": next(iter(site["peers"]))}
    site["listen"]["dicomweb"] = {"host": HOST, "port": port, "doors": [door]}


def body(folder: Path, count: int = 3) -> bytes:
    return multipart([plain_file(each).read_bytes() for each in make_study(folder / "study", count)])


HEADERS = {"Content-Type": content_type(), "Authorization": f"Bearer {TOKEN}"}


@dataclass
class Prepared:
    """A site that nobody has run yet, and a request for it."""

    file: Path
    port: int
    content: bytes

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/dicom-web/TELERAD/studies"


@pytest.fixture
def prepared(folder: Path) -> Prepared:
    with ExitStack() as stack:
        House(folder / "site", stack)
    file = folder / "site" / "site.yaml"
    site = yaml.safe_load(file.read_text())
    found = Prepared(file, free_port(), body(folder))
    site["listen"]["dicom"]["port"] = free_port()
    add_door(site, folder, found.port)
    file.write_text(yaml.safe_dump(site))
    return found


async def once_it_serves(client: httpx.AsyncClient, prepared: Prepared) -> httpx.Response:
    with anyio.fail_after(40):
        while True:
            try:
                return await client.post(prepared.url, content=prepared.content, headers=HEADERS)
            except httpx.ConnectError:
                await anyio.sleep(0.05)  # polls a real daemon's readiness, with a deadline


@pytest.mark.anyio
async def test_it_serves_on_the_daemons_loop_and_ends_with_it(
    prepared: Prepared, event_loop_never_blocks: BlockBuster
) -> None:
    # The test's own HTTP client reads its certificates when it is made; the daemon has no such excuse.
    event_loop_never_blocks.functions["os.stat"].can_block_in("httpx", "create_ssl_context")
    daemon = Daemon(prepared.file, Notifier(""))
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(daemon.run)
            answer = await once_it_serves(client, prepared)
            assert answer.status_code == 200
            assert (await client.post(prepared.url, content=prepared.content)).status_code == 401
            assert prepared.port in daemon._ports
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(httpx.HTTPError):
            await client.post(prepared.url, content=b"")


@pytest.mark.timeout(180)
def test_a_study_goes_from_a_door_to_its_destination_and_survives_a_kill(folder: Path) -> None:
    port = free_port()
    box = Appliance(folder / "box", routes=[outbound("telerad", "TELERAD", ["outgoing"])])
    box.make_site()
    box.edit(lambda site: add_door(site, folder, port))
    with box:
        url = f"http://{HOST}:{port}/dicom-web/TELERAD/studies"
        answer = httpx.post(url, content=body(folder), headers=HEADERS, trust_env=False, timeout=30)
        assert answer.status_code == 200
        box.kill9()  # at once: what was called stored is not lost
        box.start()
        box.wait_closed(1, 120)
        wait_until(lambda: len(box.delivered()) == 3, "three delivered files")
        assert TOKEN not in box.log_text()


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    port = free_port()
    door = {"called_ae": "TELERAD"}
    site = Site.model_validate(
        {
            "site": "s",
            "appliance": "a",
            "listen": {"dicomweb": {"host": HOST, "port": port, "doors": (door,)}},
            "peers": {},
            "routes": (),
        }
    )
    spool = Spool(tmp_path / "spool", kek=bytes(32))
    with ExitStack() as stack:
        stack.callback(spool.close)
        first = open_dicomweb(site, spool, _never, _ignore, 1)
        assert first is not None
        stack.callback(first.listener.close)
        with pytest.raises(ConfigurationError, match="cannot listen for DICOMweb"):
            open_dicomweb(site, spool, _never, _ignore, 1)


def _never() -> Any:
    raise AssertionError


def _ignore(_: object) -> None: ...
