"""Checkpoints (C2SP tlog-checkpoint): origin, size and root, signed and cosigned by the log's two keys.

The cosignature (C2SP tlog-cosignature, ML-DSA-44) is the log's own: it shows that the log said so even if
Ed25519 is broken one day. It is no witness.
"""

import base64
import binascii
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from exchange.domain.errors import LogError
from exchange.keys.log import ED25519, MLDSA44_COSIGNATURE, LogKeys, note_key_id
from exchange.log.merkle import HASH_BYTES
from exchange.log.note import Signature, compose, parse

_LABEL = b"subtree/v1\n\0"


@dataclass(frozen=True, slots=True)
class Head:
    """What a log is at a moment.

    Attributes:
        origin: The log's name.
        size: Leaves.
        root: Of the tree over them.
    """

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note's text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode('ascii')}\n"


def parse_head(text: str) -> Head:
    """Read the text of a checkpoint; extension lines are passed over.

    Raises:
        LogError: It is none.
    """
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0]:
        raise LogError("cannot read a checkpoint: it is none")
    origin, size, root = lines[:3]
    try:
        head = Head(origin, int(size), base64.b64decode(root, validate=True))
    except (binascii.Error, ValueError) as error:
        raise LogError("cannot read a checkpoint: size or root is none") from error
    if not text.startswith(head.text) or len(head.root) != HASH_BYTES or not 0 <= head.size < 1 << 63:
        raise LogError("cannot read a checkpoint: size or root is not in its one form")
    return head


def sign_checkpoint(head: Head, keys: LogKeys, seconds: int) -> bytes:
    """The signed and cosigned note.

    Args:
        head: Of a tree whose hashes are durable.
        keys: The log's.
        seconds: POSIX time of the cosignature.
    """
    cosigner = f"{head.origin}/mldsa"
    public = keys.cosigner.public_key().public_bytes_raw()
    stamp = max(0, seconds).to_bytes(8, "big")
    signatures = (
        Signature(
            head.origin, note_key_id(head.origin, ED25519, keys.public), keys.signer.sign(head.text.encode())
        ),
        Signature(
            cosigner,
            note_key_id(cosigner, MLDSA44_COSIGNATURE, public),
            stamp + keys.cosigner.sign(cosigned_message(cosigner, head, stamp)),
        ),
    )
    return compose(head.text, signatures)


def open_checkpoint(data: bytes, keys: LogKeys) -> Head:
    """The head that one of our own checkpoints states, both signatures checked.

    Raises:
        LogError: It is none, or not of these keys.
    """
    text, signatures = parse(data)
    head = parse_head(text)
    cosigner = f"{head.origin}/mldsa"
    public = keys.cosigner.public_key()
    mine = note_key_id(head.origin, ED25519, keys.public)
    second = note_key_id(cosigner, MLDSA44_COSIGNATURE, public.public_bytes_raw())
    found = {(one.name, one.key_id): one.data for one in signatures}
    try:
        signer = Ed25519PublicKey.from_public_bytes(keys.public)
        signer.verify(found[head.origin, mine], text.encode())
        stamped = found[cosigner, second]
        public.verify(stamped[8:], cosigned_message(cosigner, head, stamped[:8]))
    except (KeyError, InvalidSignature, ValueError) as error:
        raise LogError("cannot use a checkpoint: it is not signed by this log's keys") from error
    return head


def cosigned_message(cosigner: str, head: Head, stamp: bytes) -> bytes:
    """C2SP tlog-cosignature: what ML-DSA-44 signs, a subtree that begins at leaf 0; `stamp` has 8 bytes."""
    name, origin = cosigner.encode(), head.origin.encode()
    start, end = (0).to_bytes(8, "big"), head.size.to_bytes(8, "big")
    return b"".join(
        (_LABEL, bytes([len(name)]), name, stamp, bytes([len(origin)]), origin, start, end, head.root)
    )
