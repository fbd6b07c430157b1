"""Work on the appliance's keys by a person: make, install, revoke; every change, and refusal, is on record.

The running daemon does it for itself (`Appliance`), so that new receipts use what is new at once; without one
the command does it with the same steps on the site's folders, as the log's one writer.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509

from agent.config.key_answers import (
    CertificateAnswer,
    InstalledAnswer,
    KeyAnswer,
    KeysAnswer,
    MadeKeyAnswer,
    RevokedAnswer,
)
from agent.config.models import Site
from agent.pipeline.opening import open_log
from agent.pipeline.people import people_reference, roles_in
from exchange.domain.errors import DeniedError, KeysError
from exchange.domain.exchange import Role
from exchange.keys.domains import DomainKeys
from exchange.keys.installing import check_certificates, install_certificates, read_certificates
from exchange.keys.inventory import KeptKey, fingerprint, keys_in
from exchange.keys.renewing import make_receipt_key
from exchange.keys.revoking import REVOKED, Revocation, RevocationReason, revoke_key
from exchange.keys.signing import FileKeyStore, RevokedKey
from exchange.log.events import Event, EventKind, Outcome
from exchange.receipts.statement import timestamp

if TYPE_CHECKING:  # heavy: what works without a daemon does without it
    from agent.pipeline.appliance import Appliance

_LEAST = 8  # hexadecimal digits by which a key may be named
_KEYID = 64


@dataclass(frozen=True, slots=True)
class KeyWork:
    """Where somebody works on keys, and how it is recorded.

    Attributes:
        site: The site file.
        domain_keys: Give people their reference.
        append: Records an event durably.
        now: Timezone-aware.
    """

    site: Site
    domain_keys: DomainKeys
    append: Callable[[Event], object]
    now: datetime

    @property
    def names(self) -> tuple[str, str]:
        """Site and appliance, as certificates and receipts say them."""
        return self.site.site, self.site.appliance


@contextmanager
def running(appliance: "Appliance") -> Iterator[KeyWork]:
    """Work on the keys of a running appliance; receipts are signed with what is there afterwards."""
    site = appliance.configuration.site
    with appliance.attesting:
        try:
            yield KeyWork(site, appliance.domain_keys, appliance.log.append, appliance.clock())
        finally:
            take_key(appliance)


@contextmanager
def alone(site: Site) -> Iterator[KeyWork]:
    """Work on the keys while no daemon runs.

    Raises:
        LogError: One does run, or the log cannot be opened.
        KeysError: A key that the log needs cannot be used.
    """
    with open_log(site, lambda: datetime.now(UTC)) as log:
        yield KeyWork(site, DomainKeys.from_folder(site.keys), log.append, datetime.now(UTC))


def take_key(appliance: "Appliance") -> None:
    """Sign with what lies in the keys folder now; with nothing where that may not be used."""
    try:
        key = FileKeyStore(appliance.configuration.site.keys).signing()
    except KeysError:
        old = appliance.issuer.key
        unusable = RevokedKey(old.spki, old.keyid, old.chain_pem, old.protection)
        appliance.issuer = replace(appliance.issuer, key=unusable)
    else:
        appliance.issuer = replace(appliance.issuer, key=key)


def show_keys(site: Site, now: datetime) -> KeysAnswer:
    """What lies in the keys folder.

    Raises:
        KeysError: The list of revoked keys cannot be understood.
        OSError: The folder cannot be read.
    """
    return KeysAnswer(folder=str(site.keys), keys=tuple(_told(one, now) for one in keys_in(site.keys)))


def make_key(work: KeyWork, by: str) -> MadeKeyAnswer:
    """Make a receipt key where there is none, or a revoked one.

    Raises:
        DeniedError: The person may not.
        KeysError: A key is in use, or the CA on this box cannot be used.
        OSError: A file cannot be written.
    """
    actor = _allowed(work, by, EventKind.KEY_CREATED, "signing")
    made = make_receipt_key(work.site.keys, work.names, work.now)
    said = {"key": "signing", "keyid": made.keyid, "certified": "yes" if made.certified else "no"}
    work.append(Event(EventKind.KEY_CREATED, said, actor=actor))
    return MadeKeyAnswer(keyid=made.keyid, certified=made.certified, replaced=made.replaced)


def install(work: KeyWork, by: str, chain: bytes, anchors: bytes = b"") -> InstalledAnswer:
    """Put a CA's certificate for the receipt key in use.

    Args:
        work: Where.
        by: Who.
        chain: PEM: the key's certificate, intermediates, perhaps the CA.
        anchors: PEM of CAs; those of the site's trust folder are known besides.

    Raises:
        DeniedError: The person may not.
        KeysError: It does not fit; nothing was changed.
        OSError: A file cannot be written.
    """
    actor = _allowed(work, by, EventKind.KEY_CERTIFIED, "signing")
    key = FileKeyStore(work.site.keys).uncertified()
    known = [*(read_certificates(anchors) if anchors else ()), *_trusted(work.site)]
    certified = check_certificates(read_certificates(chain), known, key, work.names, work.now)
    former, anchor = install_certificates(work.site.keys, work.site.trust, certified)
    said = {
        "key": "signing",
        "keyid": key.keyid,
        "certificate": fingerprint(certified.leaf),
        "authority": fingerprint(certified.anchor),
    }
    work.append(Event(EventKind.KEY_CERTIFIED, said, actor=actor))
    return InstalledAnswer(
        keyid=key.keyid,
        certificate=_certificate(certified.leaf, work.now),
        anchor=str(anchor),
        anchorSha256=fingerprint(certified.anchor),
        former="" if former is None else str(former),
    )


def revoke(
    work: KeyWork, by: str, keyid: str, invalid_from: datetime, reason: RevocationReason
) -> RevokedAnswer:
    """Revoke a key: it signs nothing any more, and the list for partners says from when it is not believed.

    Args:
        work: Where.
        by: Who.
        keyid: All of it, or at least the first 8 digits of one in the keys folder.
        invalid_from: Timezone-aware, not in the future.
        reason: Why.

    Raises:
        DeniedError: The person may not.
        KeysError: There is no such key, the time is in the future, or a list cannot be understood.
        OSError: A list cannot be written.
    """
    actor = _allowed(work, by, EventKind.KEY_REVOKED, "signing")
    if invalid_from.tzinfo is None or invalid_from > work.now:
        raise KeysError(
            "cannot revoke a key from this moment: it is in the future, or lacks its time zone",
            "give the moment from which the key may have been lost, e.g. 2026-05-04T12:00Z",
        )
    entry = Revocation(_named(work.site, keyid), timestamp(invalid_from), reason.value)
    # Recorded first: a key whose revocation is not on record must not be out of use without anybody knowing.
    said = {"keyid": entry.keyid, "invalidFrom": entry.invalid_from, "reason": entry.reason}
    work.append(Event(EventKind.KEY_REVOKED, said, actor=actor))
    revoke_key(work.site.keys, work.site.trust, entry)
    return RevokedAnswer(
        keyid=entry.keyid,
        invalidFrom=entry.invalid_from,
        reason=entry.reason,
        file=str(work.site.keys / REVOKED),
    )


def _allowed(work: KeyWork, by: str, kind: EventKind, key: str) -> str:
    """The reference of a person who may work on keys; a refusal is recorded.

    Raises:
        CustodyError: Unknown, or without the role `administrator`.
    """
    actor = people_reference(work.domain_keys, by)
    roles: tuple[Role, ...] = ()
    try:
        roles = roles_in(work.site, by)
    finally:
        if Role.ADMINISTRATOR not in roles:
            work.append(Event(kind, {"key": key}, Outcome.DENIED, actor))
    if Role.ADMINISTRATOR not in roles:
        raise DeniedError(
            "cannot change keys: this person may not",
            "somebody with the role `administrator` in the site file must do it",
        )
    return actor


def _named(site: Site, start: str) -> str:
    known = {one.keyid for one in keys_in(site.keys) if one.keyid}
    found = sorted(keyid for keyid in known if keyid.startswith(start))
    if len(found) == 1 and len(start) >= _LEAST:
        return found[0]
    if len(start) == _KEYID and not set(start) - set("0123456789abcdef"):
        return start  # of another appliance under the same CA
    raise KeysError(
        "cannot tell which key is meant: none, or more than one, begins so",
        f"give at least {_LEAST} digits as lockgate keys show prints them, or all {_KEYID}",
    )


def _trusted(site: Site) -> list[x509.Certificate]:
    return [one for path in sorted(site.trust.glob("*.pem")) for one in read_certificates(path.read_bytes())]


def _told(key: KeptKey, now: datetime) -> KeyAnswer:
    return KeyAnswer(
        purpose=key.purpose,
        state=key.state,
        keyid=key.keyid,
        protection=key.protection,
        certificate=None if key.certificate is None else _certificate(key.certificate, now),
        invalidFrom=key.revoked.invalid_from if key.revoked else "",
        reason=key.revoked.reason if key.revoked else "",
    )


def _certificate(certificate: x509.Certificate, now: datetime) -> CertificateAnswer:
    return CertificateAnswer(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        sha256=fingerprint(certificate),
        notBefore=certificate.not_valid_before_utc,
        notAfter=certificate.not_valid_after_utc,
        daysLeft=(certificate.not_valid_after_utc - now).days,
    )
