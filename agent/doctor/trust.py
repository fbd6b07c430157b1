"""Checks of keys and certificates."""

import os
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from stat import S_IMODE

from cryptography import x509

from agent.doctor.results import Status
from agent.doctor.runner import Answer
from agent.doctor.surroundings import Surroundings

_WORSE = (Status.PASS, Status.WARN, Status.FAIL)
# Days before the end of a certificate: notice, urgency, alarm.
NOTICE, URGENT, ALARM = timedelta(days=60), timedelta(days=30), timedelta(days=7)


def signing_key(surroundings: Surroundings) -> Answer:
    """The appliance's signing key is there, private, certified, and its certificate not near its end."""
    from exchange.keys.signing import FileKeyStore

    key = FileKeyStore(surroundings.site.keys).signing()
    chain = x509.load_pem_x509_certificates(key.chain_pem)
    # What ends first ends the rest with it: a verifier wants every certificate of the chain to hold.
    status, detail = expiry(min(chain, key=lambda one: one.not_valid_after_utc), surroundings.now)
    return status, f"{key.keyid[:16]}, in a {key.protection}, {detail}", _renewal(status)


def _renewal(status: Status) -> str:
    return (
        ""
        if status is Status.PASS
        else "certify the key anew before the date: lockgate keys csr, then lockgate keys install"
    )


def expiry(certificate: x509.Certificate, now: datetime) -> tuple[Status, str]:
    """Fail when over, not begun, or within 7 days; warn within 60."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    left = end - now
    if now < begin:
        return Status.FAIL, f"valid from {begin:%Y-%m-%d} only"
    if left <= timedelta(0):
        return Status.FAIL, f"expired on {end:%Y-%m-%d}"
    for bound, status in ((ALARM, Status.FAIL), (URGENT, Status.WARN), (NOTICE, Status.WARN)):
        if left < bound:
            return status, f"ends on {end:%Y-%m-%d}, in less than {bound.days} days"
    return Status.PASS, f"valid until {end:%Y-%m-%d}"


def domain_keys(surroundings: Surroundings) -> Answer:
    """Every pseudonym domain of the routes has its key."""
    from exchange.keys.domains import DomainKeys

    keys = DomainKeys.from_folder(surroundings.site.keys)
    domains = sorted({route.pseudonym_domain for route in surroundings.site.routes if route.pseudonym_domain})
    for domain in domains:
        keys.key(domain, keys.epoch)
    return Status.PASS, f"{len(domains)} domains: {', '.join(domains)}" if domains else "no route needs one"


def trust_folder(surroundings: Surroundings) -> Answer:
    """The trust folder holds certificates, and only we can put more there."""
    folder = surroundings.site.trust
    if not folder.is_dir():
        return Status.FAIL, f"there is no folder {folder}", "lockgate init makes one"
    if S_IMODE(folder.stat().st_mode) & 0o002:
        return Status.FAIL, f"every user of the box may write {folder}", f"chmod o-w {folder}"
    anchors = list(_anchors(folder))
    if not anchors:
        return (
            Status.WARN,
            "it holds no certificate: no receipt can be verified",
            "copy partners' CA certificates in",
        )
    states = [expiry(certificate, surroundings.now)[0] for certificate in anchors]
    if Status.FAIL in states:
        return (
            Status.WARN,
            f"{states.count(Status.FAIL)} of {len(anchors)} anchors have ended",
            "ask for new ones",
        )
    return Status.PASS, f"{len(anchors)} anchors"


def _anchors(folder: Path) -> Iterator[x509.Certificate]:
    for path in sorted(folder.iterdir()):
        if path.suffix in {".pem", ".crt", ".cer"} and path.is_file():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    yield from x509.load_pem_x509_certificates(path.read_bytes())
                except ValueError:
                    continue


def tls_certificates(surroundings: Surroundings) -> Answer:
    """The certificates of the TLS listeners are valid for a while, and their keys are private."""
    tls, web = surroundings.site.listen.dicom_tls, surroundings.site.listen.dicomweb
    pairs = [(tls.cert, tls.key)] if tls is not None else []
    if web is not None and web.cert is not None and web.key is not None:
        pairs.append((web.cert, web.key))
    if not pairs:
        return Status.SKIP, "no TLS listener"
    told, found = [], Status.PASS
    for cert, key in pairs:
        if S_IMODE(os.stat(key).st_mode) & 0o077:
            return Status.FAIL, f"others may read {key}", f"chmod 600 {key}"
        leaf = x509.load_pem_x509_certificates(cert.read_bytes())[0]
        status, detail = expiry(leaf, surroundings.now)
        told.append(f"{cert.name} {detail}")
        found = max(found, status, key=_WORSE.index)
    return found, ", ".join(told), "" if found is Status.PASS else "renew it, then restart"


def door_tokens(surroundings: Surroundings) -> Answer:
    """The token files of the STOW-RS server's doors are there, private, and hold a token."""
    web = surroundings.site.listen.dicomweb
    files = [door.token_file for door in web.doors if door.token_file is not None] if web else []
    if not files:
        return Status.SKIP, "no door asks for a token"
    for file in files:
        if S_IMODE(file.stat().st_mode) & 0o077:
            return Status.FAIL, f"others may read {file}", f"chmod 600 {file}"
        if not file.read_bytes().strip():
            return Status.FAIL, f"{file} is empty: nobody is let in", "write a token into it"
    return Status.PASS, f"{len(files)} tokens"
