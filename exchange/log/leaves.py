"""Leaves: the canonical JSON (RFC 8785, ASCII) of an event, as it is hashed into the tree."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from exchange.domain.errors import LogError
from exchange.log.events import Event

VERSION = 2
"""Version 1 were the lines of the journal, which the log has replaced."""

PRIVATE_LABEL = b"lockgate.log/private/v1\0"
SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf as read back; `kind` is text because later versions may add kinds.

    Attributes:
        seq: Its index in the tree.
        t: When, RFC 3339, UTC, milliseconds, by the appliance's clock.
        kind, outcome, actor, obj: As in `Event`.
        private: Commitment to the private part, 64 hex digits; "" where there is none.
    """

    seq: int
    t: str
    kind: str
    outcome: str
    actor: str
    obj: Mapping[str, str | int]
    private: str = ""


def compose(event: Event, seq: int, now: str, commitment: str = "") -> bytes:
    """The leaf of an event."""
    fields: dict[str, object] = {
        "actor": event.actor,
        "kind": event.kind.value,
        "obj": dict(event.obj),
        "outcome": event.outcome.value,
        "seq": seq,
        "t": now,
        "v": VERSION,
    }
    if commitment:
        fields["priv"] = commitment
    return _canonical(fields)


def parse(data: bytes) -> Leaf:
    """Read a leaf.

    Raises:
        LogError: It is no canonical leaf of this version.
    """
    try:
        fields = json.loads(data.decode("ascii"))
        canonical = _canonical(fields) == data
        leaf = Leaf(
            seq=fields["seq"],
            t=fields["t"],
            kind=fields["kind"],
            outcome=fields["outcome"],
            actor=fields["actor"],
            obj=fields["obj"],
            private=fields.get("priv", ""),
        )
        known = fields["v"] == VERSION
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LogError("cannot read a leaf: it is none") from error
    if not known:
        raise LogError("cannot read a leaf: it was written by a later version", "update Lockgate")
    texts = (leaf.t, leaf.kind, leaf.outcome, leaf.actor, leaf.private)
    if type(leaf.seq) is not int or not isinstance(leaf.obj, dict):
        raise LogError("cannot read a leaf: a field has the wrong type")
    if not all(isinstance(text, str) for text in texts):
        raise LogError("cannot read a leaf: a field has the wrong type")
    if not canonical:
        raise LogError("cannot read a leaf: it is not in canonical form (RFC 8785)")
    return leaf


def private_bytes(private: Mapping[str, str]) -> bytes:
    """The canonical form of a private part."""
    return _canonical(dict(private))


def commitment(salt: bytes, private: bytes) -> str:
    """What stands in the leaf for a private part: nobody without the salt can try out what it was."""
    return sha256(PRIVATE_LABEL + salt + private).hexdigest()


def timestamp(moment: datetime) -> str:
    """RFC 3339, UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _canonical(fields: Mapping[str, object]) -> bytes:
    # Names are ASCII, so that sorting by code point is sorting by UTF-16 code unit; texts are escaped as RFC
    # 8785 says only while they are ASCII, which those of a leaf are. A private part is never compared with
    # another writer's.
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
