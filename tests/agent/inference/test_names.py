"""Recognisers of names that are installed: found by entry point, opened by name, refused where unfit."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.config.recognisers import distribution_of, installed_recognisers
from agent.inference.names import open_names
from exchange.domain.errors import ModelError
from redact.headers.profile import NameRecognition
from tests.support.plugins import OFFERS, SHA256, install

WANTED = NameRecognition("after-titles", 0.5)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(install(tmp_path / "site"))
    return tmp_path / "site"


def test_without_a_plug_in_there_is_our_own_only() -> None:
    assert list(installed_recognisers()) == ["token-classification"]


def test_plug_ins_are_listed_with_what_offers_them(plugin: Path) -> None:
    found = installed_recognisers()
    assert list(found) == sorted([*OFFERS, "token-classification"])
    (entry,) = found["after-titles"]
    assert distribution_of(entry) == ("title-names", "1.4.2")


def test_a_plug_in_is_opened_and_says_what_it_is(plugin: Path) -> None:
    recogniser, facts = open_names(replace(WANTED, sha256=SHA256))
    assert list(recogniser.recognise("CT of Mr Mark")) == [(9, 13, "PER", 0.9)]
    assert (facts.name, facts.version, facts.sha256) == ("after-titles", "title-names-1.4.2", SHA256)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (replace(WANTED, recogniser="unheard-of"), "it is not installed"),
        (replace(WANTED, sha256="00" * 32), "not the one in the profile"),
        (replace(WANTED, recogniser="nameless"), "does not say by a SHA-256"),
        (replace(WANTED, recogniser="unopened"), "opening it failed with RuntimeError"),
        (replace(WANTED, recogniser="token-classification"), "the profile does not name it"),
    ],
)
def test_what_cannot_be_opened_says_why(plugin: Path, wanted: NameRecognition, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        open_names(wanted)


def test_a_name_that_two_offer_is_opened_by_neither(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(install(tmp_path / "other", "other-names"))
    assert len(installed_recognisers()["after-titles"]) == 2
    with pytest.raises(ModelError, match="two packages offer it"):
        open_names(WANTED)
