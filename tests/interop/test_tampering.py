"""A study that was really delivered, tampered with: `lockgate verify` names it, as a process of its own."""

import json
import shutil
import zipfile
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from exchange.dicomio.examine import examine
from exchange.receipts.bundle import zipped
from tests.interop.sending import SUCCESS, store_files
from tests.interop.studies import paths, small_study
from tests.support.appliance import Appliance, lockgate

pytestmark = pytest.mark.timeout(120)


@dataclass
class Delivery:
    """What the partner holds: files, receipts, and the anchor that it got by another way."""

    study: Path
    trust: Path

    @property
    def files(self) -> list[Path]:
        return sorted(self.study.rglob("*.dcm"))

    @property
    def receipts(self) -> list[Path]:
        """R1, R2, R3: their ids are ordered by time."""
        return sorted((self.study / "receipts").glob("*.receipt.zip"))

    def verify(self, *options: str | Path) -> tuple[int, list[str]]:
        """Exit status, and the code of each receipt's first error ("" when it is valid)."""
        run = lockgate(
            "verify", "--json", "--files", self.study, *options, *self.receipts,
            environment={"LOCKGATE_TRUST": ""},
        )  # fmt: skip
        answers = [json.loads(line) for line in run.stdout.splitlines()]
        assert all(one["ok"] == (one["firstError"] is None) for one in answers), run.stdout
        return run.returncode, [(one["firstError"] or {"code": ""})["code"] for one in answers]

    def inside(self, number: int, change: Callable[[dict[str, bytes]], None]) -> None:
        """Change the files inside a receipt and put it together again."""
        path = self.receipts[number]
        with zipfile.ZipFile(path) as opened:
            files = {name: opened.read(name) for name in opened.namelist()}
        change(files)
        path.write_bytes(zipped(files))


@pytest.fixture(scope="module")
def delivered(folder: Path) -> Delivery:
    """One study of two images through the default profile.

    The appliance is killed as soon as it calls the exchange closed: all receipts must lie there by then.
    """
    with Appliance(folder / "site") as box:
        study = small_study(folder / "made", "tampering")
        assert store_files(box.port, "OUTGOING", paths(study)) == [SUCCESS] * 2
        (closed,) = box.wait_closed(1, 100)
    return Delivery(box.outgoing / closed["study_uid_sent"], box.trust)


@pytest.fixture
def partner(delivered: Delivery, tmp_path: Path) -> Delivery:
    """A copy that may be tampered with."""
    study = tmp_path / "study"
    shutil.copytree(delivered.study, study)
    return Delivery(study, delivered.trust)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def change_a_pixel(partner: Delivery) -> None:
    pixels = examine(partner.files[0]).pixels
    assert pixels is not None
    flip(partner.files[0], pixels.value_offset + pixels.value_length // 2)


def change_a_header_value(partner: Delivery) -> None:
    blob = partner.files[0].read_bytes()
    flip(partner.files[0], blob.index(b"\x10\x00\x20\x00LO") + 9)  # PatientID


def remove_a_file(partner: Delivery) -> None:
    partner.files[0].unlink()


def add_a_file(partner: Delivery) -> None:
    blob = partner.files[0].read_bytes()
    uid = examine(partner.files[0]).sop_instance_uid.encode()
    other = uid[:-1] + (b"1" if uid[-1:] != b"1" else b"2")
    (partner.files[0].parent / "one-more.dcm").write_bytes(blob.replace(uid, other))


def duplicate_a_file(partner: Delivery) -> None:
    shutil.copy(partner.files[0], partner.files[0].with_name("copy.dcm"))


def cut_a_file(partner: Delivery) -> None:
    blob = partner.files[0].read_bytes()
    partner.files[0].write_bytes(blob[: len(blob) // 2])


def change_a_uid(partner: Delivery) -> None:
    """In file meta and data set alike, so that the file is sound in itself."""
    uid = examine(partner.files[0]).sop_instance_uid.encode()
    other = uid[:-1] + (b"1" if uid[-1:] != b"1" else b"2")
    partner.files[0].write_bytes(partner.files[0].read_bytes().replace(uid, other))


def change_the_file_meta(partner: Delivery) -> None:
    layout = examine(partner.files[0])
    blob = partner.files[0].read_bytes()
    at = blob[: layout.dataset_offset].index(layout.sop_instance_uid.encode())
    flip(partner.files[0], at + len(layout.sop_instance_uid) - 1)


def edit_the_statement(partner: Delivery) -> None:
    def change(files: dict[str, bytes]) -> None:
        files["receipt.json"] = files["receipt.json"].replace(b'"test-hospital"', b'"best-hospital"')

    partner.inside(0, change)


def edit_statement_and_envelope(partner: Delivery) -> None:
    """Consistently, so that only the signature can tell."""

    def change(files: dict[str, bytes]) -> None:
        old = files["receipt.json"]
        new = old.replace(b'"test-hospital"', b'"best-hospital"')
        assert new != old
        files["receipt.json"] = new
        files["receipt.dsse.json"] = files["receipt.dsse.json"].replace(b64encode(old), b64encode(new))

    partner.inside(0, change)


def swap_the_statements(partner: Delivery) -> None:
    """R2's statement in R1's bundle, under R1's envelope."""
    with zipfile.ZipFile(partner.receipts[1]) as opened:
        second = opened.read("receipt.json")
    partner.inside(0, lambda files: files.update({"receipt.json": second}))


def drop_the_certificates(partner: Delivery) -> None:
    def change(files: dict[str, bytes]) -> None:
        del files["chain.pem"]

    partner.inside(0, change)


def replay_a_receipt(partner: Delivery) -> None:
    shutil.copy(partner.receipts[0], partner.receipts[0].with_name("0-again.receipt.zip"))


def damage_the_zip(partner: Delivery) -> None:
    blob = partner.receipts[0].read_bytes()
    at = blob.index(b"_type") if b"_type" in blob else len(blob) // 3
    flip(partner.receipts[0], at)


TAMPERING: dict[str, tuple[Callable[[Delivery], None], set[str]]] = {
    "a pixel": (change_a_pixel, {"pixels-changed"}),
    "a header value": (change_a_header_value, {"header-changed"}),
    "a file removed": (remove_a_file, {"missing"}),
    "a file added": (add_a_file, {"extra"}),
    "a file twice": (duplicate_a_file, {"duplicate"}),
    "a file cut": (cut_a_file, {"file-unreadable"}),
    "a UID": (change_a_uid, {"renamed"}),
    "the file meta": (change_the_file_meta, {"meta-differs"}),
    "the statement": (edit_the_statement, {"payload-differs"}),
    "statement and envelope": (edit_statement_and_envelope, {"signature"}),
    "another receipt's statement": (swap_the_statements, {"payload-differs"}),
    "the certificates": (drop_the_certificates, {"bundle-incomplete"}),
    "a receipt replayed": (replay_a_receipt, {"chain-replay"}),
    "a bit in the bundle": (damage_the_zip, {"bundle-damaged"}),
}


def test_untampered_is_valid(partner: Delivery) -> None:
    assert partner.verify("--trust", partner.trust) == (0, ["", "", ""])


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_is_named(partner: Delivery, name: str) -> None:
    tamper, expected = TAMPERING[name]
    tamper(partner)
    status, codes = partner.verify("--trust", partner.trust)
    assert status == 1
    assert set(codes) & expected, codes


def test_without_an_anchor_the_signer_is_unknown(partner: Delivery, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert partner.verify("--trust", tmp_path / "empty") == (1, ["signer-unknown"] * 3)
    said = lockgate("verify", partner.receipts[0], environment={"LOCKGATE_TRUST": ""})
    if not Path("/etc/lockgate/trust").is_dir():
        assert said.returncode == 1
        assert "signer unknown" in said.stdout


def test_another_hospitals_anchor_does_not_vouch(partner: Delivery, tmp_path: Path) -> None:
    made = lockgate("init", tmp_path / "other", "--site", "other-hospital")
    assert made.returncode == 0, made.stderr
    status, codes = partner.verify("--trust", tmp_path / "other" / "trust")
    assert (status, codes) == (1, ["signer-unknown"] * 3)


def test_what_cannot_be_read_is_told_apart(partner: Delivery, tmp_path: Path) -> None:
    (tmp_path / "text.receipt.zip").write_text("no bundle")
    for bundle in (tmp_path / "absent.receipt.zip", tmp_path / "text.receipt.zip"):
        assert lockgate("verify", "--trust", partner.trust, bundle).returncode == 2
    gone = lockgate("verify", "--trust", tmp_path / "nowhere", partner.receipts[0])
    assert gone.returncode == 2
    no_files = lockgate("verify", "--trust", partner.trust, "--files", tmp_path / "no", partner.receipts[0])
    assert no_files.returncode == 2
