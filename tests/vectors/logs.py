"""A log: leaves, checkpoints and proofs (C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof)."""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.vectors import tree
from tests.vectors.keys import ed25519, mldsa44

_STAMP = (1777897815).to_bytes(8, "big")  # 2026-05-04T12:30:15Z


def _line(text: bytes) -> str:
    return b64encode(text).decode()


def note_line(name: str, key_id: bytes, signature: bytes) -> str:
    """One signature of a note."""
    return f"— {name} {_line(key_id + signature)}\n"


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """Signed-note: the first four bytes of a hash over name, type and key."""
    return sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def vkey(name: str, kind: int, public: bytes) -> str:
    """What a trust folder's `*.vkey` holds."""
    return f"{name}+{key_id(name, kind, public).hex()}+{_line(bytes([kind]) + public)}\n"


@dataclass
class Log:
    """A log whose keys come from its name."""

    name: str
    generation: int = 1
    leaves: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ed25519 = ed25519("log", self.name)
        self.mldsa44 = mldsa44("log", self.name)
        self.public = self.ed25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.mldsa_public = self.mldsa44.public_key().public_bytes_raw()
        digest = sha256(self.public).hexdigest()[:16]
        self.origin = f"lockgate.log/{digest}/{self.generation}"

    @property
    def vkeys(self) -> bytes:
        """Both keys, one a line."""
        own = vkey(self.origin, 1, self.public)
        return (own + vkey(self.origin + "/mldsa", 6, self.mldsa_public)).encode()

    def add(self, kind: str, obj: Mapping[str, object]) -> int:
        """Append an event; its index."""
        leaf = {
            "actor": "system",
            "kind": kind,
            "obj": dict(obj),
            "outcome": "ok",
            "seq": len(self.leaves),
            "t": "2026-05-04T12:30:15.250Z",
            "v": 2,
        }
        return self.add_bytes(json.dumps(leaf, sort_keys=True, separators=(",", ":")).encode())

    def add_bytes(self, leaf: bytes) -> int:
        """Append a leaf as it is; its index."""
        self.leaves.append(leaf)
        return len(self.leaves) - 1

    def root(self, size: int) -> bytes:
        """Of the first `size` leaves."""
        return tree.root([tree.leaf_hash(leaf) for leaf in self.leaves[:size]])

    def checkpoint(self, size: int, root: bytes | None = None) -> str:
        """A signed head, with the cosignature."""
        root = self.root(size) if root is None else root
        text = f"{self.origin}\n{size}\n{_line(root)}\n"
        return text + "\n" + self.sign(text) + self.cosign(size, root)

    def sign(self, text: str) -> str:
        """The note's line by the log's Ed25519 key."""
        return note_line(self.origin, key_id(self.origin, 1, self.public), self.ed25519.sign(text.encode()))

    def cosign(self, size: int, root: bytes) -> str:
        """The ML-DSA-44 line, over the subtree from leaf 0."""
        name = self.origin + "/mldsa"
        origin = self.origin.encode()
        message = b"subtree/v1\n\0" + bytes([len(name)]) + name.encode() + _STAMP
        message += bytes([len(origin)]) + origin + bytes(8) + size.to_bytes(8, "big") + root
        signature = _STAMP + self.mldsa44.sign(message)
        return note_line(name, key_id(name, 6, self.mldsa_public), signature)

    def proof(self, index: int, size: int | None = None) -> bytes:
        """A tlog-proof@v1 with the leaf as extra data."""
        size = len(self.leaves) if size is None else size
        way = tree.path(index, [tree.leaf_hash(leaf) for leaf in self.leaves[:size]])
        return proof_text(self.leaves[index], index, way, self.checkpoint(size))


def proof_text(leaf: bytes, index: int, way: list[bytes], checkpoint: str) -> bytes:
    """The proof's lines."""
    head = ["c2sp.org/tlog-proof@v1", f"extra {_line(leaf)}", f"index {index}", *map(_line, way)]
    return ("\n".join(head) + "\n\n" + checkpoint).encode()
