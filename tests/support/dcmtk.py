"""DCMTK's tools as real peers and clients; TCP_NODELAY=1 where speed is not the point.

with StoreScp(tmp_path / "received") as scp: storescu(scp.port, [file]); scp.files()
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.certificates import Certificates, Identity
from tests.support.ports import HOST, free_port, listens, stop, wait_until

TOOLS = ("storescp", "storescu", "dcmsend", "echoscu")


def tool(name: str) -> str:
    """DCMTK's own program; pynetdicom installs scripts under the same names into virtual environments."""
    for folder in filter(None, os.environ.get("PATH", "").split(os.pathsep)):
        found = shutil.which(name, path=folder)
        if found and not Path(found).read_bytes().startswith(b"#!"):
            return found
    return ""


def available() -> bool:
    """Whether DCMTK's tools are installed."""
    return all(tool(name) for name in TOOLS)


def environment(*, nodelay: bool = True) -> dict[str, str]:
    """The environment for a DCMTK process, with its Nagle algorithm off by default."""
    return {**os.environ, **({"TCP_NODELAY": "1"} if nodelay else {})}


def _client_tls(ca: Path | None, identity: Identity | None) -> list[str]:
    if ca is None:
        return []
    if identity is None:
        return ["+tla", "+cf", str(ca)]
    return ["+tls", str(identity.key), str(identity.cert), "+cf", str(ca)]


def _run(
    command: Sequence[str], *, nodelay: bool, timeout_seconds: float
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [tool(command[0]), *command[1:]],
        env=environment(nodelay=nodelay),
        capture_output=True,
        timeout=timeout_seconds,
        check=False,
    )


def echoscu(
    port: int,
    *,
    called_ae: str = "ANY-SCP",
    calling_ae: str = "ECHOSCU",
    ca: Path | None = None,
    identity: Identity | None = None,
    timeout_seconds: float = 30,
) -> subprocess.CompletedProcess[bytes]:
    """C-ECHO by `echoscu`; with `ca` over TLS, anonymous when no `identity` is given."""
    command = [
        tool("echoscu"),
        "-to",
        "10",
        "-aet",
        calling_ae,
        "-aec",
        called_ae,
        *_client_tls(ca, identity),
    ]
    return _run([*command, HOST, str(port)], nodelay=True, timeout_seconds=timeout_seconds)


def storescu(
    port: int,
    files: Iterable[Path],
    *,
    called_ae: str = "ANY-SCP",
    calling_ae: str = "STORESCU",
    ca: Path | None = None,
    identity: Identity | None = None,
    options: Sequence[str] = (),
    nodelay: bool = True,
    timeout_seconds: float = 120,
) -> subprocess.CompletedProcess[bytes]:
    """C-STORE by `storescu` (uncompressed syntaxes; pass `options` such as `-xs` for others)."""
    command = [
        tool("storescu"),
        "-to",
        "10",
        "-aet",
        calling_ae,
        "-aec",
        called_ae,
        *_client_tls(ca, identity),
    ]
    command += [*options, HOST, str(port), *map(str, files)]
    return _run(command, nodelay=nodelay, timeout_seconds=timeout_seconds)


def dcmsend(
    port: int,
    files: Iterable[Path],
    *,
    called_ae: str = "ANY-SCP",
    calling_ae: str = "DCMSEND",
    options: Sequence[str] = ("-dn",),
    nodelay: bool = True,
    timeout_seconds: float = 120,
) -> subprocess.CompletedProcess[bytes]:
    """C-STORE by `dcmsend`: any transfer syntax as it is in the file; files or folders (`+sd +r`)."""
    command = ["dcmsend", "-to", "10", "-aet", calling_ae, "-aec", called_ae, *options, HOST, str(port)]
    return _run([*command, *map(str, files)], nodelay=nodelay, timeout_seconds=timeout_seconds)


class StoreScp:
    """A running `storescp`, as a context manager.

    Attributes:
        port: Where it listens on loopback.
        folder: Where it writes; file names are `<modality>.<SOP Instance UID>`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ae_title: str = "STORESCP",
        options: Sequence[str] = ("+xa", "-pm"),
        certificates: Certificates | None = None,
        nodelay: bool = True,
    ) -> None:
        self.folder = folder
        self.ae_title = ae_title
        self.port = 0
        self._options = list(options)
        self._nodelay = nodelay
        self._process: subprocess.Popen[bytes] | None = None
        if certificates is not None:
            server = certificates.server
            self._options += ["+tls", str(server.key), str(server.cert), "+cf", str(certificates.ca)]

    def start(self) -> None:
        """Start it and wait until it listens; another port is tried when one was taken meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(3):
            self.port = free_port()
            process = self._process = self._launch()
            wait_until(partial(self._settled, process), "storescp")
            if process.poll() is None:
                return
            stop(process)
        raise RuntimeError("storescp did not start on three ports")

    def _launch(self) -> subprocess.Popen[bytes]:
        command = [
            tool("storescp"),
            *self._options,
            "-aet",
            self.ae_title,
            "-od",
            str(self.folder),
            str(self.port),
        ]
        return subprocess.Popen(
            [tool(command[0]), *command[1:]],
            env=environment(nodelay=self._nodelay),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _settled(self, process: subprocess.Popen[bytes]) -> bool:
        return process.poll() is not None or listens(self.port)

    @property
    def pid(self) -> int:
        """Process id while it runs."""
        if self._process is None:
            raise RuntimeError("this storescp is not running")
        return self._process.pid

    def stop(self) -> None:
        """Stop it, by its own process."""
        if self._process is not None:
            stop(self._process)
            self._process = None

    def files(self) -> list[Path]:
        """What it has stored so far."""
        return sorted(path for path in self.folder.iterdir() if path.is_file())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
