"""Pages and lists for people, made by the commands from a site's real records."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import agent.cli.verify as verifying
from agent.cli.main import app
from agent.config.people_answers import ReceiptsExportAnswer, ReportAnswer
from agent.custody.records import ExchangeRecord
from agent.daemon.build import read_configuration
from agent.pipeline.activity_page import report_csv
from agent.pipeline.decide import Verdict, decide_hold
from exchange.domain.exchange import DecisionKind, DecisionReason
from exchange.log.reader import read_log
from tests.agent.daemon.test_visible import ask
from tests.agent.pipeline.house import House
from tests.agent.pipeline.partner import detail
from tests.agent.pipeline.test_conflicts import changed
from tests.exchange.receipts.test_pages import Reader
from tests.support.appliance import short_folder
from tests.support.small_studies import PATIENT, make_instance, make_study

OTHER = "archive-elsewhere"


class Records:
    """A site whose first study went to two destinations, and whose second was held and released by sam."""

    def __init__(self, house: House) -> None:
        self.house = house
        (house.folder / "other").mkdir()
        file = house.folder / "site.yaml"
        text = file.read_text().replace("deliver: [outgoing]", f"deliver: [outgoing, {OTHER}]")
        file.write_text(text.replace("peers:\n", f"peers:\n  {OTHER}: {{folder: {{path: other/}}}}\n"))
        house.appliance.configuration = read_configuration(file)
        self.first: ExchangeRecord = house.through(make_study(1))
        house.arrive([make_instance(2), changed(study=2)])
        house.settle()
        house.process()
        for hold in detail(house).holds:
            verdict = Verdict(DecisionKind.RELEASE, "sam", "root", DecisionReason.FALSE_ALARM, "in words")
            decide_hold(house.appliance, hold.hold_id, verdict)
        house.process()
        house.deliver()
        self.second: ExchangeRecord = house.exchanges()[0]
        self.study = house.folder / "outgoing" / self.first.study_uid_sent
        self.bundles = sorted(self.study.rglob("*.receipt.zip"))

    def call(self, verb: str, *arguments: str | Path) -> Result:
        return CliRunner().invoke(
            app, [verb, *map(str, arguments), "-c", str(self.house.folder / "site.yaml")]
        )


@pytest.fixture(scope="module")
def records() -> Iterator[Records]:
    with ExitStack() as stack:
        yield Records(House(stack.enter_context(short_folder()) / "site", stack))


def verify(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["verify", *map(str, arguments)])


def no_patient(text: str) -> None:
    assert not any(planted.upper() in text.upper() for planted in PATIENT)


def test_verify_writes_a_page(records: Records, tmp_path: Path) -> None:
    page, trust = tmp_path / "page.html", records.house.folder / "trust"
    answer = verify("--trust", trust, "--files", records.study, "--html", page, *records.bundles)
    assert answer.exit_code == 0
    read_page = Reader(page.read_text())
    assert "VALID 3 receipts, level L1, in the log" in read_page.text
    assert len(read_page.links) == 3
    assert "compared with the files given" in read_page.text
    assert OTHER not in read_page.text
    no_patient(page.read_text())
    # JSON beside it is as it is published; an unpacked bundle is shown, too.
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(records.bundles[0]) as opened:
        opened.extractall(folder)
    answer = verify("--json", "--trust", trust, "--html", page, folder)
    assert set(json.loads(answer.stdout)) == {"bundle", "ok", "level", "layers", "firstError"}
    assert len(Reader(page.read_text()).links) == 1


def test_verify_writes_a_page_of_what_is_wrong_too(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCKGATE_TRUST", raising=False)
    monkeypatch.setattr(verifying, "SYSTEM_TRUST", tmp_path / "none")
    page = tmp_path / "page.html"
    assert verify("--html", page, records.bundles[0]).exit_code == 1
    assert "SIGNER UNKNOWN" in page.read_text()
    assert verify("--html", page, tmp_path / "absent.zip").exit_code == 2
    assert "bundle-unreadable" in page.read_text()
    assert verify("--trust", tmp_path / "absent", "--html", page, records.bundles[0]).exit_code == 2
    assert "trust-unreadable" in page.read_text()


def test_a_certificate_of_an_exchange_or_a_bundle(records: Records, tmp_path: Path) -> None:
    page = tmp_path / "certificate.html"
    answer = records.call("certificate", records.first.exchange_id[:8], "--html", page)
    assert answer.exit_code == 0, answer.output
    shown = Reader(page.read_text())
    assert "DE-IDENTIFIED, CHECKED" in shown.text
    assert "The pixels were not examined" in shown.text
    assert records.first.study_uid_sent in shown.text
    text = records.call("certificate", records.bundles[0], "--trust", records.house.folder / "trust")
    assert text.exit_code == 0
    assert text.stdout.startswith("CERTIFICATE OF DE-IDENTIFICATION\n")
    for told in (page.read_text(), text.stdout):
        no_patient(told)
    released = records.call("certificate", records.second.exchange_id, "--edition", "site", "--html", page)
    assert released.exit_code == 0
    assert "by sam" in Reader(page.read_text()).text
    assert page.stat().st_mode & 0o077 == 0


def test_nothing_is_certified_that_does_not_hold(records: Records, tmp_path: Path) -> None:
    trust = tmp_path / "trust"
    trust.mkdir()
    answer = records.call("certificate", records.bundles[0], "--trust", trust)
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert "signer unknown" in answer.stderr
    forged = tmp_path / "forged.zip"
    good = records.bundles[0].read_bytes()
    forged.write_bytes(good.replace(b'"edition":"partner"', b'"edition":"PARTNER"'))
    assert records.call("certificate", forged, "--trust", records.house.folder / "trust").exit_code == 1
    missing = records.call("certificate", "ffff")
    assert (missing.exit_code, "no exchange with receipts begins so" in missing.stderr) == (2, True)


def test_export_of_an_exchange(records: Records, tmp_path: Path) -> None:
    target = tmp_path / "all.zip"
    answer = records.call("receipts", "export", records.first.exchange_id[:6], "--out", target, "--json")
    said = ReceiptsExportAnswer.model_validate_json(answer.stdout)
    with zipfile.ZipFile(target) as opened:
        names = opened.namelist()
        inside = {Path(name).name: opened.read(name) for name in names}
    assert len(said.receipts) == len(names) == 4  # R1, two R2s, R3
    assert {path.name: path.read_bytes() for path in records.bundles}.items() <= inside.items()
    again = tmp_path / "again.zip"
    records.call("receipts", "export", records.first.exchange_id, "--out", again)
    assert again.read_bytes() == target.read_bytes()
    refused = records.call("receipts", "export", records.first.exchange_id, "--out", target)
    assert (refused.exit_code, "there already" in refused.stderr) == (2, True)


def test_export_for_a_partner_names_no_other(records: Records, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    exchange = records.first.exchange_id
    assert records.call("receipts", "export", exchange, "--for", "outgoing", "--out", target).exit_code == 0
    found = sorted((target / exchange).iterdir())
    assert [path.name for path in found] == [path.name for path in records.bundles]
    assert not any(OTHER.encode() in path.read_bytes() for path in found)


def test_export_of_a_span(records: Records, tmp_path: Path) -> None:
    day = records.first.created_at.date().isoformat()
    for edition, begin, end, count in (
        ("partner", day, day, 8), ("site", day, day, 8), ("partner", "2020-01-01", "2020-12-31", 0),
    ):  # fmt: skip
        target = tmp_path / f"{edition}-{begin}.zip"
        answer = records.call(
            "receipts",
            "export",
            "--from",
            begin,
            "--to",
            end,
            "--edition",
            edition,
            "--out",
            target,
            "--json",
        )
        assert len(json.loads(answer.stdout)["receipts"]) == count
    for arguments in (
        ("--out", tmp_path / "x"),
        (records.first.exchange_id,),
        ("ab", "--from", day, "--out", "x"),
    ):
        assert records.call("receipts", "export", *arguments).exit_code == 2


def test_report(records: Records, tmp_path: Path) -> None:
    answer = records.call("report", "--to", "2030-01-01", "--json")
    said = ReportAnswer.model_validate_json(answer.stdout)
    first, second = said.exchanges
    assert [one.exchange for one in said.exchanges] == [records.first.exchange_id, records.second.exchange_id]
    assert (first.state, first.holds, first.decisions, len(first.receipts)) == ("closed", (), (), 4)
    assert second.holds == ("uid-conflict",)
    (decision,) = second.decisions
    assert (decision.person, decision.decision, decision.reason) == ("sam", "release", "false-alarm")
    assert all(each.proof for each in first.receipts)
    no_patient(answer.stdout)
    page, sheet = tmp_path / "report.html", tmp_path / "report.csv"
    shown = records.call("report", "--to", "2030-01-01", "--html", page, "--csv", sheet)
    assert "2 exchanges: 2 closed; 0 wait for a person" in shown.stdout
    read_page = Reader(page.read_text())
    for words in (
        "Held at some time 1",
        "uid-conflict",
        "sam, ",
        first.receipts[0].receipt,
        f"{OTHER}: forwarded",
    ):
        assert words in read_page.text
    assert read_page.links == []
    rows = list(csv.DictReader(io.StringIO(sheet.read_text())))
    assert [row["exchange"] for row in rows] == [first.exchange, second.exchange]
    assert rows[1]["decisions"] == "uid-conflict=release by sam (false-alarm)"
    no_patient(page.read_text() + sheet.read_text())


def test_a_report_of_another_time_is_empty(records: Records) -> None:
    answer = records.call("report", "--from", "2020-01-01", "--to", "2020-12-31", "--json")
    assert ReportAnswer.model_validate_json(answer.stdout).exchanges == ()
    assert records.call("report", "--from", "yesterday").exit_code == 2


def test_a_report_is_the_same_over_the_socket_and_on_record(records: Records) -> None:
    query = "/report?begin=2020-01-01T00:00:00%2B00:00&end=2030-01-02T00:00:00%2B00:00"
    asked = ReportAnswer.model_validate_json(ask(records.house, "GET", query).content)
    alone = records.call("report", "--from", "2020-01-01", "--to", "2030-01-01", "--json")
    assert asked == ReportAnswer.model_validate_json(alone.stdout)
    *_, last = read_log(records.house.appliance.configuration.site.log_folder)
    assert (last.kind, dict(last.obj)) == ("audit.read", {"exchanges": 2})
    assert ask(records.house, "GET", "/report?begin=x&end=y").status_code == 400


def test_a_spreadsheet_sees_no_formula(records: Records) -> None:
    answer = ReportAnswer.model_validate_json(records.call("report", "--to", "2030-01-01", "--json").stdout)
    evil = answer.exchanges[0].model_copy(update={"route": "=1+1", "code": "@x"})
    rows = list(csv.DictReader(io.StringIO(report_csv(answer.model_copy(update={"exchanges": (evil,)})))))
    assert (rows[0]["route"], rows[0]["code"]) == ("'=1+1", "'@x")
