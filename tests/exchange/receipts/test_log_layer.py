"""Layer L: a receipt in the site's own log, and everything that an adversary does to the proof."""

import base64
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.keys.log import LogKeys, make_log_keys, vkey, write_vkeys
from exchange.log.checkpoint import Head, parse_head, sign_checkpoint
from exchange.log.events import Event, EventKind
from exchange.log.note import parse as parse_note
from exchange.log.proof import compose_proof
from exchange.receipts.bundle import with_proof
from exchange.receipts.issuer import IssuedReceipt
from exchange.receipts.verify.claims import Receipt
from exchange.receipts.verify.envelope import keyid_of
from exchange.receipts.verify.errors import VerificationError
from exchange.receipts.verify.log import LogKey, check_logged, parse_vkey
from exchange.receipts.verify.trust import read_trust
from exchange.receipts.verify.verifier import Layer, LayerState, Report, Request, verify_bundles, verify_bytes
from tests.exchange.log.making import BOOT, LogSite
from tests.exchange.receipts.making import NOW, Site, full_chain, write_study


def issued(receipt: IssuedReceipt, signer: str) -> Event:
    """The event of a receipt, as the pipeline logs it."""
    said = {
        "exchange": "e1",
        "receipt": receipt.receipt_id,
        "edition": receipt.edition.value,
        "stage": receipt.stage.value,
        "paeSha256": receipt.pae_sha256,
        "signer": signer,
    }
    return Event(EventKind.RECEIPT_ISSUED, said)


class Logged:
    """A chain of receipts in a log, among other leaves."""

    def __init__(self, site: Site, chain: list[IssuedReceipt]) -> None:
        self.site = site
        self.chain = chain
        self.signer = site.key.keyid
        self.log = LogSite(site.root, LogKeys.from_folder(site.root / "keys"))
        with self.log.open() as log:
            log.append_all([BOOT] * 300)
            self.refs = log.append_all([issued(one, self.signer) for one in chain])
            log.append_all([BOOT] * 7)
            self.proofs = [log.proof(ref.seq) for ref in self.refs]

    @property
    def proof(self) -> bytes:
        return self.proofs[0]

    def verify(self, proof: bytes | None, trust: Path | None = None, level: int = 0) -> Report:
        """The report on the first receipt with this proof."""
        data = self.chain[0].bundle_bytes
        path = self.site.root / "bundle.receipt.zip"
        path.write_bytes(data if proof is None else with_proof(data, proof))
        found = read_trust(trust or self.site.trust)
        (report,) = verify_bundles([path], Request(found, NOW, level=level))
        return report

    def keys(self) -> tuple[LogKey, ...]:
        return read_trust(self.site.trust).log_keys


@pytest.fixture
def logged(site: Site, chain: list[IssuedReceipt]) -> Logged:
    return Logged(site, chain)


def state(report: Report) -> tuple[str, str, int | None]:
    code = report.first_error.code if report.first_error else ""
    return report.layers[Layer.LOG].value, code, report.level


def test_a_logged_receipt_has_level_1(logged: Logged) -> None:
    report = logged.verify(logged.proof, level=1)
    assert report.ok
    assert state(report) == ("ok", "", 1)


def test_each_receipt_of_the_chain_has_its_own_proof(logged: Logged, tmp_path: Path) -> None:
    paths = []
    for number, (one, proof) in enumerate(zip(logged.chain, logged.proofs, strict=True)):
        paths.append(tmp_path / f"{number}.receipt.zip")
        paths[-1].write_bytes(with_proof(one.bundle_bytes, proof))
    reports = verify_bundles(paths, Request(read_trust(logged.site.trust), NOW))
    assert {state(report) for report in reports} == {("ok", "", 1)}
    assert all(report.layers[Layer.CHAIN] is LayerState.OK for report in reports)


def test_without_a_proof_it_is_not_checked(logged: Logged) -> None:
    assert state(logged.verify(None)) == ("not-checked", "", 0)
    assert state(logged.verify(None, level=1)) == ("failed", "level", 0)


def test_without_a_key_of_a_log_it_is_not_checked(logged: Logged) -> None:
    for path in logged.site.trust.glob("*.vkey"):
        path.unlink()
    assert state(logged.verify(logged.proof)) == ("not-checked", "", 0)
    assert state(logged.verify(b"nonsense")) == ("not-checked", "", 0)


def test_level_2_needs_a_witness(logged: Logged) -> None:
    report = logged.verify(logged.proof, level=2)
    assert (report.first_error or VerificationError("", "")).code == "level"
    assert (report.layers[Layer.LOG], report.layers[Layer.WITNESS]) == (LayerState.OK, LayerState.FAILED)


def test_another_sites_key_does_not_do(logged: Logged, tmp_path: Path) -> None:
    for path in logged.site.trust.glob("*.vkey"):
        path.unlink()
    write_vkeys(logged.site.trust, make_log_keys(tmp_path / "other"), 1)
    assert state(logged.verify(logged.proof)) == ("failed", "log-signature", 0)


def test_an_unknown_signer_does_not_reach_level_1(logged: Logged, tmp_path: Path) -> None:
    """The log says what it says; without a signature that somebody vouches for there is no level."""
    other = Site(tmp_path / "other")
    for path in logged.site.trust.glob("*.vkey"):
        (other.trust / path.name).write_bytes(path.read_bytes())
    report = logged.verify(logged.proof, other.trust)
    assert (report.first_error or VerificationError("", "")).code == "signer-unknown"
    assert (report.layers[Layer.LOG], report.level, report.ok) == (LayerState.OK, None, False)


def lines(proof: bytes) -> list[str]:
    return proof.decode().split("\n")


def swap_line(at: int, line: str) -> Callable[[bytes], bytes]:
    def change(proof: bytes) -> bytes:
        found = lines(proof)
        found[at] = line
        return "\n".join(found).encode()

    return change


def without_line(at: int) -> Callable[[bytes], bytes]:
    return lambda proof: "\n".join(line for n, line in enumerate(lines(proof)) if n != at).encode()


def extra_line(at: int) -> Callable[[bytes], bytes]:
    return lambda proof: "\n".join([*lines(proof)[:at], lines(proof)[at], *lines(proof)[at:]]).encode()


def flipped(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 1
    return base64.b64encode(data).decode()


def flip_path(proof: bytes) -> bytes:
    return swap_line(3, flipped(lines(proof)[3]))(proof)


def very_long(proof: bytes) -> bytes:
    return proof.replace(b"\n\n", b"\n" + (b"A" * 43 + b"=\n") * 90 + b"\n", 1)


def at_checkpoint(proof: bytes, offset: int) -> int:
    return lines(proof).index("") + 1 + offset


def change_size(proof: bytes) -> bytes:
    return swap_line(at_checkpoint(proof, 1), "312")(proof)


def change_root(proof: bytes) -> bytes:
    at = at_checkpoint(proof, 2)
    return swap_line(at, flipped(lines(proof)[at]))(proof)


def change_origin(proof: bytes) -> bytes:
    return swap_line(at_checkpoint(proof, 0), "lockgate.log/0123456789abcdef/1")(proof)


def signature_line(number: int, change: Callable[[str], str] | None) -> Callable[[bytes], bytes]:
    def changed(proof: bytes) -> bytes:
        at = at_checkpoint(proof, 4 + number)
        if change is None:
            return without_line(at)(proof)
        head, _, data = lines(proof)[at].rpartition(" ")
        return swap_line(at, f"{head} {change(data)}")(proof)

    return changed


def restamp(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[11] ^= 1  # the last byte of the cosignature's time
    return base64.b64encode(data).decode()


def change_leaf(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(proof: bytes) -> bytes:
        leaf = base64.b64decode(lines(proof)[1].removeprefix("extra "))
        assert old in leaf
        return swap_line(1, "extra " + base64.b64encode(leaf.replace(old, new)).decode())(proof)

    return change


ATTACKS: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("empty", lambda _: b"", "log-proof"),
    ("not UTF-8", lambda proof: proof + b"\xff", "log-proof"),
    ("another format", swap_line(0, "c2sp.org/tlog-proof@v2"), "log-proof"),
    ("no leaf", without_line(1), "log-proof"),
    ("wrong index", swap_line(2, "index 301"), "log-leaf"),
    ("index with a zero before it", swap_line(2, "index 0300"), "log-proof"),
    ("index beyond the size", swap_line(2, "index 311"), "log-proof"),
    ("proof short", without_line(3), "log-proof"),
    ("proof long", extra_line(3), "log-proof"),
    ("proof very long", very_long, "log-proof"),
    ("a hash changed", flip_path, "log-proof"),
    ("wrong size", change_size, "log-signature"),
    ("wrong root", change_root, "log-proof"),
    ("wrong origin", change_origin, "log-signature"),
    ("log signature removed", signature_line(0, None), "log-signature"),
    ("log signature changed", signature_line(0, flipped), "log-signature"),
    ("cosignature changed", signature_line(1, flipped), "log-signature"),
    ("cosignature time changed", signature_line(1, restamp), "log-signature"),
    ("leaf not canonical", change_leaf(b'{"actor"', b'{ "actor"'), "log-leaf"),
    ("leaf with a double key", change_leaf(b'{"actor":"",', b'{"actor":"","actor":"",'), "log-leaf"),
    ("leaf of another kind", change_leaf(b"receipt.issued", b"receipt.opened"), "log-leaf"),
    ("leaf of another stage", change_leaf(b"deidentified", b"deidentifies"), "log-leaf"),
    ("leaf of another exchange", change_leaf(b'"e1"', b'"e2"'), "log-proof"),
    ("leaf of another outcome", change_leaf(b'"ok"', b'"no"'), "log-proof"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "attack", "code"), ATTACKS, ids=[one[0] for one in ATTACKS])
def test_attacks_on_the_proof(logged: Logged, name: str, attack: Callable[[bytes], bytes], code: str) -> None:
    assert attack(logged.proof) != logged.proof
    assert state(logged.verify(attack(logged.proof))) == ("failed", code, 0)


def test_the_proof_of_another_receipt(logged: Logged) -> None:
    for other in logged.proofs[1:]:
        assert state(logged.verify(other)) == ("failed", "log-leaf", 0)


def test_a_log_of_the_forgers_own(logged: Logged, tmp_path: Path) -> None:
    """Logged again under a key that he made, named as the true one is."""
    forger = make_log_keys(tmp_path / "forger")
    text, _ = parse_note(logged.proof.partition(b"\n\n")[2])
    forged = sign_checkpoint(parse_head(text), forger, 0)
    proof = logged.proof.partition(b"\n\n")[0] + b"\n\n" + forged
    assert state(logged.verify(proof)) == ("failed", "log-signature", 0)


def test_a_tree_of_the_forgers_own_under_the_true_names(logged: Logged, tmp_path: Path) -> None:
    forger = make_log_keys(tmp_path / "forger")
    leaf = base64.b64decode(lines(logged.proof)[1].removeprefix("extra ")).replace(b'"seq":300', b'"seq":0')
    head = Head(logged.log.keys.origin(1), 1, sha256(b"\0" + leaf).digest())
    proof = compose_proof(leaf, 0, [], sign_checkpoint(head, forger, 0))
    assert state(logged.verify(proof)) == ("failed", "log-signature", 0)


def test_without_the_cosignature_the_logs_own_signature_decides(logged: Logged) -> None:
    assert state(logged.verify(signature_line(1, None)(logged.proof))) == ("ok", "", 1)


def test_a_cosignature_alone_is_no_signature_of_the_log(logged: Logged) -> None:
    for path in logged.site.trust.glob("*.vkey"):
        if "-mldsa" not in path.name:
            path.unlink()
    assert state(logged.verify(logged.proof)) == ("not-checked", "", 0)


def test_a_key_of_another_name_with_the_same_id_counts_for_nothing(logged: Logged) -> None:
    """A witness's key says nothing for the log."""
    for path in logged.site.trust.glob("*.vkey"):
        path.unlink()
    witness = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    (logged.site.trust / "witness.vkey").write_text(vkey("witness.example/w", 1, witness) + "\n")
    assert state(logged.verify(logged.proof)) == ("failed", "log-signature", 0)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "+00000000+AQ==",
        "a b+00000000+AQ==",
        "name+zz+AQ==",
        "name+00000000+AQ==",
        vkey("name", 1, bytes(31)),
        vkey("name", 6, bytes(32)),
        vkey("name", 1, bytes(32)).replace("name", "eman"),
    ],
    ids=range(8),
)
def test_a_damaged_key_file_is_never_passed_over(logged: Logged, text: str) -> None:
    with pytest.raises(VerificationError, match="trust-unreadable"):
        parse_vkey(text)
    (logged.site.trust / "x.vkey").write_text(text)
    with pytest.raises(VerificationError, match="trust-unreadable"):
        read_trust(logged.site.trust)


def test_keys_of_kinds_that_are_not_known_are_passed_over() -> None:
    assert parse_vkey(vkey("w.example", 4, bytes(32))).kind == 4


PROOF_BYTES = st.binary(max_size=400) | st.text(max_size=400).map(str.encode)


@settings(max_examples=200, deadline=None)
@given(PROOF_BYTES, st.integers(0, 5))
def test_any_bytes_raise_the_verifiers_own_error(data: bytes, kind: int) -> None:
    whole, receipt, signer, keys = _sample()
    cut = len(whole) * kind // 5
    mangled = whole[:cut] + data + whole[cut + len(data) :]
    if mangled == whole:
        return
    try:
        check_logged(mangled, receipt, signer, keys)
    except VerificationError as error:
        assert error.code in ("log-proof", "log-leaf", "log-signature")  # noqa: PT017


@cache
def _sample() -> tuple[bytes, Receipt, str, tuple[LogKey, ...]]:
    root = Path(mkdtemp(prefix="lg-"))
    site = Site(root / "site")
    logged = Logged(site, full_chain(site, write_study(root / "study")))
    receipt = verify_bytes(logged.chain[0].bundle_bytes, read_trust(site.trust), NOW)
    return logged.proof, receipt, logged.signer, logged.keys()


def test_the_signer_is_the_one_of_the_bundle(logged: Logged) -> None:
    certificate = x509.load_pem_x509_certificates(logged.site.key.chain_pem)[0]
    assert keyid_of(certificate) == logged.signer
    receipt = verify_bytes(logged.chain[0].bundle_bytes, read_trust(logged.site.trust), NOW)
    check_logged(logged.proof, receipt, logged.signer, logged.keys())
    for wrong in ("ab" * 32, ""):
        with pytest.raises(VerificationError, match="log-leaf"):
            check_logged(logged.proof, receipt, wrong, logged.keys())
    other = replace(receipt, edition="site")
    with pytest.raises(VerificationError, match="log-leaf"):
        check_logged(logged.proof, other, logged.signer, logged.keys())
