"""`lockgate clean` as a process with a recogniser of names that a real distribution plugs in."""

import json
import os
from hashlib import sha256
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pydicom import dcmread  # noqa: TID251 - tests build their input; the product uses dicomio

from tests.agent.inference.test_token_names import folder as model_folder
from tests.exchange.receipts.jsonschema_subset import conforms
from tests.interop.studies import HEADERS_ONLY
from tests.support.appliance import lockgate
from tests.support.plugins import SHA256, install
from tests.support.small_studies import PATIENT, make_instance

pytestmark = pytest.mark.timeout(120)

SCHEMA = json.loads((Path(__file__).parents[2] / "config/schemas/clean.schema.json").read_text())
DESCRIPTION = f"CT HEAD for DR Mark, {PATIENT[0]}"


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A key, an image and a plug-in."""
    (tmp_path / "domain.key").write_bytes(bytes(range(32)))
    (tmp_path / "domain.key").chmod(0o600)
    (tmp_path / "in").mkdir()
    ds = make_instance(1)
    ds.StudyDescription = ds.ImageComments = DESCRIPTION
    ds.save_as(tmp_path / "in" / "one.dcm", enforce_file_format=True)
    install(tmp_path / "plugin")
    return tmp_path


def clean(bench: Path, out: str, names: str, *, plugin: bool = True) -> tuple[CompletedProcess[str], Any]:
    """One run; its report, None where it wrote none."""
    profile, report = bench / "headers.yaml", bench / f"{out}.json"
    profile.write_text(HEADERS_ONLY + names)
    places = [str(bench / "plugin")] if plugin else []
    places += [one for one in (os.environ.get("PYTHONPATH"),) if one]
    done = lockgate(
        "clean", bench / "in", bench / out, "--profile", profile, "--key", bench / "domain.key", "--report",
        report, "--jobs", "1", environment={"PYTHONPATH": os.pathsep.join(places)},
    )  # fmt: skip
    return done, json.loads(report.read_text()) if report.exists() else None


def written(bench: Path, out: str) -> list[Path]:
    return sorted((bench / out).rglob("*.dcm"))


def test_the_word_stays_without_and_goes_with_the_plug_in(bench: Path) -> None:
    done, report = clean(bench, "without", "")
    assert done.returncode == 0, done.stderr
    assert "names" not in report
    (plain,) = written(bench, "without")
    assert dcmread(plain).StudyDescription == "CT HEAD for DR Mark"
    digests = set()
    for out in ("with", "again"):
        done, report = clean(bench, out, "names: {recogniser: after-titles}\n")
        assert (done.returncode, report["totals"]["clean"]) == (0, 1), done.stderr  # hence proved
        assert report["names"] == {
            "name": "after-titles", "version": "title-names-1.4.2", "sha256": SHA256, "threshold": 0.5
        }  # fmt: skip
        assert conforms(report, SCHEMA) == ""
        (one,) = written(bench, out)
        ds = dcmread(one)
        assert (ds.StudyDescription, ds.ImageComments) == ("CT HEAD for DR", "CT HEAD for DR")
        digests.add(sha256(one.read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("recogniser", ["failing", "late", "outside"])
def test_a_plug_in_that_fails_holds_the_file(bench: Path, recogniser: str) -> None:
    done, report = clean(bench, "out", f"names: {{recogniser: {recogniser}}}\n")
    assert done.returncode == 1
    (entry,) = report["files"]
    assert (entry["status"], entry["output"]) == ("held", None)
    (reason,) = entry["reasons"]
    assert (reason["code"], reason["path"]) in {("names", "(0008,1030)"), ("names", "(0020,4000)")}
    assert written(bench, "out") == []
    assert not any("Mark" in text for text in (done.stdout, done.stderr, json.dumps(report)))


@pytest.mark.parametrize(
    ("names", "plugin", "said"),
    [
        ("names: {recogniser: after-titles}\n", False, "headers.yaml:5:21: no recogniser of names"),
        ("names: {recogniser: unopened}\n", True, "opening it failed with RuntimeError"),
        (f"names: {{recogniser: after-titles, sha256: {'0d' * 32}}}\n", True, "not the one in the profile"),
    ],
)
def test_a_plug_in_that_cannot_be_used_stops_before_the_first_file(
    bench: Path, names: str, plugin: bool, said: str
) -> None:
    done, report = clean(bench, "out", names, plugin=plugin)
    assert (done.returncode, report) == (2, None)
    assert said in done.stderr
    assert not (bench / "out").exists()


def test_our_own_recogniser_with_a_model_of_the_site(bench: Path) -> None:
    wanted = model_folder(bench / "model")
    names = f"names: {{recogniser: token-classification, model: model, sha256: {wanted.sha256}}}\n"
    done, report = clean(bench, "out", names, plugin=False)
    assert (done.returncode, report["totals"]["clean"]) == (0, 1), done.stderr
    assert (report["names"]["name"], report["names"]["sha256"]) == ("token-classification", wanted.sha256)
    (one,) = written(bench, "out")
    assert dcmread(one).StudyDescription == "CT HEAD for DR"
    (bench / "model" / "people.txt").write_text("LOC\n")
    done, _ = clean(bench, "out2", names, plugin=False)
    assert done.returncode == 2
    assert "people.txt is not the pinned one" in done.stderr
