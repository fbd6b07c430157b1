"""`lockgate verify` as scripts and partners use it."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import agent.cli.verify as command
from tests.exchange.receipts.jsonschema_subset import conforms
from tests.exchange.receipts.making import Site, Study, dicom, full_chain, save, write_study

SCHEMA = json.loads((Path(__file__).parents[3] / "config/schemas/verify.schema.json").read_text())


class World:
    """A site, a study and its four bundles, issued at a time that is past for the command's real clock."""

    def __init__(self, root: Path) -> None:
        self.site = Site(root / "site")
        self.study: Study = write_study(root / "study")
        self.bundles = [str(save(item, root / "receipts")) for item in full_chain(self.site, self.study)]
        self.trust = str(self.site.trust)
        self.files = str(self.study.folder)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.delenv("LOCKGATE_TRUST", raising=False)
    monkeypatch.setattr(command, "SYSTEM_TRUST", tmp_path / "no-system-trust")
    return World(tmp_path)


def run(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(command.verify)
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def answers(*arguments: str) -> tuple[int, list[dict[str, object]]]:
    code, output = run("--json", *arguments)
    objects = [json.loads(line) for line in output.splitlines()]
    for item in objects:
        assert conforms(item, SCHEMA) == ""
    return code, objects


def test_valid(world: World) -> None:
    code, output = run("--trust", world.trust, "--files", world.files, world.bundles[0])
    assert code == 0
    for line in ("VALID", "deidentified (partner edition), outbound", "edge-01 of general-hospital"):
        assert line in output
    assert "4 instances of study 2.25.1000" in output
    assert "signature ok, digests ok, chain not-checked, log not-checked" in output


def test_valid_as_json(world: World) -> None:
    code, (answer,) = answers("--trust", world.trust, "--files", world.files, world.bundles[0])
    assert code == 0
    states = {
        "S": "ok",
        "D": "ok",
        "C": "not-checked",
        "L": "not-checked",
        "W": "not-checked",
        "T": "not-checked",
    }
    assert answer == {
        "bundle": world.bundles[0],
        "ok": True,
        "level": 0,
        "layers": states,
        "firstError": None,
    }


def test_whole_chain(world: World) -> None:
    code, objects = answers("--trust", world.trust, "--files", world.files, *world.bundles)
    assert code == 0
    assert [item["layers"]["C"] for item in objects] == ["ok"] * 4  # type: ignore[index]


def test_no_anchors(world: World) -> None:
    code, output = run(world.bundles[0])
    assert code == 1
    assert "signature consistent, signer unknown" in output
    assert "not vouched for" in output
    assert "0 anchors from nowhere" in output


def test_anchors_from_environment_and_system(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("LOCKGATE_TRUST", world.trust)
        assert run(world.bundles[0])[0] == 0
        # The option is stronger than the environment, and a folder that is named must be there.
        assert run("--trust", world.files + "/absent", world.bundles[0])[0] == 2
    monkeypatch.setattr(command, "SYSTEM_TRUST", Path(world.trust))
    assert run(world.bundles[0])[0] == 0


def test_changed_file_is_named(world: World) -> None:
    (Path(world.files) / "2.25.5/2.25.11.dcm").write_bytes(dicom("2.25.11", description=b"FOOT"))
    code, (answer,) = answers("--trust", world.trust, "--files", world.files, world.bundles[0])
    assert code == 1
    error = answer["firstError"]
    assert isinstance(error, dict)
    assert error["code"] == "header-changed"
    assert "2.25.11" in error["message"]
    code, output = run("--trust", world.trust, "--files", world.files, world.bundles[0])
    assert "NOT VALID" in output
    assert "next       " in output


def test_extra_file(world: World) -> None:
    (Path(world.files) / "x.dcm").write_bytes(dicom("2.25.77", pixels=b"zzzz"))
    common = ("--trust", world.trust, "--files", world.files, world.bundles[0])
    assert run(*common)[0] == 1
    assert run("--allow-extra", *common)[0] == 0


@pytest.mark.parametrize("which", ["absent", "text", "no-files"])
def test_unreadable(world: World, tmp_path: Path, which: str) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    bundle = {"absent": str(tmp_path / "x"), "text": str(text), "no-files": world.bundles[0]}[which]
    extra = ("--files", str(tmp_path / "absent")) if which == "no-files" else ()
    code, (answer,) = answers("--trust", world.trust, *extra, bundle)
    assert code == 2
    assert answer["ok"] is False
    code, output = run("--trust", world.trust, *extra, bundle)
    assert (code, "NOT VALID" in output) == (2, True)


def test_tampered_bundle_is_not_valid_rather_than_unreadable(world: World) -> None:
    path = Path(world.bundles[0])
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"removed":31', b'"removed":32'))
    code, (answer,) = answers("--trust", world.trust, str(path))
    assert (code, answer["level"]) == (1, None)


def test_level_not_reached(world: World) -> None:
    assert run("--trust", world.trust, "--level", "1", world.bundles[0])[0] == 1
    assert run("--trust", world.trust, "--level", "9", world.bundles[0])[0] == 2


def test_the_offline_page_is_written_out(tmp_path: Path) -> None:
    page = tmp_path / "verify.html"
    assert run("--page", str(page)) == (0, "")
    assert page.read_bytes() == (Path(__file__).parents[3] / "deploy/verify/verify.html").read_bytes()
    assert run()[0] == 2


def test_help_has_examples() -> None:
    code, output = run("--help")
    assert code == 0
    assert "Examples" in output
