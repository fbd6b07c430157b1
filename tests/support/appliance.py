"""The real daemon for tests: `lockgate init`, a site file with routes, and `lockgate run` as a process.

with Appliance(folder) as box:                          # route OUTGOING -> folder destination "outgoing"
    storescu(box.port, files, called_ae="OUTGOING")
    box.wait_closed(1); box.delivered(); box.receipts()

Keep `folder` short (`short_folder`): the control socket lies in it, and a UNIX socket's path has 107 bytes.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import yaml

from tests.support.certificates import Certificates
from tests.support.ports import HOST, free_port

COMMAND = str(Path(sys.executable).with_name("lockgate"))
READY_SECONDS = 60.0
_STEP_SECONDS = 0.05
_PAGE = 1000
_OVER = frozenset({"held", "closed", "rejected", "retired"})

Answer = TypeVar("Answer")
Site = dict[str, Any]


def as_installed(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment and `more`, with bytecode kept as an installed product has it.

    Where Python may not write it beside its sources, 4 of a daemon's 6 seconds to "ready" are compiling, at
    every start; so it is kept in the virtual environment's own folder.
    """
    found = {**os.environ, **(more or {})}
    if found.pop("PYTHONDONTWRITEBYTECODE", ""):
        found.setdefault("PYTHONPYCACHEPREFIX", str(Path(sys.prefix) / "bytecode"))
    return found


@contextmanager
def short_folder() -> Iterator[Path]:
    """A temporary folder whose path is short enough for the control socket; removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="lg-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def lockgate(
    *arguments: str | Path, timeout_seconds: float = 120, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a verb of the real command line to its end."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        env=as_installed(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )


def folder_peer(path: Path) -> Site:
    """A peer of the site file that is a folder."""
    return {"folder": {"path": str(path)}}


def dicom_peer(ae_title: str, port: int) -> Site:
    """A peer of the site file that takes C-STORE on loopback."""
    return {"dicom": {"ae_title": ae_title, "host": HOST, "port": port}}


def dicomweb_peer(url: str) -> Site:
    """A peer of the site file that takes STOW-RS."""
    return {"dicomweb": {"url": url}}


def outbound(
    name: str,
    called_ae: str,
    deliver: Sequence[str],
    *,
    quiet_seconds: float = 0.5,
    profile: str = "default",
    **more: Any,
) -> Site:
    """A de-identifying outbound route; `more` sets or replaces any of its keys."""
    return {
        "name": name,
        "direction": "outbound",
        "match": {"called_ae": called_ae},
        "settle": {"quiet_seconds": quiet_seconds},
        "deidentify": {"profile": profile, "pseudonym_domain": name},
        "retry": {"first_seconds": 0.5, "most_seconds": 2.0},
        "deliver": list(deliver),
    } | more


class Appliance:
    """A site folder and the `lockgate run` over it.

    As a context manager it makes the site (once), starts the daemon, and ends it by its own process id. The
    folder stays, so that it can be looked at, restarted or tampered with.

    Attributes:
        folder: The site folder: `site.yaml`, `keys/`, `trust/`, `state/`, `outgoing/`.
        site_file, state, outgoing, trust: Of that folder.
        port, tls_port: Where it listens on loopback; `tls_port` is 0 without certificates.
        process: The running daemon; None when it is down.
    """

    def __init__(
        self,
        folder: Path,
        *,
        routes: Sequence[Site] | None = None,
        peers: Mapping[str, Site] | None = None,
        people: Mapping[str, Sequence[str]] | None = None,
        limits: Mapping[str, Any] | None = None,
        profiles: Mapping[str, str] | None = None,
        certificates: Certificates | None = None,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the site.

        Args:
            folder: New or empty; short.
            routes: Default: one from OUTGOING to the folder `outgoing/`, quiet for 0.5 s.
            peers: Added to the peer `outgoing`.
            people: Name to roles.
            limits: Of the site file; by default 1 worker, 64 MiB spool reserve.
            profiles: The site's own de-identification profiles, name to YAML text.
            certificates: With them a mutual-TLS listener is opened as well.
            prefix: Command in front of the daemon's, such as `prlimit`.
            environment: Added to the daemon's.
        """
        self.folder = folder
        self.site_file = folder / "site.yaml"
        self.state = folder / "state"
        self.outgoing = folder / "outgoing"
        self.trust = folder / "trust"
        self.port = self.tls_port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._routes = list(routes or [outbound("outgoing", "OUTGOING", ["outgoing"])])
        self._peers = dict(peers or {})
        self._people = {name: {"roles": list(roles)} for name, roles in (people or {}).items()}
        self._limits = {"workers": 1, "spool_reserve_mib": 64, **(limits or {})}
        self._profiles = dict(profiles or {})
        self._certificates = certificates
        self._command = [*prefix, COMMAND, "run", "-c", str(self.site_file)]
        self._environment = dict(environment or {})
        # Beside the site folder's own files, but no part of the state: it is what journald would hold.
        self.log_file = folder / "daemon.log"

    # --- the site ------------------------------------------------------------------------------------------

    def make_site(self) -> None:
        """`lockgate init`, then the routes, peers and ports of this test."""
        made = lockgate("init", self.folder, "--site", "test-hospital", "--appliance", "edge-01")
        assert made.returncode == 0, made.stderr
        for name, text in self._profiles.items():
            (self.folder / "profiles").mkdir(exist_ok=True)
            (self.folder / "profiles" / f"{name}.yaml").write_text(text)
        self._choose_ports()
        self.edit(self._describe)

    def edit(self, change: Callable[[Site], None]) -> None:
        """Change the site file in place; a running daemon sees it at `reload()` or `restart()`."""
        site = yaml.safe_load(self.site_file.read_text())
        change(site)
        self.site_file.write_text(yaml.safe_dump(site, sort_keys=False))

    def _choose_ports(self) -> None:
        self.port = free_port()
        self.tls_port = free_port() if self._certificates else 0

    def _describe(self, site: Site) -> None:
        site["listen"]["dicom"]["port"] = self.port
        if self._certificates is not None:
            server = self._certificates.server
            server.key.chmod(0o600)
            site["listen"]["dicom_tls"] = {
                "host": HOST,
                "port": self.tls_port,
                "cert": str(server.cert),
                "key": str(server.key),
                "client_ca": str(self._certificates.ca),
            }
        site["peers"].update(self._peers)
        site["routes"] = self._routes
        site["people"] = self._people
        site["limits"] = self._limits

    # --- the process ---------------------------------------------------------------------------------------

    def start(self, ready_seconds: float = READY_SECONDS) -> None:
        """Start the daemon and wait for its "ready" line; make the site first if there is none."""
        if not self.site_file.exists():
            self.make_site()
        for _ in range(3):
            if self._launch(ready_seconds):
                return
            # Somebody took a port between our look and the daemon's bind.
            self._choose_ports()
            self.edit(self._describe)
        raise RuntimeError(f"the daemon found no free port\n{self.log_tail()}")

    def _launch(self, ready_seconds: float) -> bool:
        offset = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            process = self.process = subprocess.Popen(
                self._command,
                env=as_installed({"NO_COLOR": "1", **self._environment}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + ready_seconds
        while not self._said("ready", offset):
            if process.poll() is not None:
                self.process = None
                if "cannot listen for DICOM" in self.log_text(offset):
                    return False
                raise RuntimeError(f"the daemon ended with {process.returncode}\n{self.log_tail()}")
            if time.monotonic() > end:
                raise TimeoutError(f"the daemon is not ready after {ready_seconds} s\n{self.log_tail()}")
            time.sleep(_STEP_SECONDS)
        return True

    def _said(self, event: str, offset: int) -> bool:
        return any(line.get("event") == event for line in self.log_lines(offset))

    @property
    def pid(self) -> int:
        """Process id of the running daemon."""
        assert self.process is not None, "the daemon is down"
        return self.process.pid

    def kill9(self) -> None:
        """SIGKILL the daemon, as a power cut would; returns when it is gone."""
        assert self.process is not None, "the daemon is down"
        self.process.kill()
        self.process.wait()
        self.process = None

    def terminate(self, grace_seconds: float = 40) -> int:
        """SIGTERM; the exit status. Raises `subprocess.TimeoutExpired` when it does not end in order."""
        assert self.process is not None, "the daemon is down"
        self.process.terminate()
        status = self.process.wait(grace_seconds)
        self.process = None
        return status

    def restart(self) -> None:
        """Stop in order if it runs, start again over the same state and ports."""
        if self.process is not None:
            self.terminate()
        self.start()

    def signal(self, number: int) -> None:
        """Send a signal to the daemon, SIGHUP say."""
        os.kill(self.pid, number)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self.process is not None:
            self.kill9()

    # --- the log -------------------------------------------------------------------------------------------

    def log_text(self, offset: int = 0) -> str:
        """Everything that all runs over this folder wrote to stdout and stderr, from a byte offset on."""
        if not self.log_file.exists():
            return ""
        with self.log_file.open("rb") as log:
            log.seek(offset)
            return log.read().decode("utf-8", "replace")

    def log_lines(self, offset: int = 0) -> list[dict[str, Any]]:
        """The log's JSON lines; a line being written is left out."""
        found = []
        for line in self.log_text(offset).splitlines():
            try:
                one = json.loads(line)
            except ValueError:
                continue
            if isinstance(one, dict):
                found.append(one)
        return found

    def log_tail(self, lines: int = 30) -> str:
        """The last lines, for a test's failure message."""
        return "\n".join(self.log_text().splitlines()[-lines:])

    # --- the control socket --------------------------------------------------------------------------------

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request over the control socket, as the command line makes it."""
        transport = httpx.HTTPTransport(uds=str(self.state / "control.sock"))
        with httpx.Client(transport=transport, base_url="http://lockgate", timeout=30) as client:
            return client.request(method, path, **more)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON answer to a GET."""
        return self.ask("GET", path, params=query).raise_for_status().json()

    def status(self) -> dict[str, Any]:
        """`/status`."""
        return dict(self.get("/status"))

    def exchanges(self, *states: str) -> list[dict[str, Any]]:
        """`/exchanges`, all or of these states, the newest first."""
        found: list[dict[str, Any]] = []
        while True:
            after = {"after": found[-1]["exchange_id"]} if found else {}
            page = self.get("/exchanges", state=list(states), limit=_PAGE, **after)
            found += page
            if len(page) < _PAGE:
                return found

    def exchange(self, exchange_id: str) -> dict[str, Any]:
        """`/exchanges/ID`: with attempts, findings, holds, decisions, deliveries, instances, receipts."""
        return dict(self.get(f"/exchanges/{exchange_id}"))

    def holds(self, *, every: bool = False) -> list[dict[str, Any]]:
        """`/holds`: open ones, or all."""
        return list(self.get("/holds", **({"all": "1"} if every else {})))

    def metrics(self) -> str:
        """`/metrics` as text."""
        return self.ask("GET", "/metrics").raise_for_status().text

    def reload(self) -> httpx.Response:
        """POST `/reload`."""
        return self.ask("POST", "/reload")

    def cli(self, *arguments: str | Path, timeout_seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """A verb of the real command line with `-c` of this site."""
        return lockgate(*arguments, "-c", self.site_file, timeout_seconds=timeout_seconds)

    def in_state(self, *states: str) -> list[dict[str, Any]]:
        """The exchanges that are in one of these states now."""
        return [one for one in self.exchanges() if one["state"] in states]

    def over(self, count: int) -> list[dict[str, Any]]:
        """All exchanges once there are `count` of them and none works any more; else empty."""
        found = self.exchanges()
        return found if len(found) >= count and all(one["state"] in _OVER for one in found) else []

    def wait_for(
        self, condition: Callable[[Self], Answer], what: str, deadline_seconds: float = 60
    ) -> Answer:
        """Poll until `condition` (asked over the control socket) is true; its answer.

        A daemon that cannot be reached for a moment is waited for; one that has ended is not.

        Raises:
            TimeoutError: It was not true within the deadline; with the end of the log.
            RuntimeError: The daemon ended meanwhile.
        """
        end = time.monotonic() + deadline_seconds
        while True:
            try:
                answer = condition(self)
                if answer:
                    return answer
            except httpx.TransportError:
                pass
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f"the daemon ended with {self.process.returncode}\n{self.log_tail()}")
            if time.monotonic() > end:
                raise TimeoutError(f"no {what} within {deadline_seconds} s\n{self.log_tail()}")
            time.sleep(_STEP_SECONDS)

    def wait_closed(self, count: int = 1, deadline_seconds: float = 60) -> list[dict[str, Any]]:
        """Wait until `count` exchanges are closed; they."""

        def closed(box: Self) -> list[dict[str, Any]]:
            found = box.in_state("closed")
            return found if len(found) >= count else []

        return self.wait_for(closed, f"{count} closed exchanges", deadline_seconds)

    def wait_held(self, count: int = 1, deadline_seconds: float = 60) -> list[dict[str, Any]]:
        """Wait until there are `count` open holds; they."""

        def held(box: Self) -> list[dict[str, Any]]:
            found = box.holds()
            return found if len(found) >= count else []

        return self.wait_for(held, f"{count} holds", deadline_seconds)

    def delivered(self) -> list[Path]:
        """The DICOM files in the folder destination `outgoing/`."""
        return sorted(self.outgoing.rglob("*.dcm"))

    def receipts(self) -> list[Path]:
        """The partner receipts in the folder destination `outgoing/`."""
        return sorted(self.outgoing.rglob("*.receipt.zip"))
