"""What `doctor` says of the STOW-RS server: its certificate, its tokens, its port."""

import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.config.firmware import detect_machine, firmware_profile
from agent.config.init import initialise
from agent.config.load import load_site
from agent.doctor import trust, wires
from agent.doctor.results import Status
from agent.doctor.surroundings import Surroundings
from tests.support.ports import HOST, free_port
from tests.support.sites import NOW, write_pair


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    initialise(tmp_path / "s", "hospital", "edge", now=NOW)
    return tmp_path / "s"


def look(folder: Path, **listener: Any) -> Surroundings:
    """A site whose STOW-RS listener has these settings."""
    file = folder / "site.yaml"
    site = yaml.safe_load(file.read_text())
    token = folder / "token"
    if not token.exists():
        token.write_text("secret")
        token.chmod(0o600)
    doors = [{"called_ae": "TELERAD", "token_file": str(token)}]
    site["listen"]["dicom"]["port"] = free_port()
    site["listen"]["dicomweb"] = {"host": HOST, "port": free_port(), "doors": doors, **listener}
    file.write_text(yaml.safe_dump(site))
    loaded = load_site(file, NOW)
    return Surroundings(loaded, loaded.warnings, detect_machine(), firmware_profile("x86-cpu"), "", NOW)


def test_tokens_are_looked_at(folder: Path) -> None:
    surroundings = look(folder)
    token = folder / "token"
    assert trust.door_tokens(surroundings) == (Status.PASS, "1 tokens")
    token.chmod(0o644)
    status, detail, *fix = trust.door_tokens(surroundings)
    assert (status, fix) == (Status.FAIL, [f"chmod 600 {token}"])
    token.chmod(0o600)
    token.write_text(" \n")
    assert trust.door_tokens(surroundings)[0] is Status.FAIL
    assert "secret" not in detail
    assert trust.door_tokens(look(folder, doors=[{"called_ae": "A"}]))[0] is Status.SKIP


@pytest.mark.parametrize(("days", "status"), [(400, Status.PASS), (40, Status.WARN), (3, Status.FAIL)])
def test_the_certificate_is_looked_at(folder: Path, days: int, status: Status) -> None:
    pair = write_pair(folder / "tls", "web", NOW + timedelta(days=days))
    surroundings = look(folder, cert=str(pair.cert), key=str(pair.key))
    assert trust.tls_certificates(surroundings)[0] is status
    pair.key.chmod(0o640)
    assert trust.tls_certificates(surroundings)[0] is Status.FAIL


def test_the_port_is_looked_at(folder: Path) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        status, detail, *_ = wires.ports(look(folder, port=port))
    assert (status, str(port) in detail) == (Status.FAIL, True)
    assert wires.ports(look(folder))[0] is Status.PASS
