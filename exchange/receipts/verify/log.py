"""Layer L: the receipt's leaf is in a log whose key the trust folder names. Formats: C2SP, RFC 9162.

(a) `receipt.tlog-proof` is a tlog-proof@v1: the leaf's bytes as extra data, its index, the audit path, and
    the checkpoint, a signed note of origin, size and root.
(b) The leaf is canonical JSON of kind `receipt.issued`, and names this receipt, edition, stage, PAE digest
    and signer.
(c) The path leads from the leaf's hash to the checkpoint's root.
(d) The log's key, named as the checkpoint's origin, signed the checkpoint. A known key that fails rejects it;
    keys that the trust folder does not name count for nothing.

Its own reader of all of it: nothing of the log's writer is used here.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from exchange.receipts.verify.claims import Receipt
from exchange.receipts.verify.errors import VerificationError
from exchange.receipts.verify.strictjson import parse_canonical

ED25519: Final = 0x01
MLDSA44: Final = 0x06
KNOWN_KINDS: Final = {ED25519: 32, MLDSA44: 1312}

_MAGIC: Final = "c2sp.org/tlog-proof@v1"
_MAX_LEAF: Final = 65_535
_MAX_PATH: Final = 63
_MAX_SIGNATURES: Final = 64
_DASH: Final = "\N{EM DASH} "
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_SUBTREE: Final = b"subtree/v1\n\0"


@dataclass(frozen=True, slots=True)
class LogKey:
    """A key that may sign checkpoints: one line of a `*.vkey` file.

    Attributes:
        name: The key's name; of a log's own key it is the log's origin.
        key_id: Four bytes, derived from name, kind and key.
        kind: Signature type of C2SP signed-note: 0x01 Ed25519, 0x06 ML-DSA-44 cosignature.
        public: The key's bytes.
    """

    name: str
    key_id: bytes
    kind: int
    public: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Proof:
    leaf: bytes
    index: int
    path: tuple[bytes, ...]
    text: str
    origin: str
    size: int
    root: bytes
    signatures: tuple[tuple[str, bytes], ...]


def parse_vkey(line: str) -> LogKey:
    """Read a verifier key.

    Raises:
        VerificationError: `trust-unreadable`.
    """
    name, _, rest = line.partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        data, listed = base64.b64decode(encoded, validate=True), bytes.fromhex(key_id)
    except (binascii.Error, ValueError) as error:
        raise VerificationError("trust-unreadable", "a *.vkey file holds no verifier key") from error
    derived = sha256(name.encode() + b"\n" + data).digest()[:4]
    if not name or any(map(str.isspace, name)) or listed != derived or len(key_id) != 8 or not data:
        raise VerificationError("trust-unreadable", "a *.vkey file holds no verifier key")
    if len(data) - 1 != KNOWN_KINDS.get(data[0], len(data) - 1):
        raise VerificationError("trust-unreadable", "a key in a *.vkey file has the wrong length")
    return LogKey(name, derived, data[0], data[1:])


def check_logged(proof: bytes, receipt: Receipt, signer: str, keys: Sequence[LogKey]) -> None:
    """Check that this receipt is in a trusted log.

    Args:
        proof: The bytes of `receipt.tlog-proof`.
        receipt: The claims of the bundle in which it lies.
        signer: Key id of the key that signed the receipt.
        keys: Of the trust folder.

    Raises:
        VerificationError: `log-proof`, `log-leaf`, `log-signature`.
    """
    parsed = _parse(proof)
    _check_leaf(parsed, receipt, signer)
    if not _reaches(sha256(b"\0" + parsed.leaf).digest(), parsed):
        raise VerificationError(
            "log-proof", "the log's proof does not lead to the root that it names", "ask for the original"
        )
    _check_signatures(parsed, keys)


def _parse(data: bytes) -> _Proof:
    try:
        head, blank, note = data.decode("utf-8").partition("\n\n")
        magic, extra, index, *path = head.split("\n")
        text, _, lines = note.rpartition("\n\n")
        origin, size, root, *_ = text.split("\n")
        if not blank or magic != _MAGIC or not origin or not extra.startswith("extra "):
            raise ValueError
        if len(path) > _MAX_PATH or lines.count("\n") > _MAX_SIGNATURES or not lines.endswith("\n"):
            raise ValueError
        if any(char < " " and char != "\n" for char in note) or any(map(str.isspace, origin)):
            raise ValueError
        proof = _Proof(
            leaf=_base64(extra.removeprefix("extra ")),
            index=_number(index.removeprefix("index ") if index.startswith("index ") else ""),
            path=tuple(map(_hash, path)),
            text=text + "\n",
            origin=origin,
            size=_number(size),
            root=_hash(root),
            signatures=tuple(_signature(line) for line in lines[:-1].split("\n")),
        )
    except ValueError as error:
        raise VerificationError("log-proof", "receipt.tlog-proof is no proof of a log") from error
    if len(proof.leaf) > _MAX_LEAF or not proof.index < proof.size:
        raise VerificationError("log-proof", "receipt.tlog-proof is no proof of a log")
    return proof


def _check_leaf(proof: _Proof, receipt: Receipt, signer: str) -> None:
    try:
        fields, sound = parse_canonical(proof.leaf, "the leaf")
    except VerificationError as error:
        raise VerificationError("log-leaf", "the leaf is not canonical JSON") from error
    said = fields.get("obj")
    expected = {
        "receipt": receipt.receipt_id,
        "edition": receipt.edition,
        "stage": receipt.stage,
        "paeSha256": receipt.pae_sha256,
        "signer": signer,
    }
    if not sound or fields.get("kind") != "receipt.issued" or fields.get("seq") != proof.index:
        raise VerificationError("log-leaf", "the leaf is none of an issued receipt")
    if not isinstance(said, dict) or {name: said.get(name) for name in expected} != expected:
        raise VerificationError(
            "log-leaf", "the leaf is of another receipt, edition or signer", "ask for the original"
        )


def _reaches(current: bytes, proof: _Proof) -> bool:
    """RFC 9162, 2.1.3.2."""
    first, last = proof.index, proof.size - 1
    for sibling in proof.path:
        if last == 0:
            return False
        if first & 1 or first == last:
            current = sha256(b"\1" + sibling + current).digest()
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            current = sha256(b"\1" + current + sibling).digest()
        first, last = first >> 1, last >> 1
    return last == 0 and current == proof.root


def _check_signatures(proof: _Proof, keys: Sequence[LogKey]) -> None:
    named = {(key.name, key.key_id): key for key in keys if key.kind in KNOWN_KINDS}
    signed = False
    for name, data in proof.signatures:
        key = named.get((name, data[:4]))
        if key is None:
            continue
        try:
            _verify(key, data[4:], proof)
        except (InvalidSignature, ValueError) as error:
            raise VerificationError(
                "log-signature", "a known key's signature is not of this checkpoint: it was changed"
            ) from error
        except UnsupportedAlgorithm:
            continue  # an older cryptographic library has no ML-DSA: the log's own signature decides
        signed = signed or (key.kind == ED25519 and key.name == proof.origin)
    if not signed:
        raise VerificationError(
            "log-signature",
            "no log key in the trust folder signed the checkpoint",
            "put the sending site's *.vkey into the trust folder (--trust), compared by telephone",
        )


def _verify(key: LogKey, signature: bytes, proof: _Proof) -> None:
    if key.kind == ED25519:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, proof.text.encode())
        return
    # C2SP tlog-cosignature: a timestamp, then the signature over the subtree from leaf 0.
    name, origin = key.name.encode(), proof.origin.encode()
    if len(name) > 255 or len(origin) > 255:
        raise ValueError
    message = b"".join(
        (_SUBTREE, bytes([len(name)]), name, signature[:8], bytes([len(origin)]), origin)
    ) + b"".join(((0).to_bytes(8, "big"), proof.size.to_bytes(8, "big"), proof.root))
    MLDSA44PublicKey.from_public_bytes(key.public).verify(signature[8:], message)


def _signature(line: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    data = _base64(encoded)
    if not line.startswith(_DASH) or not name or "+" in name or len(data) < 5:
        raise ValueError
    return name, data


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError
    return int(text)


def _hash(text: str) -> bytes:
    data = _base64(text)
    if len(data) != sha256().digest_size:
        raise ValueError
    return data


def _base64(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode("ascii") != text:
        raise ValueError
    return data
