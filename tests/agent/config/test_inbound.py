"""Inbound routes in a site file: what is taken, what is refused and where."""

from pathlib import Path

import pytest

from agent.config.load import load_site
from agent.config.problems import MistakesError, Severity
from tests.support.sites import NOW, site_folder

GOOD = """\
site: general-hospital
appliance: edge-01
listen:
  dicom: {ae_titles: [LOCKGATE], port: 11112}
peers:
  pacs: {dicom: {ae_title: PACS, host: 10.1.2.3, port: 104}}
  telerad: {dicom: {ae_title: TELERAD, host: 10.9.9.9, port: 104}}
  other: {dicom: {ae_title: OTHER, host: 10.9.9.8, port: 104}}
routes:
  - name: from-telerad
    direction: inbound
    match: {called_ae: INBOX, peer: telerad}
    deidentify: none
    reason: clinical return to the patient's record
    deliver: [pacs]
"""

QUARANTINE = "    quarantine: {prefix: TR-, issuer: TELERAD CLINIC}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return site_folder(tmp_path / "s")


def load(folder: Path, text: str) -> list[tuple[Severity, str]]:
    """Severity and place with message of what is told."""
    file = folder / "site.yaml"
    file.write_text(text)
    try:
        problems = load_site(file, NOW).warnings
    except MistakesError as error:
        problems = error.problems
    return [(one.severity, f"{one.line}:{one.column} {one.message}; {one.instead}") for one in problems]


def test_an_inbound_route_is_taken_without_a_word(folder: Path) -> None:
    assert load(folder, GOOD) == []
    assert load(folder, GOOD + QUARANTINE) == []
    routes = load_site(folder / "site.yaml", NOW).site.routes
    assert routes[0].quarantine_prefix == "TR-"


def test_the_prefix_is_the_routes_name_unless_it_is_said(folder: Path) -> None:
    (folder / "site.yaml").write_text(GOOD)
    (route,) = load_site(folder / "site.yaml", NOW).site.routes
    assert route.quarantine_prefix == "from-telerad-"


MISTAKES = {
    "no reason": (
        "    reason: clinical return to the patient's record\n", "", "error", "13:", "has no reason",
    ),
    "profile": (
        "deidentify: none\n    reason: clinical return to the patient's record",
        "deidentify: {profile: default}", "error", "13:", "would remove the identity",
    ),
    "back to the sender": ("deliver: [pacs]", "deliver: [telerad]", "error", "15:", "its own studies back"),
    "two partners": (
        "peer: telerad", "peer: [telerad, other]", "error", "12:", "ids of different people could become one",
    ),
    "nobody named": (", peer: telerad", "", "warning", "12:", "no partner is named"),
    "long name": ("name: from-telerad", f"name: {'x' * 40}", "error", "10:", "too long to stand before"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_at_its_place(folder: Path, name: str) -> None:
    good, bad, severity, place, message = MISTAKES[name]
    assert good in GOOD
    told = load(folder, GOOD.replace(good, bad))
    assert [(how, text) for how, text in told if how == severity and message in text], told
    assert all(text.startswith(place) for how, text in told if message in text)


@pytest.mark.parametrize(
    "value", ["prefix: ''", "prefix: 'a\\b'", "prefix: ü-", f"prefix: {'p' * 33}", "prefix: ' x'",
              "issuer: ''", "issuer: 'a\\b'", "issuer: Köln", f"issuer: {'i' * 65}"],
)  # fmt: skip
def test_what_cannot_stand_in_an_identity_is_refused(folder: Path, value: str) -> None:
    told = load(folder, f"{GOOD}    quarantine: {{{value}}}\n")
    assert [how for how, _ in told] == ["error"]
    assert told[0][1].startswith("16:")


def test_a_quarantine_identity_is_for_inbound_routes_only(folder: Path) -> None:
    told = load(folder, GOOD.replace("inbound", "outbound") + QUARANTINE)
    assert any(how == "error" and "for inbound routes only" in text for how, text in told)
