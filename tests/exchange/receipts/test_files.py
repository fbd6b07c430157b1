"""Layer D: what was done to a delivered study is named."""

import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from exchange.receipts.facts import Edition, Stage, Subject
from exchange.receipts.issuer import IssuedReceipt
from exchange.receipts.verify.errors import VerificationError
from exchange.receipts.verify.files import check_files, compare_files, scan_folder
from exchange.receipts.verify.part10 import DEFLATED, FileDigest, digest_file, walk_file
from exchange.receipts.verify.trust import Trust
from exchange.receipts.verify.verifier import Layer, LayerState, Request, verify_bundles, verify_bytes
from tests.exchange.receipts.making import (
    BIG,
    EXPLICIT,
    IMPLICIT,
    NOW,
    RLE,
    Site,
    Study,
    body,
    dicom,
    element,
    file_meta,
    save,
    subject_of,
    uid,
)

FIRST, RLE_FILE, PLAIN = "2.25.5/2.25.11.dcm", "2.25.5/2.25.13.dcm", "2.25.5/2.25.14.dcm"


def found(study: Study, chain: list[IssuedReceipt], trust: Trust, *, allow_extra: bool = False) -> list[str]:
    """The codes of all differences."""
    receipt = verify_bytes(chain[0].bundle_bytes, trust, NOW)
    problems = compare_files(receipt, scan_folder(study.folder), allow_extra=allow_extra)
    if problems:
        with pytest.raises(VerificationError) as caught:
            check_files(receipt, scan_folder(study.folder), allow_extra=allow_extra)
        assert caught.value.code == problems[0].code
    else:
        check_files(receipt, scan_folder(study.folder), allow_extra=allow_extra)
    return [problem.code for problem in problems]


def rewrite(study: Study, name: str, data: bytes) -> None:
    (study.folder / name).write_bytes(data)


CHANGES: list[tuple[str, Callable[[Study], object], list[str]]] = [
    ("nothing", lambda _: None, []),
    (
        "flip a pixel bit",
        lambda s: rewrite(s, FIRST, dicom("2.25.11", pixels=b"\x01\x02\x03\x05")),
        ["pixels-changed"],
    ),
    ("edit a header", lambda s: rewrite(s, FIRST, dicom("2.25.11", description=b"FOOT")), ["header-changed"]),
    (
        "edit a header of an encapsulated file",
        lambda s: rewrite(s, RLE_FILE, dicom("2.25.13", RLE, b"\x09\x0a\x0b\x0c", b"FOOT")),
        ["header-changed"],
    ),
    (
        "edit an object without pixels",
        lambda s: rewrite(s, PLAIN, dicom("2.25.14", pixels=None, description=b"FOOT")),
        ["file-changed"],
    ),
    ("delete", lambda s: (s.folder / FIRST).unlink(), ["missing"]),
    ("add", lambda s: rewrite(s, "2.25.5/x.dcm", dicom("2.25.99", pixels=b"zzzz")), ["extra"]),
    (
        "swap for another study's",
        lambda s: rewrite(s, FIRST, dicom("2.25.99", pixels=b"zzzz")),
        ["missing", "extra"],
    ),
    ("rename the instance", lambda s: rewrite(s, FIRST, dicom("2.25.98")), ["renamed"]),
    ("rename the file only", lambda s: (s.folder / FIRST).rename(s.folder / "IM0001"), []),
    ("copy", lambda s: shutil.copy(s.folder / FIRST, s.folder / "copy"), ["duplicate"]),
    (
        "changed copy beside the true one",
        lambda s: rewrite(s, "b.dcm", dicom("2.25.11", description=b"FOOT")),
        ["header-changed"],
    ),
    ("pixels copied under a new UID", lambda s: rewrite(s, "b.dcm", dicom("2.25.98")), ["extra"]),
    ("transcode", lambda s: rewrite(s, FIRST, dicom("2.25.11", IMPLICIT)), ["transcoded"]),
    (
        "lie about the transfer syntax",
        lambda s: rewrite(
            s,
            FIRST,
            (s.folder / FIRST).read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0"),
        ),
        ["meta-differs"],
    ),
    (
        "lie about the UID in the file meta",
        lambda s: rewrite(s, FIRST, dicom("2.25.11", meta_uid="2.25.77")),
        ["meta-differs"],
    ),
    (
        "other file meta",
        lambda s: rewrite(
            s,
            FIRST,
            file_meta("2.25.11", EXPLICIT, element(0x00020016, b"AE", b"PARTNER "))
            + dicom("2.25.11")[144 + int.from_bytes(dicom("2.25.11")[140:144], "little") :],
        ),
        [],
    ),
    ("cut a file short", lambda s: rewrite(s, FIRST, dicom("2.25.11")[:-2]), ["file-unreadable", "missing"]),
    (
        "cut in the file meta",
        lambda s: rewrite(s, FIRST, dicom("2.25.11")[:160]),
        ["file-unreadable", "missing"],
    ),
    ("a link", lambda s: os.symlink(s.folder / FIRST, s.folder / "link.dcm"), ["extra"]),
    ("a link to a folder", lambda s: os.symlink(s.folder / "2.25.5", s.folder / "again"), ["extra"]),
    ("a text file", lambda s: rewrite(s, "notes.txt", b"hello"), []),
]


@pytest.mark.parametrize(("name", "change", "codes"), CHANGES, ids=[item[0] for item in CHANGES])
def test_changed_study_is_named(
    name: str,
    change: Callable[[Study], object],
    codes: list[str],
    study: Study,
    chain: list[IssuedReceipt],
    trust: Trust,
) -> None:
    change(study)
    assert found(study, chain, trust) == codes
    tolerated = [code for code in codes if code not in ("extra", "duplicate")]
    assert found(study, chain, trust, allow_extra=True) == tolerated


def test_receipt_of_study_a_with_package_b(chain: list[IssuedReceipt], trust: Trust, tmp_path: Path) -> None:
    other = tmp_path / "b"
    other.mkdir()
    (other / "1.dcm").write_bytes(dicom("2.25.500", pixels=b"abcd"))
    receipt = verify_bytes(chain[0].bundle_bytes, trust, NOW)
    codes = [problem.code for problem in compare_files(receipt, scan_folder(other), allow_extra=False)]
    assert codes == ["missing"] * 4 + ["extra"]


def test_report_layers(chain: list[IssuedReceipt], study: Study, trust: Trust, tmp_path: Path) -> None:
    path = save(chain[0], tmp_path / "r")
    (good,) = verify_bundles([path], Request(trust, NOW, study.folder))
    assert good.ok
    assert [state.value for state in good.layers.values()] == ["ok", "ok"] + ["not-checked"] * 4
    rewrite(study, FIRST, dicom("2.25.11", description=b"FOOT"))
    (bad,) = verify_bundles([path], Request(trust, NOW, study.folder))
    assert bad.first_error is not None
    assert (bad.ok, bad.level, bad.layers[Layer.DIGESTS]) == (False, 0, LayerState.FAILED)
    assert "pixels match, header changed" in bad.first_error.message
    (unknown,) = verify_bundles([path], Request(Trust(), NOW, study.folder))
    assert unknown.first_error is not None
    assert unknown.first_error.code == "signer-unknown"
    assert unknown.layers[Layer.DIGESTS] is LayerState.FAILED


def test_no_subjects_and_ten_thousand(site: Site, trust: Trust, study: Study, tmp_path: Path) -> None:
    closed = site.issuer.issue(Stage.CLOSED, Edition.PARTNER, body(study, subjects=()))
    (report,) = verify_bundles([save(closed, tmp_path / "r")], Request(trust, NOW, study.folder))
    assert report.first_error is not None
    assert report.first_error.code == "no-subjects"
    many = tuple(Subject(f"2.25.{n}", f"{n:064x}", EXPLICIT, n, "1.2") for n in range(10_000))
    issued = site.issuer.issue(Stage.DEIDENTIFIED, Edition.PARTNER, body(study, subjects=many))
    assert len(verify_bytes(issued.bundle_bytes, trust, NOW).subjects) == 10_000


def test_folder_that_cannot_be_listed(chain: list[IssuedReceipt], trust: Trust, tmp_path: Path) -> None:
    with pytest.raises(VerificationError) as caught:
        verify_bundles([save(chain[0], tmp_path / "r")], Request(trust, NOW, tmp_path / "absent"))
    assert caught.value.code == "files-unreadable"


def test_file_that_the_system_refuses(study: Study, tmp_path: Path) -> None:
    with pytest.raises(VerificationError):
        digest_file(tmp_path / "absent")
    with pytest.raises(VerificationError):
        walk_file(tmp_path / "absent", FileDigest("", EXPLICIT, "", 0))


def test_file_that_goes_away_during_the_scan(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: Path) -> os.stat_result:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "lstat", gone)
    assert {file.problem for file in scan_folder(study.folder)} == {"the system refuses to read it"}


def test_hostile_file_name_cannot_move_the_cursor(study: Study) -> None:
    (study.folder / "a\x1b[2Jb.dcm").write_bytes(dicom("2.25.99", pixels=b"zzzz"))
    names = [item.name for item in scan_folder(study.folder)]
    assert "a?[2Jb.dcm" in names


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, RLE])
def test_walk_every_encoding(tmp_path: Path, syntax: str) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(dicom("2.25.7", syntax, b"\x01\x02\x03\x04"))
    digest = digest_file(path)
    assert digest is not None
    content = walk_file(path, digest)
    expected = subject_of(path.read_bytes(), "2.25.7", syntax, b"\x01\x02\x03\x04")
    assert (content.sop_instance_uid, content.pixel_sha256) == ("2.25.7", expected.pixel_sha256)
    assert (digest.sha256, digest.transfer_syntax) == (expected.sha256, syntax)


def test_walk_deflated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = dicom("2.25.7")
    start = 144 + int.from_bytes(plain[140:144], "little")
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    path = tmp_path / "x.dcm"
    path.write_bytes(file_meta("2.25.7", DEFLATED) + engine.compress(plain[start:]) + engine.flush())
    digest = digest_file(path)
    assert digest is not None
    assert walk_file(path, digest).sop_instance_uid == "2.25.7"
    monkeypatch.setattr("exchange.receipts.verify.part10._MAX_INFLATED", 10)
    with pytest.raises(VerificationError, match="inflates"):
        walk_file(path, digest)
    path.write_bytes(file_meta("2.25.7", DEFLATED) + b"\xff" * 20)
    with pytest.raises(VerificationError):
        walk_file(path, digest)


UNDEFINED = 0xFFFFFFFF
BROKEN = [
    ("a sequence that does not end", element(0x00081140, b"SQ", b"", length=UNDEFINED), "does not end"),
    (
        "pixel data that does not end",
        element(0x7FE00010, b"OB", element(0xFFFEE000, b"", b""), length=UNDEFINED),
        "does not end",
    ),
    (
        "pixel data of other things",
        element(0x7FE00010, b"OB", element(0x00080018, b"UI", b""), length=UNDEFINED),
        "cannot be followed",
    ),
    ("half an element", b"\x08\x00\x18", "cut short"),
    ("a cut UID", element(0x00080018, b"UI", b"1.2", length=60), "cut short"),
    (
        "nested too deeply",
        element(0x00081140, b"SQ", b"", length=UNDEFINED)
        + element(0xFFFEE000, b"", b"", length=UNDEFINED) * 2000,
        "too deeply",
    ),
]


@pytest.mark.parametrize(("name", "dataset", "why"), BROKEN, ids=[item[0] for item in BROKEN])
def test_walk_refuses_broken_structure(tmp_path: Path, name: str, dataset: bytes, why: str) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(file_meta("2.25.7", EXPLICIT) + dataset)
    digest = digest_file(path)
    assert digest is not None
    with pytest.raises(VerificationError, match=why):
        walk_file(path, digest)


def test_walk_refuses_too_many_elements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(dicom("2.25.7"))
    digest = digest_file(path)
    assert digest is not None
    monkeypatch.setattr("exchange.receipts.verify.part10._MAX_ELEMENTS", 3)
    with pytest.raises(VerificationError, match="too many"):
        walk_file(path, digest)


@pytest.mark.parametrize(
    "head",
    [
        bytes(128) + b"DICM",
        bytes(128) + b"DICM" + bytes(12),
        bytes(128) + b"DICM\x02\x00\x00\x00UL\x04\x00\xff\xff\xff\xff",
    ],
)
def test_file_meta_must_be_readable(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(head)
    with pytest.raises(VerificationError):
        digest_file(path)
    assert uid("1.2") == b"1.2\0"
