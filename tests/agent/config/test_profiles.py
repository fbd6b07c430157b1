"""Profile files: every mistake at its line and column, all at once; the schema; names and files."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config.problems import MistakesError, Problem
from agent.config.profiles import find_profile, load_profile, profile_files, profile_of, read_profile
from agent.config.shipped import shipped
from exchange.domain.errors import ConfigurationError
from redact.headers.profile import NameRecognition, Profile
from redact.headers.site_rules import RuleAction
from redact.pixels.rules import Marker, UncertainText
from tests.exchange.receipts.jsonschema_subset import conforms
from tests.support.plugins import install

GOOD = """\
profile: trial
title: Of one trial
options:
  - "113105"
  - 113107
rules:
  - keyword: StudyDescription
    action: keep
  - tag: 0018,10xx
    action: remove
    when:
      Modality: [CT, PT]
      any:
        - Manufacturer: {matches: ^siemens}
        - StationName: {present: false}
      not: {ImageType: LOCALIZER}
  - private: {creator: SIEMENS CSA HEADER, group: 0x0029, element: 0x10}
    action: keep
  - path: RequestAttributesSequence.**.CodeMeaning
    action: empty
  - vr: [UT, LT]
    action: remove
  - keyword: BodyPartExamined
    action: replace
    value: CHEST
"""


NAMES = "names: {recogniser: token-classification"
PIN = "0d" * 32


def write(folder: Path, text: str, name: str = "trial.yaml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_a_good_profile_is_read_with_its_lines(tmp_path: Path) -> None:
    loaded = read_profile(write(tmp_path, GOOD), "trial")
    assert (loaded.profile.profile_id, loaded.title) == ("trial", "Of one trial")
    assert sorted(loaded.profile.options) == ["113105", "113107"]
    assert [(rule.number, rule.line) for rule in loaded.profile.rules] == [
        (1, 7), (2, 9), (3, 17), (4, 19), (5, 21), (6, 23),
    ]  # fmt: skip
    assert [str(rule) for rule in loaded.profile.rules] == [
        "keep StudyDescription",
        "remove (0018,10xx) when Modality is ct or pt"
        " and (Manufacturer matches ^siemens or not (StationName is present))"
        " and not (ImageType is localizer)",
        "keep private (0029,xx10) of SIEMENS CSA HEADER",
        "empty RequestAttributesSequence.**.CodeMeaning",
        "remove VR LT, UT",
        "replace BodyPartExamined by 'CHEST'",
    ]


def test_what_looks_for_names_is_part_of_the_digest_and_where_its_model_lies_is_not(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()

    def read(names: str) -> Profile:
        return read_profile(write(tmp_path, GOOD + names)).profile

    none, some = read(""), read(f"{NAMES}}}\n")
    assert none.names is None
    assert some.names == NameRecognition("token-classification", 0.5)
    assert some.names == read(f"{NAMES}, threshold: 0.5}}\n").names
    one, two = (read(f"{NAMES}, model: {name}, sha256: {PIN}}}\n") for name in ("one", "two"))
    assert one.names is not None
    assert (one.names.model, one.names.sha256) == (str(tmp_path / "one"), PIN)
    assert one.sha256 == two.sha256
    others = [
        none,
        some,
        one,
        read(f"{NAMES}, threshold: 0.6}}\n"),
        read(f"{NAMES}, sha256: {'1d' * 32}}}\n"),
    ]
    assert len({profile.sha256 for profile in others}) == len(others)


def test_a_recogniser_that_two_packages_offer_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = GOOD + "names: {recogniser: after-titles}\n"
    monkeypatch.syspath_prepend(install(tmp_path / "one"))
    assert read_profile(write(tmp_path, text)).profile.names == NameRecognition("after-titles", 0.5)
    monkeypatch.syspath_prepend(install(tmp_path / "two", "other-names"))
    with pytest.raises(MistakesError, match="other-names and title-names both offer"):
        read_profile(write(tmp_path, text))


def test_what_becomes_of_documents_is_part_of_the_digest(tmp_path: Path) -> None:
    held = read_profile(write(tmp_path, GOOD)).profile
    said = read_profile(write(tmp_path, GOOD + "documents: hold\n")).profile
    rebuilt = read_profile(write(tmp_path, GOOD + "documents: rebuild\n")).profile
    assert (held.documents, said.documents, rebuilt.documents) == ("hold", "hold", "rebuild")
    assert held.sha256 == said.sha256 != rebuilt.sha256


MISTAKES = [
    ("profile: trial", "profile: Trial", 1, 10, "'Trial' is no name", "lower-case"),
    ("profile: trial", "profile: other", 1, 10, "the file names itself other", "write trial"),
    ("profile: trial\n", "", 1, 1, "profile is missing", "add profile"),
    ("title:", "titel:", 2, 1, "unknown key titel", "did you mean title?"),
    ("113107", "113999", 5, 5, "'113999' is no option", "113106"),
    ("113107", "113105", 5, 5, "113105 is listed twice", "leave one"),
    ("113107", "113106\n  - 113107", 4, 3, "contradict each other", "leave one"),
    ("title: Of one trial", "identity: retained", 2, 11, "has no reason", "add reason"),
    ("title: Of one trial", "identity: kept", 2, 11, "'kept'", ""),
    ("title: Of one trial", "reason: x", 2, 1, "for identity: retained only", "leave it out"),
    ("title: Of one trial", "identity: retained\nreason: ''", 3, 9, "has no reason", "add reason"),
    ("title: Of one trial", "identity: retained\nreason: x", 5, 3, "needs 113110", "add 113110"),
    ("title: Of one trial", "identity: retained\nreason: x", 5, 3, "113107 (modified dates)", "use 113106"),
    ("113107", "113102", 4, 3, "no stage of this version", "leave it out"),
    ("rules:\n", "documents: rebild\nrules:\n", 6, 12, "'rebild' is no documents", "did you mean rebuild?"),
    ('  - "113105"\n  - 113107', '  - "113107"\ndocuments: rebuild', 5, 12, "no words stay", "add 113105"),
    ("rules:\n", "names: {recogniser: tokens}\nrules:\n", 6, 21, "no recogniser of names 'tokens'",
     "installed are token-classification"),
    ("rules:\n", "names: {recogniser: token-clasification}\nrules:\n", 6, 21, "is installed",
     "did you mean token-classification?"),
    ("rules:\n", f"{NAMES}, threshold: 0}}\nrules:\n", 6, 54, "threshold 0 is out of range", "more than 0"),
    ("rules:\n", f"{NAMES}, threshold: 50}}\nrules:\n", 6, 54, "threshold 50 is out of range", "at most 1"),
    ("rules:\n", f"{NAMES}, sha256: abc}}\nrules:\n", 6, 51, "no SHA-256", "64 hex digits"),
    ("rules:\n", f"{NAMES}, model: .}}\nrules:\n", 6, 50, "the model is not pinned", "add sha256"),
    ("rules:\n", f"{NAMES}, model: nowhere, sha256: {PIN}}}\nrules:\n", 6, 50, "is no folder", "name"),
    ("rules:\n", f"{NAMES}, treshold: 1}}\nrules:\n", 6, 43, "unknown key treshold", "threshold?"),
    ("rules:\n", "names: true\nrules:\n", 6, 8, "names must be keys and values", "see"),
    ('options:\n  - "113105"\n  - 113107', "options: 1", 3, 10, "options must be a list", "schema.json"),
    ("keyword: StudyDescription", "keyword: StudyDescripton", 7, 14, "no attribute", "StudyDescription?"),
    ("keyword: StudyDescription", "keyward: StudyDescription", 7, 5, "unknown key keyward", "mean keyword?"),
    ("keyword: StudyDescription", "keyword: SOPInstanceUID", 7, 5, "no rule reaches", "leave the rule out"),
    ("    action: keep\n", "", 7, 5, "action is missing", "add action"),
    ("action: keep", "action: kep", 8, 13, "'kep' is no action", "did you mean keep?"),
    ("action: keep", "action: hash\n    value: x", 7, 5, "value is for replace", "another action"),
    ("tag: 0018,10xx", "tag: 0018.10xx", 9, 10, "is no tag", "(gggg,eeee)"),
    ("tag: 0018,10xx", "tag: 0019,10xx", 9, 10, "is private", "write private:"),
    ("tag: 0018,10xx", "tag: 00100010", 9, 10, "YAML reads 00100010 as a number", "quotes"),
    ("tag: 0018,10xx", "tag: 0018,10xx\n    keyword: StudyID", 9, 5, "exactly one of", "leave one"),
    ("Modality:", "Modalty:", 12, 7, "no attribute has the keyword 'Modalty'", "did you mean Modality?"),
    ("Modality:", "PatientName:", 12, 7, "who the patient is", "what kind"),
    ("[CT, PT]", "{is: CT}", 12, 18, "unknown key is", "allowed are in, matches, present"),
    ("[CT, PT]", "[]", 12, 17, "Modality is empty", "at least one"),
    ("^siemens", "'('", 14, 35, "no regular expression", "escape"),
    ("not: {ImageType: LOCALIZER}", "not: {}", 16, 12, "the condition is empty", "Modality: CT"),
    ("element: 0x10", "element: 10", 17, 68, "element 10 is read as a decimal number", "write 0x10"),
    ("element: 0x10", "element: 0x100", 17, 68, "element 256 is out of range", "at most 255"),
    ("group: 0x0029", "group: 0x0028", 17, 14, "is even", "odd"),
    ("path: Request", "path: Requested", 19, 11, "no attribute has the keyword", "PS3.6"),
    ("vr: [UT, LT]", "vr: [UT, TL]", 21, 14, "'TL' is no VR", "PS3.5"),
    ("vr: [UT, LT]", "vr: UN\n    value: x", 21, 5, "value is for replace", "another action"),
    ("value: CHEST", "value: chest", 23, 5, "none of VR CS", "PS3.5"),
    ("value: CHEST", "value: 7", 25, 12, "YAML reads 7 as a number", "quotes"),
    ("keyword: BodyPartExamined", "tag: (0008,1030)", 23, 5, "what rule 1 (line 7) selects", "narrow"),
    ("  - keyword: StudyDescription\n    action: keep\n", "  - 5\n", 7, 5, "must be keys and values", "see"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("good", "bad", "line", "column", "message", "instead"), MISTAKES, ids=[one[1][:40] for one in MISTAKES]
)
def test_each_mistake_is_told_at_its_place(
    tmp_path: Path, good: str, bad: str, line: int, column: int, message: str, instead: str
) -> None:
    assert good in GOOD
    with pytest.raises(MistakesError) as refused:
        read_profile(write(tmp_path, GOOD.replace(good, bad, 1)), "trial")
    told = [(one.line, one.column, one.message, one.instead) for one in refused.value.problems]
    assert any(
        (one[0], one[1]) == (line, column) and message in one[2] and instead in one[3] for one in told
    ), told


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD
    for good, bad in (
        ("title:", "titel:"),
        ("action: keep", "action: kep"),
        ("Modality:", "Modalty:"),
        ("CHEST", "chest"),
    ):
        text = text.replace(good, bad, 1)
    with pytest.raises(MistakesError, match="4 mistakes") as refused:
        read_profile(write(tmp_path, text))
    assert [one.line for one in refused.value.problems] == [2, 8, 12, 23]


PIXELS = """\
profile: trial
options: ["113101", "113105"]
pixels:
  uncertain: remove
  markers: [laterality, scale]
  modes:
    - mode: strict
      when: {Modality: US}
    - mode: identity-only
"""


def test_what_becomes_of_text_in_pixels_is_part_of_the_digest(tmp_path: Path) -> None:
    def read(text: str) -> Profile:
        return read_profile(write(tmp_path, text)).profile

    found = read(PIXELS)
    assert found.pixels.uncertain is UncertainText.REMOVE
    assert found.pixels.markers == {Marker.LATERALITY, Marker.SCALE}
    assert [(one.mode.value, one.line) for one in found.pixels.modes] == [("strict", 7), ("identity-only", 9)]
    assert found.sha256 == read(PIXELS.replace("laterality, scale", "scale, laterality")).sha256
    bare = 'profile: trial\noptions: ["113101", "113105"]\n'
    others = [
        found,
        read(bare),
        read(bare + "pixels: {uncertain: keep}\n"),
        read(PIXELS.replace("remove", "hold")),
        read(PIXELS.replace(", scale", "")),
        read(PIXELS.replace("US", "XA")),
        read(PIXELS.replace("identity-only", "all-text")),
    ]
    assert len({one.sha256 for one in others}) == len(others)
    assert read(bare).sha256 == read(bare + "pixels: {uncertain: hold}\n").sha256
    assert conforms(yaml.safe_load(PIXELS), SCHEMA) == ""


@pytest.mark.parametrize(
    ("good", "bad", "line", "column", "message", "instead"),
    [
        ("remove", "maybe", 4, 14, "'maybe' is no uncertain", "hold, remove, keep"),
        ("scale", "colour", 5, 25, "'colour' is no marker", "laterality"),
        ("mode: strict", "mode: lax", 7, 13, "'lax' is no mode", "identity-only"),
        ("Modality: US", "Modalty: US", 8, 14, "'Modalty'", "did you mean Modality?"),
        ("Modality: US", "PatientID: US", 8, 14, "who the patient is", "of what kind"),
        ("uncertain:", "uncertan:", 4, 3, "unknown key uncertan", "did you mean uncertain?"),
        ("\n      when: {Modality: US}", "", 7, 7, "those after it are never asked", "put it last"),
        ('"113101", ', "", 4, 3, "without 113101", "add 113101"),
    ],
)
def test_mistakes_about_pixels_are_told_at_their_place(
    tmp_path: Path, good: str, bad: str, line: int, column: int, message: str, instead: str
) -> None:
    assert good in PIXELS
    with pytest.raises(MistakesError) as refused:
        read_profile(write(tmp_path, PIXELS.replace(good, bad, 1)))
    told = [(one.line, one.column, one.message, one.instead) for one in refused.value.problems]
    assert any(
        (one[0], one[1]) == (line, column) and message in one[2] and instead in one[3] for one in told
    ), told


def test_a_rule_with_a_mistake_does_not_hide_a_tie_of_others(tmp_path: Path) -> None:
    text = GOOD.replace("Modality:", "Modalty:").replace(
        "keyword: BodyPartExamined", "keyword: StudyDescription"
    )
    with pytest.raises(MistakesError) as refused:
        read_profile(write(tmp_path, text))
    assert [one.line for one in refused.value.problems] == [12, 23]


@pytest.mark.parametrize(
    "text", ["", "- a\n", "profile: [", "\tx", "a: &b [*b]\n", "profile: trial\nprofile: trial\n"]
)
def test_what_is_no_profile_at_all(tmp_path: Path, text: str) -> None:
    with pytest.raises(MistakesError) as refused:
        read_profile(write(tmp_path, text))
    assert all(one.line >= 1 for one in refused.value.problems)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("profile: ü".encode("latin-1"))
    (tmp_path / "large.yaml").write_text("#" * (1 << 20) + "\n")
    for name in ("none.yaml", "latin.yaml", "large.yaml"):
        with pytest.raises(MistakesError):
            load_profile(str(tmp_path / name))
    with pytest.raises(ConfigurationError, match="cannot find the profile 'unheard-of'"):
        load_profile("unheard-of")


def test_a_sites_own_profile_comes_before_a_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    write(tmp_path / "profiles", GOOD.replace("profile: trial", "profile: research"), "research.yaml")
    assert find_profile("research", tmp_path).title == "Of one trial"
    assert find_profile("research").title != "Of one trial"


SCHEMA: dict[str, Any] = json.loads(shipped("config/schemas/profile.schema.json").read_text("utf-8"))


@pytest.mark.parametrize("name", sorted(profile_files()))
def test_the_shipped_profiles_conform_to_the_schema(name: str) -> None:
    assert conforms(yaml.safe_load(profile_files()[name].read_text("utf-8")), SCHEMA) == ""


def test_the_schema_knows_what_the_reader_takes_and_refuses() -> None:
    good = yaml.safe_load(GOOD.replace("- 113107", '- "113107"'))
    assert conforms(good, SCHEMA) == ""
    for wrong in (
        {**good, "titel": "x"},
        {**good, "rules": [{"keyword": "StudyID", "action": "kep"}]},
        {**good, "rules": [{"keyword": "StudyID", "path": "StudyID", "action": "keep"}]},
        {**good, "rules": [{"private": {"element": 1}, "action": "keep"}]},
        {**good, "rules": [{"keyword": "StudyID", "action": "keep", "when": {"Modality": {"is": "CT"}}}]},
        {**good, "options": ["113999"]},
        {**good, "documents": "remove"},
        {**good, "options": ["113110"], "identity": "retained"},
        {**good, "reason": "why"},
        {**good, "options": ["113110"], "identity": "kept", "reason": "why"},
    ):
        assert conforms(wrong, SCHEMA) != ""
        with pytest.raises(MistakesError):
            profile_of(wrong)


RETAINED = {"profile": "t", "identity": "retained", "reason": "a  contract\n", "options": ["113110"]}


def test_a_profile_may_retain_identity_for_a_reason() -> None:
    assert conforms(RETAINED, SCHEMA) == ""
    profile = profile_of(RETAINED)
    assert (profile.identity, profile.reason) == ("retained", "a contract")
    removing = profile_of({"profile": "t", "options": ["113110"]})
    assert (removing.identity, removing.reason) == ("removed", "")
    other = profile_of({**RETAINED, "reason": "another contract"})
    assert len({profile.sha256, removing.sha256, other.sha256}) == 3


def test_a_document_is_not_rebuilt_under_a_retained_identity() -> None:
    with pytest.raises(MistakesError, match="rebuild with identity: retained"):
        profile_of({**RETAINED, "options": ["113105", "113110"], "documents": "rebuild"})


@pytest.mark.parametrize("action", ["shift", "hash"])
def test_under_a_retained_identity_nothing_gets_another(action: str) -> None:
    with pytest.raises(MistakesError, match=f"{action} with identity: retained"):
        profile_of({**RETAINED, "rules": [{"keyword": "StudyDate" if action == "shift" else "StationName",
                                           "action": action}]})  # fmt: skip


ENTRIES = st.fixed_dictionaries(
    {"action": st.sampled_from([*RuleAction, "nonsense", 7])},
    optional={
        "keyword": st.sampled_from(["StudyDescription", "StudyDate", "Rows", "Nonsense", "", 5]),
        "tag": st.sampled_from(["0018,10xx", "(0008,1030)", "0029,1010", "x"]),
        "vr": st.sampled_from(["LO", ["DA", "DT"], [], "XX"]),
        "path": st.sampled_from(["**.CodeMeaning", "RequestAttributesSequence.StudyID", "a.b", "**"]),
        "private": st.sampled_from([{"creator": "X"}, {"creator": "X", "element": 1, "vr": "DS"}, {}]),
        "value": st.sampled_from(["x", "", 3]),
        "when": st.sampled_from(
            [{"Modality": "CT"}, {"any": [{"Modality": ["MR"]}]}, {}, {"not": {}}, {"X": "y"}]
        ),
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ENTRIES, max_size=4))
def test_any_list_of_rules_is_read_or_refused_in_words(tmp_path: Path, entries: list[dict[str, Any]]) -> None:
    data = {"profile": "trial", "rules": json.loads(json.dumps(entries))}
    file = write(tmp_path, yaml.safe_dump(data))
    problems: tuple[Problem, ...] = ()
    try:
        profile = read_profile(file).profile
    except MistakesError as refused:
        problems = refused.problems
    else:
        assert len(profile.rules) == len(entries)
        assert profile_of(data).sha256 == profile.sha256
        return
    assert problems
    assert all(one.line >= 1 and one.message for one in problems)
