"""C2SP tlog-proof@v1: everything that shows offline that a leaf is in the log."""

import base64

from exchange.log.merkle import Nodes, inclusion_proof

_MAGIC = "c2sp.org/tlog-proof@v1"


def compose_proof(leaf: bytes, index: int, path: list[bytes], checkpoint: bytes) -> bytes:
    """A proof: the leaf itself as extra data, its index, the audit path, the checkpoint."""
    lines = [_MAGIC, f"extra {_base64(leaf)}", f"index {index}", *map(_base64, path), "", ""]
    return "\n".join(lines).encode("ascii") + checkpoint


def prove(leaf: bytes, index: int, size: int, nodes: Nodes, checkpoint: bytes) -> bytes:
    """The proof of a leaf under a checkpoint of `size` leaves.

    Raises:
        ValueError: The checkpoint does not cover it.
    """
    return compose_proof(leaf, index, inclusion_proof(nodes, index, size), checkpoint)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
