"""The command line's base: help, errors, init, check, plan, doctor, and what they answer."""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file
from typer.testing import CliRunner, Result

from agent.cli import main as base
from agent.cli.main import VERBS, app
from agent.config.answers import CheckAnswer, PlanAnswer
from agent.config.init import InitAnswer
from agent.config.load import load_site
from agent.config.shipped import shipped
from agent.doctor.results import DoctorAnswer
from exchange.domain.errors import KeysError
from tests.redact.structured import making

HEAVY = (
    "pydicom",
    "pydantic",
    "sqlalchemy",
    "dbos",
    "pynetdicom",
    "httpx",
    "numpy",
    "cryptography",
    "yaml",
    "rich",
)


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    assert call("init", tmp_path / "s").exit_code == 0
    return tmp_path / "s" / "site.yaml"


def test_help_names_the_verbs_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from agent.cli.main import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"
    for verb in ("init", "check", "plan", "doctor"):
        assert f"  {verb}" in answer.stdout
    assert "Examples:" in answer.stdout


def test_version() -> None:
    assert call("--version").output == f"lockgate {metadata.version('lockgate')}\n"


@pytest.mark.parametrize(
    "verb", [name for name in VERBS if (Path(base.__file__).parent / f"{name}.py").exists()]
)
def test_every_verb_has_help(verb: str) -> None:
    answer = call(verb, "--help")
    assert answer.exit_code == 0, answer.output
    assert "Usage:" in answer.output


def test_an_unknown_verb_names_the_nearest() -> None:
    answer = call("chek")
    assert answer.exit_code == 2
    assert "'check'" in answer.output


def test_init_is_ready_to_check_and_has_no_password(site_file: Path) -> None:
    assert call("check", "-c", site_file).exit_code == 0
    assert "password" not in site_file.read_text().lower()
    listener = load_site(site_file).site.listen.dicom
    assert listener is not None
    assert listener.host == "127.0.0.1"
    for path in (site_file.parent / "keys").iterdir():
        assert path.suffix == ".crt" or path.stat().st_mode & 0o077 == 0


def test_init_refuses_what_is_not_empty(site_file: Path) -> None:
    before = {path: path.read_bytes() for path in site_file.parent.rglob("*") if path.is_file()}
    answer = call("init", site_file.parent)
    assert answer.exit_code == 2
    assert "is not empty" in answer.stderr
    assert {path: path.read_bytes() for path in site_file.parent.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "arguments", [("--site", "Bad Name"), ("--appliance", "../x"), ("--state", "relative")]
)
def test_init_refuses_bad_names(tmp_path: Path, arguments: tuple[str, str]) -> None:
    assert call("init", tmp_path / "n", *arguments).exit_code == 2
    assert not (tmp_path / "n" / "site.yaml").exists()


def test_init_may_keep_state_elsewhere(tmp_path: Path) -> None:
    answer = call("init", tmp_path / "n", "--state", tmp_path / "var: lib", "--json")
    InitAnswer.model_validate_json(answer.stdout)
    assert call("check", "-c", tmp_path / "n" / "site.yaml").exit_code == 0
    assert (tmp_path / "var: lib" / "outgoing").is_dir()


def test_check_answers_as_json(site_file: Path) -> None:
    good = CheckAnswer.model_validate_json(call("check", "-c", site_file, "--json").stdout)
    assert (good.ok, good.problems, len(good.sha256)) == (True, (), 64)
    site_file.write_text(site_file.read_text().replace("direction", "direktion"))
    answer = call("check", "-c", site_file, "--json")
    bad = CheckAnswer.model_validate_json(answer.stdout)
    assert (answer.exit_code, bad.ok, bad.sha256) == (2, False, "")
    assert {problem.message for problem in bad.problems} == {"unknown key direktion", "direction is missing"}


def test_check_tells_file_line_column(site_file: Path) -> None:
    site_file.write_text(site_file.read_text().replace("  - name: outgoing", "  - nam: outgoing"))
    answer = call("check", "-c", site_file)
    line = 1 + site_file.read_text().splitlines().index("  - nam: outgoing")
    assert answer.exit_code == 2
    assert f"{site_file}:{line}:5: unknown key nam; did you mean name?" in answer.stderr


def test_check_prints_the_published_schema() -> None:
    assert call("check", "--schema").stdout == shipped("config/schemas/site.schema.json").read_text("utf-8")


def test_the_site_file_is_looked_for(
    site_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("agent.cli.common.SYSTEM_FILE", tmp_path / "none.yaml")
    monkeypatch.chdir(tmp_path)
    answer = call("check")
    assert (answer.exit_code, "cannot find a site file" in answer.stderr) == (2, True)
    monkeypatch.setenv("LOCKGATE_CONFIG", str(site_file))
    assert call("check").exit_code == 0
    monkeypatch.delenv("LOCKGATE_CONFIG")
    monkeypatch.chdir(site_file.parent)
    assert call("check").exit_code == 0


def test_plan_shows_the_effective_configuration(site_file: Path) -> None:
    answer = PlanAnswer.model_validate_json(call("plan", "-c", site_file, "--json").stdout)
    assert answer.configuration["limits"]["attempts"] == 3
    assert answer.aeTitles == ("LOCKGATE", "OUTGOING")
    assert answer.studies is None
    assert "attempts: 3" in call("plan", "-c", site_file).stdout


def test_plan_of_a_study_tells_actions_and_no_values(site_file: Path) -> None:
    file = get_testdata_file("CT_small.dcm")
    assert isinstance(file, str)
    before = {path: path.stat().st_mtime_ns for path in site_file.parent.rglob("*")}
    answer = call("plan", "-c", site_file, "--study", file, "--called-ae", "OUTGOING", "--json")
    study = (PlanAnswer.model_validate_json(answer.stdout).studies or ())[0]
    actions = {element.keyword: element.action for element in study.routes[0].elements}
    assert actions["PatientName"] == "replaced"
    assert actions["StudyInstanceUID"] == "uid"
    assert actions["StudyDate"] == "shifted"
    assert actions["Modality"] == "kept"
    assert actions["InstitutionName"] == "removed"
    people = call("plan", "-c", site_file, "--study", file)
    for text in (answer.stdout, people.stdout):
        for value in ("CompressedSamples", "1CT1", "JFK", "1.3.6.1.4.1.5962"):
            assert value not in text
    assert {path: path.stat().st_mtime_ns for path in site_file.parent.rglob("*")} == before


def test_plan_of_a_report_tells_which_content_items_go(site_file: Path, tmp_path: Path) -> None:
    items = [
        making.item("PNAME", making.code("121008"), PersonName="Wetherby^Ann"),
        making.text("121071", "Nodule"),
        making.item("DATE", making.code("111060"), Date="20240517"),
        making.text("121022", "QX88123"),
    ]
    file = making.save(tmp_path / "report.dcm", making.report(*items))
    answer = call("plan", "-c", site_file, "--study", file, "--called-ae", "OUTGOING", "--json")
    (route,) = (PlanAnswer.model_validate_json(answer.stdout).studies or ())[0].routes
    told = {(element.path, element.action): element.count for element in route.elements}
    assert route.held == {}
    assert told["(0040,A730)[]", "removed"] == 1
    reasons = {element.path: element.reason for element in route.elements}
    assert reasons["(0040,A730)[]"] == "Table E.3.4-1 X"
    assert reasons["(0040,A730)[].(0040,A121)"] == "Table E.3.4-1, option 113107"
    assert told["(0040,A730)[].(0040,A123)", "replaced"] == 1
    assert told["(0040,A730)[].(0040,A160)", "kept"] == 1
    assert told["(0040,A730)[].(0040,A121)", "shifted"] == 1
    assert "QX88123" not in answer.stdout


def test_plan_of_an_inbound_route_tells_what_the_quarantine_changes(site_file: Path) -> None:
    site = site_file.read_text()
    site_file.write_text(
        site[: site.index("routes:")]
        + "routes:\n  - {name: from-partner, direction: inbound, match: {calling_ae: PARTNER},"
        + " deidentify: none, reason: clinical return, deliver: [outgoing]}\n"
    )
    file = str(get_testdata_file("CT_small.dcm"))
    answer = call("plan", "-c", site_file, "--study", file, "--json")
    (route,) = (PlanAnswer.model_validate_json(answer.stdout).studies or ())[0].routes
    assert (route.identity, route.held) == ("quarantined", {})
    actions = {element.keyword: element.action for element in route.elements}
    assert actions == {
        "PatientID": "replaced",
        "IssuerOfPatientID": "added",
        "OtherPatientIDsSequence": "removed",
        "StudyID": "emptied",  # it repeats the PatientID
        "OriginalAttributesSequence": "added",
    }
    assert "1CT1" not in answer.stdout
    assert "quarantined" in call("plan", "-c", site_file, "--study", file).stdout


def test_plan_of_a_return_route_tells_what_is_restored(site_file: Path) -> None:
    site = site_file.read_text()
    site_file.write_text(
        site[: site.index("routes:")]
        + "routes:\n  - {name: back, direction: inbound, match: {called_ae: BACK, peer: outgoing},"
        + " deidentify: none, reason: reports come back, deliver: [outgoing],"
        + " reidentify: {pseudonym_domain: gone, no_longer_routed: true}}\n"
    )
    site_file.write_text(site_file.read_text().replace("deliver: [outgoing]", "deliver: [pacs]"))
    site_file.write_text(site_file.read_text().replace("peers:\n", "peers:\n  pacs: {folder: {path: .}}\n"))
    file = str(get_testdata_file("CT_small.dcm"))
    answer = call("plan", "-c", site_file, "--study", file, "--json")
    (route,) = (PlanAnswer.model_validate_json(answer.stdout).studies or ())[0].routes
    assert (route.identity, route.pseudonymDomain, route.unknown) == ("reidentified", "gone", "held")
    actions = {element.keyword: element.action for element in route.elements}
    for keyword in ("PatientID", "PatientName", "StudyDate", "AccessionNumber", "OtherPatientIDsSequence"):
        assert actions[keyword] == "replaced"
    assert "ContentDate" not in actions
    assert "1CT1" not in answer.stdout
    shown = call("plan", "-c", site_file, "--study", file).stdout
    assert "domain gone; a patient unknown in it: held" in shown


def test_plan_tells_unrouted_and_refused(site_file: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "note.txt").write_text("no DICOM")
    file = get_testdata_file("CT_small.dcm")
    assert isinstance(file, str)
    (tmp_path / "in" / "a.dcm").write_bytes(Path(file).read_bytes())
    answer = call("plan", "-c", site_file, "--study", tmp_path / "in", "--called-ae", "NOBODY", "--json")
    planned = PlanAnswer.model_validate_json(answer.stdout)
    assert planned.refused == {"not-dicom": 1}
    assert planned.studies is not None
    assert [study.routes for study in planned.studies] == [()]


def test_doctor_answers_and_exits_by_the_worst(site_file: Path) -> None:
    answer = call("doctor", "-c", site_file, "--json")
    said = DoctorAnswer.model_validate_json(answer.stdout)
    assert answer.exit_code == said.exit_code
    assert len(said.checks) >= 18
    people = call("doctor", "-c", site_file)
    assert "fix:" in people.stdout or said.status.value == "pass"
    assert "checks in" in people.stdout


def test_an_error_of_ours_is_one_line(monkeypatch: pytest.MonkeyPatch, site_file: Path) -> None:
    def refuse(*_: object) -> None:
        raise KeysError("cannot read the key", "look for it")

    monkeypatch.setattr("agent.config.load.load_site", refuse)
    answer = call("check", "-c", site_file)
    assert (answer.exit_code, answer.stderr) == (2, "cannot read the key; look for it\n")


def test_an_unforeseen_error_does_not_quote(monkeypatch: pytest.MonkeyPatch, site_file: Path) -> None:
    def burst(*_: object) -> None:
        raise ValueError("Doe^John")

    monkeypatch.setattr("agent.config.load.load_site", burst)
    answer = call("check", "-c", site_file)
    assert answer.exit_code == 2
    assert "Doe" not in answer.output
    assert "cannot go on: ValueError at test_base.py" in answer.stderr
    monkeypatch.setenv(base.TRACEBACK_VARIABLE, "1")
    assert "Traceback" in call("check", "-c", site_file).stderr


def test_json_answers_are_one_document(site_file: Path) -> None:
    for verb in ("check", "plan", "doctor"):
        json.loads(call(verb, "-c", site_file, "--json").stdout)
