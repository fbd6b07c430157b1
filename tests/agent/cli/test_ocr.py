"""`lockgate ocr`: what is read and why it would stay or go, by the cleaner's own reading."""

import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
from typer.testing import CliRunner, Result

from agent.cli.main import app
from agent.config.answers import OcrAnswer
from agent.config.load import load_site
from agent.config.profiles import load_profile
from agent.config.shipped import shipped
from agent.pipeline.looking import look
from redact.identifiers.harvest import harvest
from redact.pixels.clean import clean_pixels
from redact.pixels.policy import PixelPolicy
from tests.exchange.receipts.jsonschema_subset import conforms
from tests.redact.ocr.drawing import ground, reader, write
from tests.redact.pixels.making import CT, Made, native

SLICE = {"SOPClassUID": CT, "Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """The verb sends logs to the standard error of its run, which ends before the process does."""
    root = logging.getLogger()  # noqa: TID251
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def call(*arguments: str | Path | int) -> Result:
    return CliRunner().invoke(app, ["ocr", *map(str, arguments)])


def answered(result: Result) -> OcrAnswer:
    data = json.loads(result.stdout)
    assert conforms(data, json.loads(shipped("config/schemas/ocr.schema.json").read_text("utf-8"))) == ""
    return OcrAnswer.model_validate(data)


def made(folder: Path, *texts: str, **changes: Any) -> Made:
    """One frame for each text; an empty one has none."""
    pictures = []
    for text in texts:
        picture = ground(160, 256) if text else np.full((160, 256), 60, np.uint8)
        write(picture, text, (14, 60), size=1.2 if len(text) == 1 else 0.5)
        pictures.append(picture)
    values = np.stack(pictures)[..., np.newaxis]
    return native(folder / "image.dcm", values, **{"PatientName": "JACOBSEN^PETER", **SLICE, **changes})


def by_text(answer: OcrAnswer) -> dict[str, set[tuple[str, str | None]]]:
    found: dict[str, set[tuple[str, str | None]]] = {}
    for one in answer.lines:
        found.setdefault(one.text.replace(" ", ""), set()).add((one.outcome, one.rule))
    return found


def test_each_line_is_told_with_what_decides(tmp_path: Path) -> None:
    one = made(tmp_path, "JACOBSEN PETER", "SLICE 12.5", "R")
    answer = answered(call(one.path, "--json"))
    assert (answer.mode, answer.frames, answer.frame, answer.examined) == ("strict", 3, None, True)
    found = by_text(answer)
    assert found["JACOBSENPETER"] == {("removed", "identifier")}
    assert found["SLICE12.5"] == {("removed", "strict")}
    assert found["R"] == {("kept", None)}
    reasons = {line.text.replace(" ", ""): line.reason for line in answer.lines}
    assert "identifier of the patient" in reasons["JACOBSENPETER"]
    assert "the gate is 0.60" in reasons["SLICE12.5"]
    assert "fewer than 2" in reasons["R"]
    assert {line.negative for line in answer.lines} == {False, True}
    assert {line.rendering for line in answer.lines} <= {"window", "full range"}


def test_the_cleaner_removes_what_the_account_says(tmp_path: Path) -> None:
    one = made(tmp_path, "JACOBSEN PETER", "SLICE 12.5", "SLICE 12.5", "")
    policy, known = PixelPolicy(), harvest(one.header)
    outcome = clean_pixels(one.path, one.layout, one.header, reader("cleaner"), policy, known)
    answer = look(one.path, load_profile("default"), reader("cleaner"))
    told = {(box.frame, box.x0, box.y0, box.x1, box.y1, box.rule) for box in answer.boxes}
    assert told == {(box.frame, box.x0, box.y0, box.x1, box.y1, box.rule) for box in outcome.boxes}
    assert answer.sameAs == {2: 1}
    assert {box.frame for box in answer.boxes} == {0, 1, 2}


def test_one_frame_is_read_where_one_is_asked_for(tmp_path: Path) -> None:
    one = made(tmp_path, "JACOBSEN PETER", "SLICE 12.5")
    answer = answered(call(one.path, "--frame", 1, "--json"))
    assert {line.frame for line in answer.lines} == {box.frame for box in answer.boxes} == {1}
    missing = call(one.path, "--frame", 2)
    assert missing.exit_code == 2
    assert "cannot read frame 2: the file has 2, counted from 0" in missing.stderr


def test_another_patients_name_would_hold_where_identity_is_retained(tmp_path: Path) -> None:
    one = made(tmp_path, "Name: JACOBSEN PETER", "Name: RAVENSCROFT BASIL", "SLICE")
    result = call(one.path, "--profile", "teleradiology", "--json")
    answer = answered(result)
    assert (result.exit_code, answer.held) == (1, ("identity-mismatch",))
    by_frame = {line.frame: line.outcome for line in answer.lines if line.confidence > 0.8}
    assert by_frame[0] == "kept"
    assert by_frame[1] == "held"
    shown = call(one.path, "--profile", "teleradiology").stdout
    assert "names somebody else than the header" in shown
    assert "the file would be held: identity-mismatch" in shown


def test_a_sites_profiles_and_routes_can_be_asked_as(tmp_path: Path) -> None:
    one = made(tmp_path, "JACOBSEN PETER")
    assert CliRunner().invoke(app, ["init", str(tmp_path / "s")]).exit_code == 0
    site = tmp_path / "s" / "site.yaml"
    (tmp_path / "s" / "profiles").mkdir()
    own = tmp_path / "s" / "profiles" / "own.yaml"
    own.write_text("profile: own\noptions: ['113101']\npixels: {modes: [{mode: identity-only}]}\n")
    answer = answered(call(one.path, "-c", site, "--profile", "own", "--json"))
    assert (answer.profile, answer.mode) == ("own", "identity-only")
    assert answer.modeReason == "identity-only everywhere else"
    (route,) = [one.name for one in load_site(site).site.routes if one.direction.value == "outbound"]
    assert answered(call(one.path, "-c", site, "--route", route, "--json")).profile == "default"
    site.write_text(site.read_text().replace("profile: default", "profile: own"))
    assert answered(call(one.path, "-c", site, "--route", route, "--json")).profile == "own"
    assert "there is no route other" in call(one.path, "-c", site, "--route", "other").stderr


def test_a_profile_that_does_not_look_is_said_to(tmp_path: Path) -> None:
    one, profile = made(tmp_path, "JACOBSEN PETER"), tmp_path / "headers.yaml"
    profile.write_text("profile: headers\noptions: []\n")
    shown = call(one.path, "--profile", profile)
    assert shown.exit_code == 0
    assert "does not clean pixels" in shown.stdout
    assert not answered(call(one.path, "--profile", profile, "--json")).examined


def test_a_profile_of_the_site_is_found_beside_its_file(tmp_path: Path) -> None:
    one = made(tmp_path, "SLICE 12.5")
    site = tmp_path / "site" / "site.yaml"
    (site.parent / "profiles").mkdir(parents=True)
    site.write_text("")
    text = 'profile: ours\noptions: ["113101"]\npixels: {modes: [{mode: identity-only}]}\n'
    (site.parent / "profiles" / "ours.yaml").write_text(text)
    answer = answered(call(one.path, "-c", site, "--profile", "ours", "--json"))
    assert (answer.profile, answer.mode) == ("ours", "identity-only")
    assert not answer.boxes
    assert call(one.path, "--profile", "ours").exit_code == 2


def test_pictures_are_named_by_frames_and_only_for_the_owner(tmp_path: Path) -> None:
    one = made(tmp_path, "", "JACOBSEN PETER")
    answer = answered(call(one.path, "--preview", tmp_path / "pictures", "--json"))
    assert answer.pictures == ("frame-00001.png",)
    (picture,) = (tmp_path / "pictures").iterdir()
    assert picture.name == "frame-00001.png"
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_it_says_that_it_shows_identity_and_logs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = made(tmp_path, "JACOBSEN PETER")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    shown = call(one.path)
    assert "JACOBSEN" in shown.stdout
    assert "JACOBSEN" not in shown.stderr, "logs go there"
    assert sorted(tmp_path.rglob("*")) == before
    assert "This command shows the text in the image" in call("--help").stdout


def test_what_cannot_be_read_is_told_and_held(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no image")
    assert call(text).exit_code == 2
    broken = native(tmp_path / "broken.dcm", np.zeros((1, 8, 8, 1), np.uint8), BitsAllocated=12)
    refused = call(broken.path)
    assert refused.exit_code == 1
    assert "undecodable-pixels" in refused.stderr
