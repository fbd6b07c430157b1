"""The two peers of the demo on loopback: Orthanc where it is installed, a pynetdicom stand-in elsewhere."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import httpx
from pynetdicom import AE, evt
from pynetdicom import _config as pynetdicom_config

from exchange.dicomio.header import read_header
from exchange.dimse.requesting import keep_responses
from exchange.domain.errors import PeerUnavailable

_START_SECONDS = 30.0


class DemoPeer(Protocol):
    """A stand-in PACS or partner."""

    kind: str
    ae_title: str
    port: int

    def __enter__(self) -> Self:
        """Start it."""

    def __exit__(self, *_: object) -> None:
        """Stop it."""

    def stop(self) -> None:
        """Stop it; harmless when it is stopped."""

    def know(self, ae_title: str, port: int) -> None:
        """Where the appliance listens: a storage commitment is reported to it there."""

    def send(self, files: Sequence[Path], called_ae: str, port: int) -> None:
        """C-STORE these files to a virtual AE of the appliance."""

    def stored(self) -> list[bytes]:
        """Every byte string that it holds, to search for a name in."""


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def demo_peer(ae_title: str, folder: Path) -> DemoPeer:
    """Orthanc where it is installed, else the pynetdicom stand-in."""
    binary = shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return OrthancPeer(ae_title, folder, binary) if binary else StandInPeer(ae_title, folder)


class OrthancPeer:
    """A real Orthanc with its storage in `folder`; REST and DICOM on loopback only."""

    kind = "Orthanc"

    def __init__(self, ae_title: str, folder: Path, binary: str) -> None:
        self.ae_title = ae_title
        self.port = free_port()
        self._http_port = free_port()
        self._folder = folder
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Write its configuration, start it, wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = self._folder / "orthanc.json"
        configuration.write_text(json.dumps(self._configuration()))
        log = (self._folder / "orthanc.log").open("wb")
        self._process = subprocess.Popen(
            [self._binary, str(configuration)],
            stdout=log,
            stderr=log,
            env={**os.environ, "TCP_NODELAY": "1"},
        )
        log.close()
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                httpx.get(f"{self._url}/system", timeout=1)
                return self
            except httpx.HTTPError as error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise PeerUnavailable(
                        "cannot start the demo's Orthanc", "see orthanc.log in its folder"
                    ) from error
                time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the process that we started; harmless when it is stopped."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._http_port}"

    def _configuration(self) -> dict[str, Any]:
        return {
            "Name": self.ae_title,
            "StorageDirectory": str(self._folder / "storage"),
            "IndexDirectory": str(self._folder / "storage"),
            "StorageCompression": False,
            "DicomAet": self.ae_title,
            "DicomPort": self.port,
            "HttpPort": self._http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomServerEnabled": True,
            "DicomAlwaysAllowStore": True,
            "DicomCheckCalledAet": False,
            "Plugins": [],
            "OverwriteInstances": False,
        }

    def know(self, ae_title: str, port: int) -> None:
        """Make the appliance one of its modalities."""
        modality = {"AET": ae_title, "Host": "127.0.0.1", "Port": port}
        httpx.put(f"{self._url}/modalities/{ae_title}", json=modality, timeout=60).raise_for_status()

    def send(self, files: Sequence[Path], called_ae: str, port: int) -> None:
        """Upload the files to it, then let it C-STORE them."""
        self.know(called_ae, port)
        with httpx.Client(base_url=self._url, timeout=60) as client:
            uploads = [
                client.post("/instances", content=file.read_bytes()).raise_for_status() for file in files
            ]
            identifiers = [upload.json()["ID"] for upload in uploads]
            client.post(f"/modalities/{called_ae}/store", json=identifiers).raise_for_status()

    def stored(self) -> list[bytes]:
        """All files of its storage, the index included."""
        return [path.read_bytes() for path in (self._folder / "storage").rglob("*") if path.is_file()]


class StandInPeer:
    """A storage SCP and SCU by pynetdicom, with its files in `folder`."""

    kind = "pynetdicom stand-in"

    def __init__(self, ae_title: str, folder: Path) -> None:
        self.ae_title = ae_title
        self.port = free_port()
        self._folder = folder
        self._server: Any = None

    def __enter__(self) -> Self:
        """Start listening."""
        pynetdicom_config.UNRESTRICTED_STORAGE_SERVICE = True
        self._folder.mkdir(parents=True, exist_ok=True)
        entity = AE(self.ae_title)
        for context in _all_storage_contexts():
            entity.add_supported_context(*context)
        self._server = entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening; harmless when it is stopped."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def _store(self, event: Any) -> int:
        name = f"{len(list(self._folder.iterdir())):04d}.dcm"
        (self._folder / name).write_bytes(event.encoded_dataset())
        return 0x0000

    def know(self, ae_title: str, port: int) -> None:
        """Nothing to do: it offers no storage commitment."""

    def send(self, files: Sequence[Path], called_ae: str, port: int) -> None:
        """C-STORE the files over one association."""
        entity = AE(self.ae_title)
        pairs = {(head.SOPClassUID, head.file_meta.TransferSyntaxUID) for head in map(read_header, files)}
        for sop_class, syntax in sorted(pairs):
            entity.add_requested_context(sop_class, syntax)
        opened = [(evt.EVT_CONN_OPEN, keep_responses)]
        association = entity.associate("127.0.0.1", port, ae_title=called_ae, evt_handlers=opened)
        if not association.is_established:
            raise PeerUnavailable("cannot reach the appliance from the demo's PACS", "read its log above")
        try:
            for file in files:
                if association.send_c_store(file).get("Status") != 0x0000:
                    raise PeerUnavailable("cannot store the demo's study", "read the appliance's log")
        finally:
            association.release()

    def stored(self) -> list[bytes]:
        """All files received."""
        return [path.read_bytes() for path in self._folder.iterdir()]


def _all_storage_contexts() -> Iterable[tuple[str, list[str]]]:
    from pynetdicom import AllStoragePresentationContexts
    from pynetdicom._globals import ALL_TRANSFER_SYNTAXES

    return [(context.abstract_syntax, ALL_TRANSFER_SYNTAXES) for context in AllStoragePresentationContexts]
