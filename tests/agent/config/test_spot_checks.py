"""Spot checks in a site file: what is taken, what is refused and where."""

from pathlib import Path

import pytest

from agent.config.load import load_site
from agent.config.models import Site
from agent.config.problems import MistakesError
from redact.headers.conditions import IsIn
from redact.pixels.spot_check import SpotRule
from tests.support.sites import NOW, site_folder

GOOD = """\
site: general-hospital
appliance: edge-01
listen:
  dicom: {ae_titles: [LOCKGATE], port: 11112}
peers:
  telerad: {dicom: {ae_title: TELERAD, host: 10.9.9.9, port: 104}}
routes:
  - name: out
    direction: outbound
    match: {called_ae: OUT}
    deidentify: {profile: default}
    deliver: [telerad]
    spot_check:
      - {when: {Modality: SC}, boxes: 5}
      - {drawings: true, area: 0.2}
      - {one_in: 50}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return site_folder(tmp_path / "s")


def load(folder: Path, text: str) -> Site | list[str]:
    """The site, or place and message of its mistakes."""
    file = folder / "site.yaml"
    file.write_text(text)
    try:
        loaded = load_site(file, NOW)
    except MistakesError as error:
        return [f"{one.line}:{one.column} {one.message}" for one in error.problems]
    assert loaded.warnings == ()
    return loaded.site


def test_rules_are_read_in_order(folder: Path) -> None:
    site = load(folder, GOOD)
    assert isinstance(site, Site)
    (route,) = site.routes
    assert [one.rule(number) for number, one in enumerate(route.spot_check, start=1)] == [
        SpotRule(IsIn(0x00080060, frozenset({"sc"})), boxes=5, number=1),
        SpotRule(drawings=True, area=0.2, number=2),
        SpotRule(one_in=50, number=3),
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("Modality: SC", "Modalty: SC", "14:17 no attribute has the keyword 'Modalty'"),
        ("Modality: SC", "PatientName: X", "14:17 a rule may not depend on who the patient is: PatientName"),
        ("boxes: 5", "boxes: 0", "14:39 "),
        ("area: 0.2", "area: 1.5", "15:32 "),
        ("area: 0.2", "share: 1", "15:26 unknown key share"),
        (
            "{profile: default}",
            "none\n    reason: ours",
            "14:5 a spot check is of what was cleaned, and this route cleans nothing",
        ),
    ],
)
def test_mistakes_are_told_at_their_place(folder: Path, right: str, wrong: str, said: str) -> None:
    found = load(folder, GOOD.replace(right, wrong))
    assert isinstance(found, list)
    assert any(one.startswith(said) for one in found), found


def test_counting_boxes_needs_a_profile_that_reads_pixels(folder: Path) -> None:
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "profiles" / "headers.yaml").write_text("profile: headers\noptions: ['113105']\n")
    assert load(folder, GOOD.replace("default", "headers")) == [
        "14:32 boxes counts what is removed from pixels, and the profile headers reads none",
        "15:26 area counts what is removed from pixels, and the profile headers reads none",
    ]
