"""Revoked keys: which of the site's keys are no longer to be believed, and from when.

`revoked.json` is `{"keys": [{"invalidFrom", "keyid", "reason"}]}`. The one in the keys folder is the site's
own list: what stands there signs nothing any more, and partners get it. The trust folder's is the verifier's:
the site's own entries are added to whatever else stands there.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from exchange.domain.errors import KeysError
from exchange.durable import make_folder, write_file

REVOKED = "revoked.json"
_KEYID = re.compile(r"[0-9a-f]{64}")


class RevocationReason(StrEnum):
    """Why a key is revoked: the reasons of a CRL (RFC 5280, 5.3.1) that apply to keys of a site."""

    KEY_COMPROMISE = "key-compromise"
    CA_COMPROMISE = "ca-compromise"
    AFFILIATION_CHANGED = "affiliation-changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation-of-operation"
    UNSPECIFIED = "unspecified"


@dataclass(frozen=True, slots=True)
class Revocation:
    """One revoked key.

    Attributes:
        keyid: Lower-case hex SHA-256 of its SubjectPublicKeyInfo.
        invalid_from: RFC 3339 in UTC: what it signed from then on is not to be believed.
        reason: One of `RevocationReason`; text, because a list may come from elsewhere.
    """

    keyid: str
    invalid_from: str
    reason: str


def read_revoked(folder: Path) -> dict[str, Revocation]:
    """The list of a keys folder or trust folder by keyid; empty where there is none.

    Raises:
        KeysError: It is there and cannot be understood: nothing is skipped, for that would let a key live.
    """
    path = folder / REVOKED
    try:
        document = json.loads(path.read_bytes())
        entries = [Revocation(one["keyid"], one["invalidFrom"], one["reason"]) for one in document["keys"]]
        if not all(_KEYID.fullmatch(one.keyid) for one in entries):
            raise ValueError
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeysError(
            f"cannot read {path}: it is no list of revoked keys", "restore it from a backup"
        ) from error
    return {one.keyid: one for one in entries}


def revoke_key(folder: Path, trust: Path, revocation: Revocation) -> None:
    """Enter a key in the site's own list and in that of its trust folder; durable when this returns.

    A key that is revoked already keeps the earlier of both times.

    Raises:
        KeysError: One of the lists cannot be understood; nothing was changed.
        OSError: A list cannot be written.
    """
    lists = [(place, read_revoked(place)) for place in (folder, trust)]
    make_folder(trust, 0o755)
    for place, entries in lists:
        before = entries.get(revocation.keyid)
        if before is None or revocation.invalid_from < before.invalid_from:
            write_file(place / REVOKED, _text({**entries, revocation.keyid: revocation}), 0o644)


def _text(entries: Mapping[str, Revocation]) -> bytes:
    listed = [
        {"invalidFrom": one.invalid_from, "keyid": one.keyid, "reason": one.reason}
        for _, one in sorted(entries.items())
    ]
    return (json.dumps({"keys": listed}, indent=2, sort_keys=True) + "\n").encode("ascii")
