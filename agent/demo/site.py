"""The demo's appliance: a site with a route to the partner and to a folder, and a real daemon."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx

from exchange.domain.errors import LockgateError
from exchange.keys.site import init_site_keys

VIRTUAL_AE = "TO_PARTNER"
APPLIANCE_AE = "LOCKGATE"
DOMAIN = "partner"
_START_SECONDS = 60.0

_SITE = """\
site: general-hospital
appliance: demo-01
listen:
  dicom: {{ae_titles: [{appliance_ae}], host: 127.0.0.1, port: {port}}}
peers:
  partner: {{dicom: {{ae_title: {ae_title}, host: 127.0.0.1, port: {partner_port}}}}}
  outgoing: {{folder: {{path: outgoing/}}}}
routes:
  - name: second-opinion
    direction: outbound
    match: {{called_ae: {virtual_ae}}}
    settle: {{quiet_seconds: 1.0}}
    deidentify: {{profile: default, pseudonym_domain: {domain}}}
    deliver: [partner, outgoing]
people:
  demo: {{roles: [technologist, privacy]}}
limits: {{spool_reserve_mib: 64}}
"""


class DemoSite:
    """A site folder and the daemon that serves it."""

    def __init__(self, folder: Path, port: int, partner: tuple[str, int]) -> None:
        self.folder = folder
        self.port = port
        self._partner = partner
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def outgoing(self) -> Path:
        """The folder destination."""
        return self.folder / "outgoing"

    @property
    def trust(self) -> Path:
        """The trust folder: what a partner is given."""
        return self.folder / "trust"

    @property
    def log(self) -> Path:
        """The daemon's log."""
        return self.folder / "lockgate.log"

    def write(self) -> None:
        """Write keys, trust folder and site file."""
        self.folder.mkdir(parents=True)
        self.outgoing.mkdir()
        now = datetime.now(UTC)
        init_site_keys(self.folder / "keys", "general-hospital", "demo-01", now, self.trust)
        ae_title, partner_port = self._partner
        text = _SITE.format(
            port=self.port,
            ae_title=ae_title,
            partner_port=partner_port,
            virtual_ae=VIRTUAL_AE,
            appliance_ae=APPLIANCE_AE,
            domain=DOMAIN,
        )
        (self.folder / "site.yaml").write_text(text)

    def __enter__(self) -> Self:
        """Start `lockgate run` and wait until it serves."""
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "agent", "run", "-c", str(self.folder / "site.yaml")],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise LockgateError("cannot start the demo's appliance", f"read {self.log}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop it in order; harmless when it is stopped."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def get(self, path: str) -> Any:
        """An answer of the control socket."""
        transport = httpx.HTTPTransport(uds=str(self.folder / "state" / "control.sock"))
        with httpx.Client(transport=transport, base_url="http://lockgate", timeout=10) as client:
            return client.get(path).raise_for_status().json()

    def _answers(self) -> bool:
        try:
            self.get("/status")
        except httpx.HTTPError:
            return False
        return True
