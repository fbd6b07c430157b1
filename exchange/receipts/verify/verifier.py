"""Verifying receipts: pure steps over bytes, one error type, nothing trusted that came with the receipt.

Layer S, signature. For one bundle:
  (1) The bundle is a folder or an uncompressed zip, bounded, with no part twice and none missing.
  (2) The envelope is strict JSON of payload type in-toto, and its payload is receipt.json byte for byte.
  (3) chain.pem holds certificates: candidates for the signing keys, never anchors.
  (4) Every signature by a key of chain.pem verifies over the PAE; one that does not rejects the bundle, and
      at least one must be there. Signatures by unknown keys count for nothing.
  (5) receipt.p7s verifies over receipt.json by the same key.
  (6) The payload is canonical JSON and an exchange receipt of version 1.
  (7) A CA of the trust folder certified that key for signing receipts of this site and appliance; the
      certificates hold at the time of issue and now; no key of the chain is revoked.
  (8) The level reached (L0: signed, L1: in the log) is at least what was asked for.
Layer D, digests, when a folder was given:
  (9) The folder holds exactly the subjects, bit for bit.
Layer C, chain, when several bundles were given:
  (10) They follow one another (`chain`).
Layer L, log, when the bundle holds a proof and the trust folder a log's key:
  (11) The receipt's leaf is in the log (`log`): level L1.
Layers W (witness) and T (time) need parts that this version does not read: not-checked, never ok.

Whether the signing site did what it attests is beyond any of this; the caller must also compare the study
that he got the receipt for with the one named in it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from exchange.receipts.verify.chain import check_chain
from exchange.receipts.verify.claims import Receipt, parse_claims
from exchange.receipts.verify.cms import check_detached
from exchange.receipts.verify.container import Bundle, open_bundle, parse_bundle
from exchange.receipts.verify.envelope import check_signature, keyid_of, pae, parse_chain, parse_envelope
from exchange.receipts.verify.errors import VerificationError
from exchange.receipts.verify.files import ScannedFile, check_files, scan_folder
from exchange.receipts.verify.log import ED25519, check_logged
from exchange.receipts.verify.trust import APPLIANCE_RECEIPT_EKU, Trust, check_signer

ResultT = TypeVar("ResultT")


class Layer(StrEnum):
    """What can be checked independently."""

    SIGNATURE = "S"
    DIGESTS = "D"
    CHAIN = "C"
    LOG = "L"
    WITNESS = "W"
    TIME = "T"


class LayerState(StrEnum):
    """What became of a layer."""

    OK = "ok"
    FAILED = "failed"
    NOT_CHECKED = "not-checked"


@dataclass(frozen=True, slots=True)
class Request:
    """What to check a bundle against.

    Attributes:
        trust: The verifier's own anchors.
        now: Timezone-aware.
        files: Folder of the study, None when digests are not to be checked.
        allow_extra: Tolerate DICOM files beside the subjects.
        level: Least level asked for; the trust folder's policy may ask for more.
    """

    trust: Trust
    now: datetime
    files: Path | None = None
    allow_extra: bool = False
    level: int = 0


@dataclass(slots=True)
class Report:
    """What was found about one bundle.

    Attributes:
        level: The level reached, None when the signature layer failed.
        receipt: Its claims, when they could be read; trust them only where `ok`.
        signed: Whether the signature is consistent, by whomever it is.
    """

    bundle: str
    level: int | None = None
    layers: dict[Layer, LayerState] = field(
        default_factory=lambda: dict.fromkeys(Layer, LayerState.NOT_CHECKED)
    )
    first_error: VerificationError | None = None
    receipt: Receipt | None = None
    signed: bool = False

    @property
    def ok(self) -> bool:
        """Whether everything that was checked holds, the signature among it."""
        return self.first_error is None and self.layers[Layer.SIGNATURE] is LayerState.OK

    def fail(self, layer: Layer, error: VerificationError) -> None:
        """Record a failure; the first one stays the one that is named."""
        self.layers[layer] = LayerState.FAILED
        self.first_error = self.first_error or error


@dataclass(frozen=True, slots=True)
class Consistent:
    """A receipt whose signatures hold under a key that nobody has vouched for yet."""

    receipt: Receipt
    leaf: x509.Certificate
    others: tuple[x509.Certificate, ...]


def verify_bundles(paths: Sequence[Path], request: Request) -> list[Report]:
    """Verify bundles alone, against the files and against each other; raises nothing for what is in them.

    Raises:
        VerificationError: `files-unreadable`: the folder to compare with cannot be listed.
    """
    folder = request.files
    scanned = None if folder is None else guarded(lambda: scan_folder(folder))
    reports = [_report(path, scanned, request) for path in paths]
    taking_part = [report for report in reports if report.layers[Layer.SIGNATURE] is LayerState.OK]
    receipts = [report.receipt for report in taking_part if report.receipt is not None]
    if len(paths) > 1:
        _chain_layer(taking_part, receipts)
    return reports


def verify_bytes(data: bytes, trust: Trust, now: datetime) -> Receipt:
    """Layer S over the bytes of a zip, at level L0: steps (1) to (7). The caller does the rest.

    Raises:
        VerificationError: The first thing that is wrong, and nothing else on any input.
    """

    def steps() -> Receipt:
        consistent = check_consistent(parse_bundle(data))
        check_signer(consistent.receipt, consistent.leaf, consistent.others, trust, now)
        return consistent.receipt

    return guarded(steps)


def check_consistent(bundle: Bundle) -> Consistent:
    """Steps (2) to (6): the signatures hold over these bytes, by whomever they are.

    Raises:
        VerificationError: What is wrong.
    """
    # (2) One payload, in both places.
    envelope = parse_envelope(bundle.envelope)
    if envelope.payload != bundle.payload:
        raise VerificationError(
            "payload-differs", "receipt.json is not what the envelope carries: one of them was changed"
        )
    # (3) Candidates only.
    chain = parse_chain(bundle.chain)
    # (4) A known key that fails rejects the bundle; an unknown one is nobody.
    message = pae(envelope.payload)
    signers: list[list[x509.Certificate]] = []
    for signed in envelope.signatures:
        candidates = chain.get(signed.keyid)
        if candidates is not None:
            check_signature(candidates[0], signed.signature, message)
            signers.append(candidates)
    if not signers:
        raise VerificationError(
            "no-known-signature", "no signature is by a key whose certificate is in chain.pem"
        )
    # Roles come from certificates, never from the order of signatures.
    appliance = [candidates for candidates in signers if any(map(_is_appliance, candidates))]
    if len(appliance) != 1:
        raise VerificationError("signer-role", "not exactly one signature is by an appliance's receipt key")
    # (5) The same key, the same bytes, the other format.
    check_detached(bundle.signature, bundle.payload, appliance[0])
    # (6) Only now is the payload worth reading.
    receipt = parse_claims(bundle.payload)
    leaf = next(filter(_is_appliance, appliance[0]))
    others = tuple(cert for certs in chain.values() for cert in certs if cert is not leaf)
    return Consistent(receipt, leaf, others)


def guarded(steps: Callable[[], ResultT]) -> ResultT:
    """Run verification steps; whatever else they raise becomes a VerificationError.

    The steps raise nothing else by themselves as far as tests and fuzzing show. This is the boundary that
    keeps the promise where they do not: a surprise is a refusal, never a traceback, never an acceptance.

    Raises:
        VerificationError: Theirs, or `internal`.
    """
    try:
        return steps()
    except VerificationError:
        raise
    except Exception as error:
        raise VerificationError(
            "internal", f"the verifier failed ({type(error).__name__})", "report this with the bundle"
        ) from error


def _report(path: Path, scanned: tuple[ScannedFile, ...] | None, request: Request) -> Report:
    report = Report(str(path))
    found: tuple[Bundle, Consistent] | None = None
    try:
        # (1) Read it, bounded.
        bundle = guarded(lambda: open_bundle(path))
        consistent = guarded(lambda: check_consistent(bundle))
        found = bundle, consistent
        report.receipt, report.signed = consistent.receipt, True
        # (7) Who vouches for the key.
        guarded(
            lambda: check_signer(
                consistent.receipt, consistent.leaf, consistent.others, request.trust, request.now
            )
        )
        report.layers[Layer.SIGNATURE] = LayerState.OK
        report.level = 0
    except VerificationError as error:
        report.fail(Layer.SIGNATURE, error)
    if found is not None:
        # (11) Told for an unknown signer too; the level counts only with the signature.
        _log_layer(report, *found, request.trust)
    if report.level is not None:
        # (8) What was asked for.
        _level(report, max(request.level, request.trust.minimum_level))
    if scanned is not None and report.receipt is not None:
        # (9) Told for an unknown signer too: it costs nothing to know that the files fit.
        _digest_layer(report, report.receipt, scanned, allow_extra=request.allow_extra)
    return report


def _digest_layer(
    report: Report, receipt: Receipt, scanned: tuple[ScannedFile, ...], *, allow_extra: bool
) -> None:
    try:
        guarded(lambda: check_files(receipt, scanned, allow_extra=allow_extra))
        report.layers[Layer.DIGESTS] = LayerState.OK
    except VerificationError as error:
        report.fail(Layer.DIGESTS, error)


def _chain_layer(reports: list[Report], receipts: list[Receipt]) -> None:
    # (10) Among those whose signature holds.
    try:
        for report, linked in zip(reports, guarded(lambda: check_chain(receipts)), strict=True):
            report.layers[Layer.CHAIN] = LayerState.OK if linked else LayerState.NOT_CHECKED
    except VerificationError as error:
        for report in reports:
            report.fail(Layer.CHAIN, error)


def _log_layer(report: Report, bundle: Bundle, consistent: Consistent, trust: Trust) -> None:
    proof = bundle.proof
    if proof is None or not any(key.kind == ED25519 for key in trust.log_keys):
        return
    try:
        signer = keyid_of(consistent.leaf)
        guarded(lambda: check_logged(proof, consistent.receipt, signer, trust.log_keys))
        report.layers[Layer.LOG] = LayerState.OK
        if report.level is not None:
            report.level = 1
    except VerificationError as error:
        report.fail(Layer.LOG, error)


def _level(report: Report, asked: int) -> None:
    """A level that is not reached says nothing against the signature: what lacks is the layer above."""
    reached = report.level or 0
    if asked <= reached or report.first_error is not None:
        return
    lacking = (Layer.LOG, Layer.WITNESS, Layer.TIME)[reached]
    what = (
        "no proof by a log that the trust folder names"
        if reached == 0
        else "witness and time are not checked"
    )
    error = VerificationError(
        "level",
        f"level L{asked} is asked for, L{reached} is reached: {what}",
        f"ask for level {reached}, or put the log's *.vkey into the trust folder"
        if reached == 0
        else f"ask for level {reached}",
    )
    report.fail(lacking, error)


def _is_appliance(certificate: x509.Certificate) -> bool:
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
    return APPLIANCE_RECEIPT_EKU in purposes
