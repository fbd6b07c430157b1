"""`lockgate profiles`, `check --profile` and the reasons that `plan --study` gives."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydicom.data import get_testdata_file
from typer.testing import CliRunner, Result

from agent.cli.main import app
from agent.config.answers import (
    ChangedElement,
    CheckAnswer,
    PlanAnswer,
    PlannedElement,
    ProfileAnswer,
    ProfileDifference,
    ProfilesAnswer,
)
from agent.config.shipped import shipped
from tests.exchange.receipts.jsonschema_subset import conforms
from tests.redact.documents.making import PDF, encapsulated, pdf, saved, shown
from tests.support.plugins import install
from tests.support.small_studies import make_instance

TRIAL = """\
profile: trial
title: Of one trial
options: ["113105", "113107"]
rules:
  - keyword: StudyDescription
    action: remove
  - vr: LO
    action: keep
  - keyword: SeriesDescription
    action: hash
    when: {Modality: CT}
  - path: RequestAttributesSequence.StudyID
    action: empty
"""


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def conforming(answer: Result, name: str) -> Any:
    """The JSON of an answer, which its published schema describes."""
    data = json.loads(answer.stdout)
    assert conforms(data, json.loads(shipped(f"config/schemas/{name}.schema.json").read_text("utf-8"))) == ""
    return data


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    assert call("init", tmp_path / "s").exit_code == 0
    (tmp_path / "s" / "profiles").mkdir()
    (tmp_path / "s" / "profiles" / "trial.yaml").write_text(TRIAL)
    return tmp_path / "s" / "site.yaml"


def test_list_names_the_shipped_profiles_and_the_sites_own(site_file: Path) -> None:
    shipped_only = ProfilesAnswer.model_validate(
        conforming(call("profiles", "list", "--json"), "profiles-list")
    )
    assert [one.profile for one in shipped_only.profiles] == [
        "default", "hipaa-safe-harbor", "research", "teaching", "teleradiology",
    ]  # fmt: skip
    answer = call("profiles", "list", "-c", site_file)
    assert answer.exit_code == 0
    assert "trial" in answer.stdout
    assert "4 rules  Of one trial" in answer.stdout


def test_an_identity_that_is_retained_is_shown_and_compared() -> None:
    shown = ProfileAnswer.model_validate(
        conforming(call("profiles", "show", "teleradiology", "--json"), "profiles-show")
    )
    assert (shown.identity, shown.kept[:2]) == ("retained", ("AccessionNumber", "PatientName"))
    assert shown.reason in call("profiles", "show", "teleradiology").stdout
    differing = call("profiles", "diff", "default", "teleradiology")
    assert differing.exit_code == 1
    assert "identity: removed -> retained" in differing.stdout
    assert "PatientName: dispose (Table E.1-1 Z) -> own (identity: retained)" in differing.stdout


def test_show_tells_options_and_rules_in_the_order_in_which_they_count(site_file: Path) -> None:
    answer = call("profiles", "show", "trial", "-c", site_file, "--json")
    shown = ProfileAnswer.model_validate(conforming(answer, "profiles-show"))
    assert list(shown.options) == ["113100", "113105", "113107"]
    assert [(rule.number, rule.line) for rule in shown.rules] == [(4, 12), (3, 9), (1, 5), (2, 7)]
    assert shown.rules[1].when == "Modality is ct"
    people = call("profiles", "show", site_file.parent / "profiles" / "trial.yaml")
    assert "site rule 3 (line 9): hash SeriesDescription when Modality is ct" in people.stdout
    assert shown.sha256 in people.stdout


def test_diff_of_a_profile_with_itself(site_file: Path) -> None:
    answer = call("profiles", "diff", "trial", site_file.parent / "profiles" / "trial.yaml", "-c", site_file)
    assert (answer.exit_code, answer.stdout.splitlines()[-1]) == (0, "both do the same")


def changed(found: ProfileDifference) -> dict[str, ChangedElement]:
    return {one.keyword: one for one in found.elements}


def test_diff_tells_every_option_rule_and_element(site_file: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer.yaml"
    newer.write_text(
        TRIAL.replace("113107", "113106")
        .replace("action: remove", "action: empty")
        .replace("StudyID", "StudyDate")
    )
    answer = call("profiles", "diff", "trial", newer, "-c", site_file, "--json")
    found = ProfileDifference.model_validate(conforming(answer, "profiles-diff"))
    assert answer.exit_code == 1
    assert not found.same
    assert (found.optionsAdded, found.optionsRemoved) == (("113106",), ("113107",))
    assert [(one.change, one.before, one.after, one.lineAfter) for one in found.rules] == [
        ("changed", "remove StudyDescription", "empty StudyDescription", 5),
        ("added", None, "empty RequestAttributesSequence.StudyDate", 12),
        ("removed", "empty RequestAttributesSequence.StudyID", None, None),
    ]
    elements = changed(found)
    assert elements["StudyDescription"].before.action == "remove"
    assert elements["StudyDescription"].after.reason == "site rule 1 (line 5)"
    assert (elements["StudyDate"].before.action, elements["StudyDate"].after.action) == ("shift", "keep-date")
    assert elements["ExpiryDate"].after.reason == "not listed: VR DA, option 113106"
    assert "PatientName" not in elements
    people = call("profiles", "diff", "trial", newer, "-c", site_file).stdout
    assert "- option 113107  Retain Longitudinal Temporal Information Modified Dates Option" in people
    assert "+ rule (line 5): empty StudyDescription" in people
    assert "StudyDate: shift (option 113107) -> keep-date (option 113106)" in people


def test_diff_of_versions_that_only_moved_lines_says_that_they_do_the_same(
    site_file: Path, tmp_path: Path
) -> None:
    newer = tmp_path / "newer.yaml"
    newer.write_text(
        TRIAL.replace("rules:\n", "# a comment\n\nrules:\n").replace("keyword: StudyD", "tag: 0008,1030 #")
    )
    assert call("profiles", "diff", "trial", newer, "-c", site_file).exit_code == 0


def test_what_becomes_of_documents_is_shown_and_compared(site_file: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer.yaml"
    newer.write_text(TRIAL + "documents: rebuild\n")
    assert "documents: rebuild" in call("profiles", "show", newer).stdout
    answer = call("profiles", "diff", "trial", newer, "-c", site_file, "--json")
    found = ProfileDifference.model_validate(conforming(answer, "profiles-diff"))
    assert (answer.exit_code, found.same) == (1, False)
    assert (found.documentsBefore, found.documentsAfter) == ("hold", "rebuild")
    people = call("profiles", "diff", "trial", newer, "-c", site_file).stdout
    assert "- documents: hold\n+ documents: rebuild" in people


def test_what_looks_for_names_is_shown_compared_and_planned(
    site_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(install(tmp_path / "plugin"))
    newer = tmp_path / "newer.yaml"
    newer.write_text(TRIAL + "names: {recogniser: after-titles, threshold: 0.8}\n")
    assert "names in free text: not looked for" in call("profiles", "show", "trial", "-c", site_file).stdout
    assert "names in free text: after-titles, threshold 0.8" in call("profiles", "show", newer).stdout
    shown_json = conforming(call("profiles", "show", newer, "--json"), "profiles-show")
    assert shown_json["names"] == {"recogniser": "after-titles", "threshold": 0.8, "sha256": ""}
    answer = call("profiles", "diff", "trial", newer, "-c", site_file, "--json")
    found = ProfileDifference.model_validate(conforming(answer, "profiles-diff"))
    assert (answer.exit_code, found.same, found.namesBefore) == (1, False, None)
    people = call("profiles", "diff", "trial", newer, "-c", site_file).stdout
    assert "- names: not looked for\n+ names: after-titles, threshold 0.8" in people
    (site_file.parent / "profiles" / "trial.yaml").write_text(newer.read_text())
    site_file.write_text(site_file.read_text().replace("profile: default", "profile: trial"))
    study = str(get_testdata_file("CT_small.dcm"))
    planned_text = call("plan", "-c", site_file, "--study", study).stdout
    assert "names in free text: removed where after-titles is confident from 0.8" in planned_text
    conforming(call("plan", "-c", site_file, "--study", study, "--json"), "plan")


def test_diff_sees_what_only_conditions_or_private_creators_change(site_file: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer.yaml"
    newer.write_text(TRIAL.replace("{Modality: CT}", "{Modality: MR}"))
    found = json.loads(call("profiles", "diff", "trial", newer, "-c", site_file, "--json").stdout)
    assert (found["same"], found["elements"], len(found["rules"])) == (False, [], 2)


@pytest.mark.parametrize(
    "arguments", [("show", "unheard-of"), ("diff", "default", "none.yaml"), ("show", "x", "-c", "no")]
)
def test_what_is_not_there_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert call("profiles", *arguments).exit_code == 2


def test_check_tells_every_mistake_of_a_profile(site_file: Path) -> None:
    own = site_file.parent / "profiles" / "trial.yaml"
    assert call("check", "--profile", own).exit_code == 0
    own.write_text(TRIAL.replace("action: hash", "action: hush").replace("vr: LO", "vr: OL"))
    answer = call("check", "--profile", own, "--json")
    said = CheckAnswer.model_validate(conforming(answer, "check"))
    assert (answer.exit_code, [one.line for one in said.problems]) == (2, [10])
    assert call("check", "-c", site_file).exit_code == 0  # no route names it: a warning
    assert "trial.yaml:10:13: warning: 'hush' is no action" in call("check", "-c", site_file).stdout
    site_file.write_text(site_file.read_text().replace("profile: default", "profile: trial"))
    answer = call("check", "-c", site_file)
    assert answer.exit_code == 2
    assert f"{own}:10:13: 'hush' is no action; did you mean hash?" in answer.stderr
    assert call("check", "--profile", own, "-c", site_file).exit_code == 2


def planned(site_file: Path, name: str) -> dict[str, PlannedElement]:
    file = str(get_testdata_file(name))
    answer = call("plan", "-c", site_file, "--study", file, "--called-ae", "OUTGOING", "--json")
    (study,) = PlanAnswer.model_validate(conforming(answer, "plan")).studies or ()
    return {element.path: element for element in study.routes[0].elements}


def test_text_in_pixels_is_looked_for_by_destination(site_file: Path) -> None:
    """A route names its profile, and a destination its routes: one study is read otherwise for each."""
    strictly = 'profile: {}\noptions: ["113101"]\npixels: {{modes: [{{mode: {}}}]}}\n'
    for name, mode in (("archive", "identity-only"), ("trial-site", "all-text")):
        (site_file.parent / "profiles" / f"{name}.yaml").write_text(strictly.format(name, mode))
    site = yaml.safe_load(site_file.read_text("utf-8"))
    (route,) = site["routes"]
    site["routes"] = [
        {**route, "name": name, "deidentify": {"profile": name, "pseudonym_domain": name}}
        for name in ("archive", "trial-site")
    ]
    site_file.write_text(yaml.safe_dump(site))
    study = str(get_testdata_file("CT_small.dcm"))
    planned_text = call("plan", "-c", site_file, "--study", study).stdout
    assert planned_text.count("1 images read as identity-only: identity-only everywhere") == 1
    assert planned_text.count("1 images read as all-text: all-text everywhere") == 1
    answer = call("plan", "-c", site_file, "--study", study, "--json")
    (one,) = PlanAnswer.model_validate(conforming(answer, "plan")).studies or ()
    assert [[(read.mode, read.count) for read in route.readings] for route in one.routes] == [
        [("identity-only", 1)],
        [("all-text", 1)],
    ]


def test_what_becomes_of_text_in_pixels_is_shown_and_compared(tmp_path: Path) -> None:
    shown = call("profiles", "show", "default").stdout
    assert "text in pixels: uncertain lines: hold; markers kept: none; modes: by modality" in shown
    other = tmp_path / "other.yaml"
    section = "pixels:\n  markers: [scale]\n  modes: [{mode: strict, when: {Modality: US}}]\n"
    default = shipped("config/profiles/default.yaml").read_text("utf-8")
    other.write_text(default.replace("rules: []", section + "rules: []"))
    result = call("profiles", "diff", "default", other)
    assert result.exit_code == 1
    assert "+ pixels: uncertain lines: hold; markers kept: scale; modes: strict where Modality is us" in (
        result.stdout
    )
    found = ProfileDifference.model_validate(
        conforming(call("profiles", "diff", "default", other, "--json"), "profiles-diff")
    )
    assert not found.same
    assert found.pixelsAfter is not None
    assert found.pixelsAfter.markers == ("scale",)


def test_plan_tells_how_hard_pixels_would_be_read_and_what_a_person_would_look_at(
    site_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    for number, (modality, kinds) in enumerate(
        [("CT", "ORIGINAL"), ("CT", "ORIGINAL"), ("US", "ORIGINAL"), ("CT", "DERIVED")]
    ):
        ds = make_instance(1, number)
        ds.Modality, ds.ImageType = modality, [kinds, "SECONDARY" if kinds == "DERIVED" else "PRIMARY"]
        ds.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    own = "pixels: {modes: [{mode: identity-only, when: {ImageType: DERIVED}}]}\n"
    (site_file.parent / "profiles" / "trial.yaml").write_text(
        TRIAL.replace('"113107"]', '"113107", "113101"]').replace("rules:", f"{own}rules:")
    )
    site_file.write_text(site_file.read_text().replace("profile: default", "profile: trial"))
    arguments = ("plan", "-c", site_file, "--study", folder, "--called-ae", "OUTGOING")
    (study,) = PlanAnswer.model_validate(conforming(call(*arguments, "--json"), "plan")).studies or ()
    assert [(one.count, one.mode, one.line) for one in study.routes[0].readings] == [
        (2, "strict", None),
        (1, "all-text", None),
        (1, "identity-only", 4),
    ]
    shown = call(*arguments).stdout
    assert "2 images read as strict: an original image: nothing says that it is annotated" in shown
    assert "1 images read as all-text: Modality US carries annotations as a rule" in shown
    assert "1 images read as identity-only: identity-only where ImageType is derived (line 4)" in shown
    assert "held for a person" not in shown
    text = site_file.read_text()
    at = text.index("direction: outbound")
    site_file.write_text(f"{text[:at]}spot_check: [{{when: {{Modality: US}}}}]\n    {text[at:]}")
    assert "held for a person: spot check 1: Modality is us" in call(*arguments).stdout


def test_plan_tells_what_becomes_of_documents(site_file: Path, tmp_path: Path) -> None:
    study = saved(encapsulated(PDF, pdf(shown("Lungs are clear"))), tmp_path / "letter.dcm")
    held = call("plan", "-c", site_file, "--study", study).stdout
    assert "documents: held" in held
    assert "1 instances would be held: encapsulated-document" in held
    rebuilding = TRIAL.replace("keep\n", "empty\n", 1) + "documents: rebuild\n"
    (site_file.parent / "profiles" / "trial.yaml").write_text(rebuilding)
    site_file.write_text(site_file.read_text().replace("profile: default", "profile: trial"))
    rebuilt = call("plan", "-c", site_file, "--study", study).stdout
    assert "documents: rebuilt from their cleaned words" in rebuilt
    assert "(0042,0011)  EncapsulatedDocument: documents: rebuild" in rebuilt


def test_plan_names_the_rule_behind_each_element(site_file: Path) -> None:
    assert planned(site_file, "CT_small.dcm")["(0008,1030)"].reason == "option 113105"
    site_file.write_text(site_file.read_text().replace("profile: default", "profile: trial"))
    elements = planned(site_file, "CT_small.dcm")
    said = {path: (one.action, one.reason, one.line) for path, one in elements.items()}
    assert said["(0008,1030)"] == ("removed", "site rule 1 (line 5)", 5)
    assert said["(0008,0070)"] == ("kept", "site rule 2 (line 7)", 7)
    assert said["(0008,0020)"] == ("shifted", "option 113107", None)
    assert said["(0008,0050)"] == ("emptied", "Table E.1-1 Z", None)
    assert said["(0018,0050)"] == ("kept", "not listed: VR DS", None)
    assert said["(0009,1001)"] == ("removed", "Table E.1-1 X: private", None)
    people = call("plan", "-c", site_file, "--study", str(get_testdata_file("CT_small.dcm"))).stdout
    assert "removed       1  (0008,1030)  StudyDescription: site rule 1 (line 5)" in people
    for value in ("CompressedSamples", "1CT1", "JFK", "1.3.6.1.4.1.5962"):
        assert value not in people
