"""Loading a site: warnings, resolution of paths, example sites, schemas."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.load import load_site
from agent.config.models import Site
from agent.config.problems import MistakesError, nearest
from agent.config.profiles import load_profile, profile_files
from agent.config.schemas import schema_text
from agent.config.shipped import shipped
from exchange.domain.errors import ConfigurationError
from scripts.write_schemas import MODELS
from tests.agent.config.test_mistakes import GOOD
from tests.support.sites import NOW, Pair, site_folder, write_pair


def write_site(folder: Path, text: str) -> Path:
    (folder / "site.yaml").write_text(text)
    return folder / "site.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return site_folder(tmp_path / "s")


WARNINGS = [
    ("{profile: default}", "none\n    reason: test", "removes no identity"),
    ("tls/edge.pem, key: tls/edge.key", "tls/soon.pem, key: tls/soon.key", "expires on 2026-11-30"),
    ("https://", "http://", "unencrypted"),
    (
        "{called_ae: REGISTRY, mod",
        "{called_ae: TELERAD, peer: pacs, mod",
        "is never reached: second-opinion comes first",
    ),
    ("peers:\n", "  web: {port: 8443}\npeers:\n", "nothing will listen there"),
]


@pytest.mark.parametrize(("good", "bad", "message"), WARNINGS, ids=[row[2] for row in WARNINGS])
def test_a_warning_does_not_stop_a_start(folder: Path, good: str, bad: str, message: str) -> None:
    loaded = load_site(write_site(folder, GOOD.replace(good, bad, 1)), NOW)
    assert any(message in str(one) for one in loaded.warnings), loaded.warnings
    assert all(one.severity == "warning" for one in loaded.warnings)


def test_a_route_that_also_names_is_reached(folder: Path) -> None:
    text = GOOD.replace("{called_ae: REGISTRY, modality", "{called_ae: TELERAD, peer: pacs, modality")
    text = text.replace("    deliver: [telerad]", "    also: [registry]\n    deliver: [telerad]")
    assert load_site(write_site(folder, text), NOW).warnings == ()


def test_a_key_that_others_may_read_is_warned_of(folder: Path) -> None:
    (folder / "tls" / "edge.key").chmod(0o644)
    warnings = load_site(write_site(folder, GOOD), NOW).warnings
    assert [one.instead for one in warnings] == [f"chmod 600 {folder}/tls/edge.key"]


def test_a_site_never_changes_after_reading(folder: Path) -> None:
    site = load_site(write_site(folder, GOOD), NOW).site
    with pytest.raises(ValueError, match="frozen"):
        site.site = "other"  # type: ignore[misc]


def test_a_site_of_its_own_profile_is_found_before_the_shipped_one(folder: Path) -> None:
    (folder / "profiles").mkdir()
    (folder / "profiles" / "local.yaml").write_text("profile: local\noptions: ['113107']\n")
    assert set(profile_files(folder)) >= {"default", "local"}
    assert load_profile("local", folder).profile_id == "local"
    loaded = load_site(write_site(folder, GOOD.replace("{profile: default}", "{profile: local}")), NOW)
    assert loaded.site.routes[1].profile == "local"


def test_mistakes_of_profiles_are_told_in_their_own_file(folder: Path) -> None:
    (folder / "profiles").mkdir()
    local = folder / "profiles" / "local.yaml"
    local.write_text("profile: local\noptions: ['999']\n")
    text = GOOD.replace("{profile: default}", "{profile: local}")
    with pytest.raises(MistakesError) as refused:
        load_site(write_site(folder, text.replace("quiet_seconds: 20", "quiet_seconds: x")), NOW)
    places = [(one.file, one.line, one.column) for one in refused.value.problems]
    assert places == [(str(local), 2, 11), (str(folder / "site.yaml"), 14, 29)]


def test_mistakes_of_a_profile_that_no_route_names_are_warnings(folder: Path) -> None:
    (folder / "profiles").mkdir()
    (folder / "profiles" / "unused.yaml").write_text("profile: other\n")
    (warning,) = load_site(write_site(folder, GOOD), NOW).warnings
    assert (warning.severity, warning.line, warning.column) == ("warning", 1, 10)


@pytest.mark.parametrize("example", sorted(path.name for path in shipped("config/sites").glob("*.yaml")))
def test_the_example_sites_are_valid(tmp_path: Path, example: str) -> None:
    folder = site_folder(tmp_path / "s")
    for name in ("registry", "teaching"):
        (folder / "outgoing" / name).mkdir()
    far = NOW + timedelta(days=400)
    pair: Pair = write_pair(folder / "tls", "cert", far)
    shutil.move(pair.key, folder / "tls" / "key.pem")
    edge = folder / "tls" / "edge.pem"
    edge.write_bytes(edge.read_bytes() + (folder / "tls" / "edge.key").read_bytes())
    shutil.copy(shipped("config/sites") / example, folder / "site.yaml")
    assert load_site(folder / "site.yaml", NOW).warnings == ()


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_published_schemas_are_those_of_the_models(name: str) -> None:
    committed = shipped(f"config/schemas/{name}.schema.json").read_text("utf-8")
    assert committed == schema_text(MODELS[name], name), "run scripts/write_schemas.py"
    assert json.loads(committed)["$id"].endswith(name)


def test_shipped_data_comes_from_the_tree_or_the_share_folder(tmp_path: Path) -> None:
    share = tmp_path / "share"
    (share / "config").mkdir(parents=True)
    (share / "config" / "x.yaml").write_text("installed")
    tree = tmp_path / "tree"
    (tree / "config").mkdir(parents=True)
    (tree / "config" / "x.yaml").write_text("tree")
    # A folder that is no checkout of ours (site-packages) must not be taken for one.
    assert shipped("config/x.yaml", tree=tree, share=share).read_text() == "installed"
    (tree / "pyproject.toml").write_text("")
    assert shipped("config/x.yaml", tree=tree, share=share).read_text() == "tree"
    for wrong in ("config/y.yaml", "../x", "/etc/passwd", "tests/x", ""):
        with pytest.raises(ConfigurationError):
            shipped(wrong, tree=tree, share=share)


@given(st.text(min_size=1, max_size=12), st.lists(st.text(min_size=1, max_size=12), max_size=5))
def test_the_nearest_name_is_a_known_one(word: str, known: list[str]) -> None:
    assert nearest(word, known) in {*known, ""}
    assert nearest(word, [*known, word]) in {
        name for name in [*known, word] if name.casefold() == word.casefold()
    }


def test_paths_are_relative_to_the_site_file() -> None:
    site = Site.model_validate(
        {
            "site": "s",
            "appliance": "a",
            "state": "/abs",
            "keys": "k",
            "listen": {},
            "peers": {},
            "routes": [],
        },
        context={"folder": Path("/srv")},
    )
    assert (site.state, site.keys, site.trust) == (Path("/abs"), Path("/srv/k"), Path("/srv/trust"))
    assert site.control_socket == Path("/abs/control.sock")
