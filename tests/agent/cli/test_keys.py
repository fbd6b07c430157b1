"""`lockgate keys` without a daemon: shown, requested, certified by a real CA, revoked, made anew."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli.main import app
from agent.config.key_answers import InstalledAnswer, KeysAnswer, MadeKeyAnswer, RevokedAnswer
from agent.config.load import load_site
from agent.doctor.examination import examine
from exchange.keys.signing import FileKeyStore
from exchange.log.leaves import Leaf
from exchange.log.reader import read_log
from tests.exchange.keys.hospital import HospitalCa, openssl

LOSS = "2026-05-04T12:00Z"


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    assert call("init", tmp_path / "s").exit_code == 0
    file = tmp_path / "s" / "site.yaml"
    people = "people:\n  berg: {roles: [administrator]}\n  jo: {roles: [technologist]}\n"
    file.write_text(file.read_text().replace("people: {}\n", people))
    return file


def keys(site_file: Path, *arguments: str | Path) -> Result:
    return call("keys", *arguments, "-c", site_file)


def logged(site_file: Path) -> list[Leaf]:
    return [one for one in read_log(load_site(site_file).site.log_folder) if one.kind.startswith("key.")]


def keyid(site_file: Path) -> str:
    return FileKeyStore(site_file.parent / "keys").keyid()


def test_show(site_file: Path) -> None:
    answer = KeysAnswer.model_validate_json(keys(site_file, "show", "--json").stdout)
    first = answer.keys[0]
    assert first.certificate is not None
    assert (first.purpose, first.state, first.keyid) == ("receipts", "current", keyid(site_file))
    assert first.certificate.daysLeft == 3649
    shown = keys(site_file, "show").stdout
    for words in (keyid(site_file), "private half in: file", "3649 days left", "crosswalk: current"):
        assert words in shown


def test_certified_by_a_hospital(site_file: Path, tmp_path: Path) -> None:
    request = tmp_path / "edge.csr"
    assert keys(site_file, "csr", "--out", request).exit_code == 0
    assert request.read_text() != keys(site_file, "csr").stdout  # signed anew each time: ECDSA is randomised
    assert "verify OK" in openssl("req", "-in", request, "-noout", "-verify").stderr
    hospital = HospitalCa(tmp_path / "hospital")
    chain = hospital.certify(request)
    refused = keys(site_file, "install", chain, "--by", "berg")
    assert (refused.exit_code, "does not hold under the known CAs" in refused.stderr) == (2, True)
    shown = keys(site_file, "install", chain, "--anchor", hospital.root, "--by", "berg", "--json")
    answer = InstalledAnswer.model_validate_json(shown.stdout)
    assert answer.certificate.issuer == "CN=middle,O=Hospital trust"
    assert Path(answer.former).is_file()
    assert Path(answer.anchor).parent == site_file.parent / "trust"
    last = logged(site_file)[-1]
    assert (last.kind, last.outcome, last.obj["certificate"]) == (
        "key.certified",
        "ok",
        answer.certificate.sha256,
    )
    assert last.actor
    again = keys(site_file, "install", chain, "--by", "berg")  # the CA is known now
    assert "is in use" in again.stdout
    assert "give this certificate to your partners" in again.stdout


def test_revoked_and_made_anew(site_file: Path) -> None:
    old = keyid(site_file)
    reason = ("--reason", "key-compromise", "--by", "berg")
    shown = keys(site_file, "revoke", old[:8], "--from", LOSS, *reason, "--json")
    answer = RevokedAnswer.model_validate_json(shown.stdout)
    assert (answer.keyid, answer.invalidFrom) == (old, "2026-05-04T12:00:00.000Z")
    listed = json.loads(Path(answer.file).read_text())
    assert listed["keys"][0] == {"invalidFrom": answer.invalidFrom, "keyid": old, "reason": "key-compromise"}
    assert "revoked     from 2026-05-04T12:00:00.000Z" in keys(site_file, "show").stdout
    check = next(one for one in examine(site_file).checks if one.name == "signing-key")
    assert (check.status.value, "is revoked" in check.detail) == ("fail", True)
    assert "lockgate keys init" in check.fix
    assert keys(site_file, "csr").exit_code == 2
    made = MadeKeyAnswer.model_validate_json(keys(site_file, "init", "--by", "berg", "--json").stdout)
    assert (made.replaced, made.certified, made.keyid) == (old, True, keyid(site_file))
    kinds = [(one.kind, one.outcome) for one in logged(site_file)][-2:]
    assert kinds == [("key.revoked", "ok"), ("key.created", "ok")]
    again = keys(site_file, "init", "--by", "berg")
    assert (again.exit_code, "is there already and in use" in again.stderr) == (2, True)


@pytest.mark.parametrize("by", ["jo", "nobody"])
def test_only_an_administrator_may_and_a_refusal_is_on_record(site_file: Path, by: str) -> None:
    before = (site_file.parent / "keys" / "signing.crt").read_bytes()
    for arguments in (
        ("init",),
        ("revoke", keyid(site_file)[:8], "--from", LOSS, "--reason", "superseded"),
        ("install", str(site_file.parent / "keys" / "signing.crt")),
    ):
        refused = keys(site_file, *arguments, "--by", by)
        assert (refused.exit_code, refused.stderr.startswith("cannot ")) == (2, True)
        assert logged(site_file)[-1].outcome == "denied"
    assert not (site_file.parent / "keys" / "revoked.json").exists()
    assert (site_file.parent / "keys" / "signing.crt").read_bytes() == before


@pytest.mark.parametrize(
    ("which", "since", "words"),
    [
        ("", LOSS, "cannot tell which key"),
        ("abcdef01", LOSS, "cannot tell which key"),
        ("self", "2999-01-01T00:00Z", "in the future"),
        ("self", "2026-05-04T12:00", "does not match the formats"),
    ],
)
def test_a_revocation_must_be_clear(site_file: Path, which: str, since: str, words: str) -> None:
    which = keyid(site_file)[:8] if which == "self" else which
    answer = keys(site_file, "revoke", which, "--from", since, "--reason", "superseded", "--by", "berg")
    assert answer.exit_code == 2
    assert words in " ".join(answer.output.split())
    assert not (site_file.parent / "keys" / "revoked.json").exists()


def test_doctor_warns_before_what_ends_first(site_file: Path, tmp_path: Path) -> None:
    request = tmp_path / "edge.csr"
    keys(site_file, "csr", "--out", request)
    hospital = HospitalCa(tmp_path / "hospital")
    chain = hospital.certify(request, days="40")
    keys(site_file, "install", chain, "--anchor", hospital.root, "--by", "berg")
    check = next(one for one in examine(site_file, datetime.now(UTC)).checks if one.name == "signing-key")
    assert (check.status.value, "in less than 60 days" in check.detail) == ("warn", True)
    assert "lockgate keys csr" in check.fix
