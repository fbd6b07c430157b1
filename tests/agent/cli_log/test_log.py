"""`lockgate log` on a site whose daemon is down, and beside one that runs."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.cli.main import app
from agent.config.init import initialise
from agent.config.load import load_site
from agent.config.models import Site
from agent.config.shipped import shipped
from agent.pipeline.opening import open_log
from exchange.log.events import Event, EventKind, Outcome
from exchange.log.reader import LogReader, read_log
from exchange.receipts.verify.log import parse_vkey
from tests.exchange.log.making import BOOT, NOW
from tests.exchange.receipts.jsonschema_subset import conforms


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shipped(f"config/schemas/{name}.schema.json").read_text("utf-8"))
    return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    initialise(tmp_path / "site", "general-hospital", "edge-01")
    found = load_site(tmp_path / "site" / "site.yaml").site
    with open_log(found, lambda: NOW) as log:
        log.append(BOOT)
        log.append(
            Event(
                EventKind.REVIEW_DECISION,
                {"exchange": "0190c2f4", "decision": "reject"},
                Outcome.DENIED,
                "a" * 32,
                private={"by": "Dr. Weiss", "text": "on the\x1b[31m phone"},
            )
        )
        said: dict[str, str | int] = {"exchange": "0190c2f4", "receipt": "r-1", "paeSha256": "ab" * 32}
        log.append(Event(EventKind.RECEIPT_ISSUED, said))
    return found


def run(site: Site, *arguments: str) -> tuple[int, str]:
    file = site.keys.parent / "site.yaml"
    result = CliRunner().invoke(app, ["log", *arguments, "-c", str(file)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_show_and_that_it_was_read(site: Site) -> None:
    code, output = run(site, "show")
    assert code == 0
    lines = output.splitlines()
    assert len(lines) == 9, output
    assert "key.created" in lines[0]
    assert "review.decision" in lines[6]
    assert "denied decision=reject exchange=0190c2f4 actor=aaaaaaaa" in lines[6]
    assert "audit.read" in lines[8]
    assert "Weiss" not in output
    assert list(read_log(site.log_folder))[-1].kind == "audit.read"


def test_show_selects(site: Site) -> None:
    code, output = run(site, "show", "--kind", "boot", "--kind", "receipt.issued", "--json")
    shown = [json.loads(line) for line in output.splitlines()]
    assert (code, [one["kind"] for one in shown]) == (0, ["boot", "receipt.issued"])
    assert all(conforms(one, schema("log-show")) == "" for one in shown)
    assert len(run(site, "show", "--exchange", "0190")[1].splitlines()) == 2
    # Only what was just logged of these looks is newer.
    assert all("audit.read" in line for line in run(site, "show", "--since", "2026-05-05")[1].splitlines())


def test_show_opens_the_erasable_part_only_when_asked_and_says_that_it_did(site: Site) -> None:
    _, output = run(site, "show", "--people", "--kind", "review.decision")
    assert "by: Dr. Weiss; text: on the?[31m phone" in output
    assert list(read_log(site.log_folder))[-1].obj == {"people": 1}
    with open_log(site, lambda: NOW) as log:
        log.erase(6)
    assert "people erased" in run(site, "show", "--people", "--kind", "review.decision")[1]


def test_export_is_served_as_tlog_tiles(site: Site, tmp_path: Path) -> None:
    code, output = run(site, "export", str(tmp_path / "www"), "--json")
    answer = json.loads(output)
    assert (code, conforms(answer, schema("log-export"))) == (0, "")
    assert answer["leaves"] == 9
    names = sorted(str(path.relative_to(tmp_path / "www")) for path in (tmp_path / "www").rglob("*.*/*"))
    assert names == ["tile/0/000.p/9", "tile/entries/000.p/9"]
    assert (tmp_path / "www/tile/0/000.p/9").stat().st_size == 9 * 32
    assert b"Weiss" not in b"".join(
        path.read_bytes() for path in (tmp_path / "www").rglob("*") if path.is_file()
    )
    assert run(site, "export", str(tmp_path / "www"))[0] == 2
    assert [leaf.kind for leaf in read_log(site.log_folder)][-1] == "audit.exported"


def test_fsck(site: Site) -> None:
    code, output = run(site, "fsck", "--json")
    assert (code, conforms(json.loads(output), schema("log-fsck"))) == (0, "")
    bundle = site.log_folder / "1/tile/entries/000"
    bundle.write_bytes(bundle.read_bytes().replace(b"reject", b"relent"))
    code, output = run(site, "fsck")
    assert code == 1
    assert "NOT SOUND  tile/0/000: hash 6 is not that of leaf 6" in output


def test_prove(site: Site) -> None:
    code, output = run(site, "prove", "7")
    assert (code, output) == (0, LogReader.open(site.log_folder).proof(7).decode())
    assert run(site, "prove", "r-1") == (0, output)
    for wrong in ("8", "r-2", str(site.keys)):
        code, output = run(site, "prove", wrong)
        assert code == 2
        assert output.startswith("cannot ")


def test_vkey(site: Site) -> None:
    code, output = run(site, "vkey")
    assert code == 0
    assert [parse_vkey(line).kind for line in output.splitlines()] == [1, 6]
    found = {path.read_text() for path in site.trust.glob("*.vkey")}
    assert found == {f"{line}\n" for line in output.splitlines()}
    code, output = run(site, "vkey", "--json")
    assert conforms(json.loads(output), schema("log-vkey")) == ""


def test_a_site_of_an_older_version_gets_its_log_at_the_first_start(tmp_path: Path) -> None:
    initialise(tmp_path / "site", "general-hospital", "edge-01")
    found = load_site(tmp_path / "site" / "site.yaml").site
    for path in [*found.keys.glob("log*"), *found.trust.glob("*.vkey")]:
        path.unlink()
    found.journal_file.parent.mkdir(parents=True)
    found.journal_file.write_bytes(b"")
    with open_log(found, lambda: NOW) as log:
        vkeys = {path.read_text() for path in found.trust.glob("*.vkey")}
        assert {line.split("+")[0] for line in vkeys} == {log.signed.origin, f"{log.signed.origin}/mldsa"}
    assert [leaf.kind for leaf in read_log(found.log_folder)] == ["journal.sealed", "key.created"]
    assert list(read_log(found.log_folder))[1].obj["key"] == "log"


def test_a_log_that_is_not_there_yet(tmp_path: Path) -> None:
    initialise(tmp_path / "site", "general-hospital", "edge-01")
    found = load_site(tmp_path / "site" / "site.yaml").site
    for verb in (["fsck"], ["prove", "0"]):
        code, output = run(found, *verb)
        assert (code, "there is none" in output) == (2, True)
    assert run(found, "vkey")[0] == 0
