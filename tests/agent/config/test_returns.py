"""Return routes in a site file: what is taken, what is refused and where."""

from pathlib import Path

import pytest

from agent.config.load import load_site
from tests.agent.config.test_inbound import GOOD, load
from tests.support.sites import NOW, site_folder

OUT = """\
  - name: second-opinion
    direction: outbound
    match: {called_ae: TO_TELERAD}
    deidentify: {profile: default, pseudonym_domain: telerad}
    deliver: [telerad]
  - name: registry
    direction: outbound
    match: {called_ae: TO_OTHER}
    deidentify: {profile: default}
    deliver: [other]
"""
RETURN = "    reidentify: {pseudonym_domain: telerad}\n"
BACK = GOOD + RETURN + OUT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return site_folder(tmp_path / "s")


def test_a_return_route_is_taken_without_a_word_and_fails_closed(folder: Path) -> None:
    assert load(folder, BACK) == []
    route = load_site(folder / "site.yaml", NOW).site.routes[0]
    assert route.reidentify is not None
    assert (route.reidentify.on_unknown, route.reidentify.on_own) == ("hold", "hold")
    assert route.pseudonym_domain == "telerad"
    assert (
        load(folder, BACK.replace("telerad}\n  - name", "telerad, on_unknown: quarantine}\n  - name")) == []
    )


def test_a_domain_that_is_no_longer_routed_is_said_to_be(folder: Path) -> None:
    gone = BACK.replace("{pseudonym_domain: telerad}", "{pseudonym_domain: gone, no_longer_routed: true}")
    assert load(folder, gone) == []


MISTAKES = {
    "no such domain": (
        "reidentify: {pseudonym_domain: telerad}", "reidentify: {pseudonym_domain: teleard}",
        "16:36 no route sends under the pseudonyms of teleard; did you mean telerad?",
    ),
    "another partner's domain": (
        "reidentify: {pseudonym_domain: telerad}", "reidentify: {pseudonym_domain: registry}",
        "16:36 no route of the domain registry delivers to telerad; it goes to other",
    ),
    "still routed": (
        "{pseudonym_domain: telerad}\n", "{pseudonym_domain: telerad, no_longer_routed: true}\n",
        "16:63 a route sends under the pseudonyms of telerad; leave it out",
    ),
    "nobody named": (
        "{called_ae: INBOX, peer: telerad}", "{called_ae: INBOX, calling_ae: TELERAD}",
        "12:12 return route from-telerad does not say whose studies come back; name the peer",
    ),
    "outbound": (
        "direction: inbound", "direction: outbound", "16:5 what leaves is not re-identified; leave it out",
    ),
    "no domain": (
        "reidentify: {pseudonym_domain: telerad}", "reidentify: {on_unknown: hold}",
        "16:5 reidentify: pseudonym_domain is missing",
    ),
    "another word": (
        "{pseudonym_domain: telerad}\n", "{pseudonym_domain: telerad, on_unknown: deliver}\n", "16:57 ",
    ),
    "another key": (
        "{pseudonym_domain: telerad}\n", "{pseudonym_domain: telerad, on_unkown: hold}\n", "16:45 ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_at_its_place(folder: Path, name: str) -> None:
    good, bad, message = MISTAKES[name]
    assert good in BACK
    told = load(folder, BACK.replace(good, bad, 1))
    assert [text for how, text in told if how == "error" and text.startswith(message)], told
