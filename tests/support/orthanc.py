"""A real Orthanc on loopback: C-STORE, DICOMweb, REST.

with Orthanc(tmp_path / "partner", ae_title="PARTNER") as orthanc:
    orthanc.upload(path); orthanc.send_to("LOCKGATE", study_ids); orthanc.instances()
"""

import json
import os
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest

from tests.support.ports import HOST, free_port, stop, wait_until

BINARY = Path("/usr/sbin/Orthanc")
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def available(*, dicomweb: bool = False) -> bool:
    """Whether Orthanc (and its DICOMweb plugin) is installed."""
    return BINARY.is_file() and (not dicomweb or DICOMWEB.is_file())


needs_dicomweb = pytest.mark.skipif(
    not available(dicomweb=True), reason="Orthanc with DICOMweb is not installed (apt)"
)


@dataclass(frozen=True, slots=True)
class Modality:
    """A peer that Orthanc may send to and accept from."""

    ae_title: str
    port: int
    host: str = HOST


class Orthanc:
    """A running Orthanc, as a context manager; nothing of it outlives the process but its folder.

    Plain HTTP: Debian's Orthanc 1.10 segfaults on its first HTTPS request (put `tests.support.tls_front`
    before it where TLS is the point).

    Attributes:
        dicom_port, http_port: Where it listens on loopback.
        url: Base of its REST interface; DICOMweb is at `url + "/dicom-web"`.
        storage: Folder with its files (attachments and SQLite index).
        user, password: Of its REST interface when `authentication` was asked for; else "".
    """

    def __init__(
        self,
        folder: Path,
        *,
        ae_title: str = "ORTHANC",
        modalities: Mapping[str, Modality] | None = None,
        authentication: bool = False,
        settings: Mapping[str, Any] | None = None,
        nodelay: bool = True,
    ) -> None:
        self.folder = folder
        self.storage = folder / "storage"
        self.ae_title = ae_title
        self.user, self.password = ("lockgate", secrets.token_urlsafe(16)) if authentication else ("", "")
        self.dicom_port = self.http_port = 0
        self._modalities = dict(modalities or {})
        self._settings = dict(settings or {})
        self._nodelay = nodelay
        self._process: subprocess.Popen[bytes] | None = None
        self._client: httpx.Client | None = None

    @property
    def pid(self) -> int:
        """Process id while it runs."""
        if self._process is None:
            raise RuntimeError("this Orthanc is not running")
        return self._process.pid

    @property
    def url(self) -> str:
        """Base of the REST interface."""
        return f"http://{HOST}:{self.http_port}"

    @property
    def dicomweb_url(self) -> str:
        """Base of DICOMweb: STOW-RS is `dicomweb_url + "/studies"`."""
        return f"{self.url}/dicom-web"

    def _configuration(self) -> dict[str, Any]:
        modalities = {
            name: {"AET": peer.ae_title, "Host": peer.host, "Port": peer.port}
            for name, peer in self._modalities.items()
        }
        configuration = {
            "Name": self.ae_title,
            "DicomAet": self.ae_title,
            "DicomPort": self.dicom_port,
            "HttpPort": self.http_port,
            "StorageDirectory": str(self.storage),
            "IndexDirectory": str(self.storage),
            "Plugins": [str(DICOMWEB)] if DICOMWEB.is_file() else [],
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": bool(self.user),
            "RegisteredUsers": {self.user: self.password} if self.user else {},
            "DicomModalities": modalities,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "DicomCheckCalledAet": False,
            "UnknownSopClassAccepted": True,
            "StableAge": 1,
            "DicomScuTimeout": 10,
            "ConcurrentJobs": 2,
            "JobsHistorySize": 50,
            "SaveJobs": False,
            "OverwriteInstances": False,
        }
        return configuration | self._settings

    def start(self) -> None:
        """Start it and wait until REST answers; other ports are tried when one was taken meanwhile."""
        self.storage.mkdir(parents=True, exist_ok=True)
        for _ in range(3):
            self.dicom_port, self.http_port = free_port(), free_port()
            file = self.folder / "orthanc.json"
            file.write_text(json.dumps(self._configuration(), indent=1))
            file.chmod(0o600)
            with (self.folder / "orthanc.log").open("ab") as log:
                process = self._process = subprocess.Popen(
                    [str(BINARY), str(file)],
                    env={**os.environ, **({"TCP_NODELAY": "1"} if self._nodelay else {})},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            self._client = self._make_client()
            wait_until(partial(self._settled, process), "Orthanc", 60)
            if process.poll() is None:
                return
            self.stop()
        raise RuntimeError(f"Orthanc did not start, see {self.folder / 'orthanc.log'}")

    def _settled(self, process: subprocess.Popen[bytes]) -> bool:
        return process.poll() is not None or self._answers()

    def _make_client(self) -> httpx.Client:
        auth = (self.user, self.password) if self.user else None
        return httpx.Client(base_url=self.url, auth=auth, timeout=60, trust_env=False)

    def _answers(self) -> bool:
        try:
            return self.client.get("/system").is_success
        except httpx.HTTPError:
            return False

    @property
    def client(self) -> httpx.Client:
        """REST client, authenticated."""
        if self._client is None:
            raise RuntimeError("this Orthanc is not running")
        return self._client

    def get(self, path: str) -> Any:
        """GET a REST path and decode its JSON."""
        return self.client.get(path).raise_for_status().json()

    def stop(self, *, grace_seconds: float = 10) -> None:
        """Stop it, by its own process; start() again keeps the storage, on other ports.

        Orthanc takes seconds to end in order; leaving the context does not wait for that.
        """
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._process is not None:
            stop(self._process, grace_seconds)
            self._process = None

    def upload(self, path: Path) -> str:
        """Store one file through REST; returns Orthanc's id of the instance."""
        answer = self.client.post("/instances", content=path.read_bytes()).raise_for_status().json()
        return str(answer["ID"])

    def add_modality(self, name: str, modality: Modality) -> None:
        """Make a peer known while it runs."""
        body = {"AET": modality.ae_title, "Host": modality.host, "Port": modality.port}
        self.client.put(f"/modalities/{name}", json=body).raise_for_status()

    def send_to(self, modality: str, resources: Sequence[str]) -> dict[str, Any]:
        """C-STORE these resources (instance, series or study ids) to a modality; blocks until done."""
        body = {"Resources": list(resources), "Synchronous": True, "Timeout": 30}
        answer = self.client.post(f"/modalities/{modality}/store", json=body, timeout=300)
        result: dict[str, Any] = answer.raise_for_status().json()
        return result

    def studies(self) -> list[str]:
        """Orthanc's ids of the studies that it holds."""
        return list(self.get("/studies"))

    def instances(self) -> list[str]:
        """Orthanc's ids of the instances that it holds."""
        return list(self.get("/instances"))

    def tags(self, instance_id: str) -> dict[str, Any]:
        """Keyword to value of one instance."""
        return dict(self.get(f"/instances/{instance_id}/simplified-tags"))

    def file(self, instance_id: str) -> bytes:
        """The Part 10 file that it holds."""
        return self.client.get(f"/instances/{instance_id}/file").raise_for_status().content

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(grace_seconds=0)
