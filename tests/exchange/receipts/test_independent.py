"""Others check our receipts: openssl as a real process, securesystemslib, the product's own DICOM reader."""

import json
import re
import subprocess
from hashlib import sha256
from pathlib import Path

import pydicom.data
import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError as DsseVerificationError
from securesystemslib.signer._key import SSlibKey

from exchange.dicomio.examine import examine
from exchange.domain.errors import InputError
from exchange.receipts.issuer import IssuedReceipt
from exchange.receipts.subjects import subject_for
from exchange.receipts.verify.part10 import digest_file, walk_file
from tests.exchange.receipts.making import Site, Study, unpack


@pytest.fixture
def bundle(chain: list[IssuedReceipt], tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    for name, data in unpack(chain[1].bundle_bytes).items():
        (folder / name).write_bytes(data)
    return folder


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-eu", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=30
    )


def readme_commands(bundle: Path, site: Site) -> list[str]:
    """The three blocks of commands of the bundle's own README."""
    blocks = re.findall(r"(?:^    .+\n)+", (bundle / "README.txt").read_text(), re.MULTILINE)
    return [block.replace("SITE-CA.pem", str(site.anchor)) for block in blocks]


def test_readme_commands_accept_a_true_receipt(bundle: Path, site: Site, study: Study) -> None:
    lockgate, cms, dsse, digest = readme_commands(bundle, site)
    assert lockgate.strip().startswith("lockgate verify")
    # The validity of the test's fixed clock may be past: openssl is told the same time.
    at = f"-attime {int(site.now.timestamp())} "
    done = shell(cms.replace("-CAfile", at + "-CAfile"), bundle)
    assert (done.returncode, "successful" in done.stderr) == (0, True), done.stderr
    done = shell(dsse.replace("-CAfile", at + "-CAfile"), bundle)
    assert done.returncode == 0, done.stderr
    assert "Verified OK" in done.stdout
    assert "chain.pem: OK" in done.stdout
    file = study.folder / "2.25.5/2.25.11.dcm"
    done = shell(digest.replace("FILE.dcm", str(file)), bundle)
    assert study.subjects[0].sha256 in done.stdout


@pytest.mark.parametrize("name", ["receipt.json", "receipt.p7s"])
def test_openssl_refuses_a_changed_receipt(bundle: Path, site: Site, name: str) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[-10] ^= 1
    (bundle / name).write_bytes(data)
    _, cms, dsse, _ = readme_commands(bundle, site)
    assert shell(cms, bundle).returncode != 0
    if name == "receipt.json":
        assert shell(dsse, bundle).returncode != 0


def test_openssl_refuses_another_ca(bundle: Path, tmp_path: Path) -> None:
    other = Site(tmp_path / "other")
    _, cms, dsse, _ = readme_commands(bundle, other)
    assert shell(cms, bundle).returncode != 0
    assert shell(dsse, bundle).returncode != 0


def test_securesystemslib_accepts_the_envelope(chain: list[IssuedReceipt], site: Site) -> None:
    document = json.loads(unpack(chain[0].bundle_bytes)["receipt.dsse.json"])
    envelope = Envelope.from_dict(document)
    public = subprocess.run(
        ["openssl", "pkey", "-pubin", "-inform", "DER"], input=site.key.spki, capture_output=True, check=True
    ).stdout.decode()
    key = SSlibKey(site.key.keyid, "ecdsa", "ecdsa-sha2-nistp256", {"public": public})
    assert list(envelope.verify([key], 1)) == [site.key.keyid]
    assert envelope.payload == chain[0].payload
    assert sha256(envelope.pae()).hexdigest() == chain[0].pae_sha256
    envelope.payload += b" "
    with pytest.raises(DsseVerificationError):
        envelope.verify([key], 1)


# Files that break the standard: implicit VR under an explicit syntax, file meta without its group length.
BROKEN = {"SC_rgb_jpeg.dcm", "no-meta-length-test.dcm"}


def compare_readers(path: Path) -> bool:
    """Whether both readers could read a file; what both read must be equal."""
    if path.name in BROKEN:
        return False
    try:
        layout, subject = examine(path), subject_for(path)
    except InputError:
        return False
    digest = digest_file(path)
    if digest is None or digest.transfer_syntax != layout.transfer_syntax_uid:
        return False  # no file meta, or one that lies: the product repairs it, the verifier takes no part
    if digest.dataset_offset != layout.dataset_offset:
        return False  # a wrong (0002,0000) in somebody's file; what the product writes has the right one
    content = walk_file(path, digest)
    assert (digest.sha256, digest.transfer_syntax) == (subject.sha256, subject.transfer_syntax)
    assert (content.sop_instance_uid, content.pixel_sha256) == (
        subject.sop_instance_uid,
        subject.pixel_sha256,
    )
    assert subject.byte_count == path.stat().st_size - digest.dataset_offset
    return True


def test_verifier_and_product_read_the_same_pydicom_files() -> None:
    folder = Path(pydicom.data.__file__).parent / "test_files"
    files = sorted(path for path in folder.rglob("*.dcm") if path.is_file())
    assert sum(compare_readers(path) for path in files) >= 40


def test_pixel_digest_does_not_depend_on_fragments(study: Study, tmp_path: Path) -> None:
    """The study's RLE file has two fragments; its digest is of the joined bitstream (format, section 1)."""
    path = study.folder / "2.25.5/2.25.13.dcm"
    assert subject_for(path).pixel_sha256 == sha256(b"\x09\x0a\x0b\x0c").hexdigest()
    assert [subject_for(file) for file in sorted((study.folder / "2.25.5").iterdir())] == list(study.subjects)


def test_verifier_and_product_read_the_same_corpus(corpus: Path) -> None:
    files = [path for path in sorted(corpus.rglob("*")) if path.is_file()][::4]
    assert sum(compare_readers(path) for path in files) >= 50
