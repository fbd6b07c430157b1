"""Files and folders that a site file names: there, readable, fitting, not expired, writable."""

import os
import ssl
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from agent.config.models import DicomwebListener, DicomwebPeer, Peer, ReceiptsEndpoint
from agent.config.remarks import Remark, Subject
from agent.config.source import Path as Place

EXPIRY_WARNING = timedelta(days=30)
_MOST_BYTES = 1 << 20


def check_files(subject: Subject, now: datetime) -> Iterator[Remark]:
    """Certificates, keys, authorities, folders. Reads only; what `run` would create need not be there yet.

    Args:
        subject: The site to check.
        now: Timezone-aware; what certificates are compared with.
    """
    tls = subject.site.listen.dicom_tls
    if tls is not None:
        place: Place = ("listen", "dicom_tls")
        yield from _pair((*place, "cert"), tls.cert, (*place, "key"), tls.key, now)
        yield from _certificates((*place, "client_ca"), tls.client_ca, now)
    if subject.site.listen.dicomweb is not None:
        yield from _web_listener(("listen", "dicomweb"), subject.site.listen.dicomweb, now)
    for name, peer in subject.site.peers.items():
        yield from _peer(("peers", name), peer, now)
    yield from _folders(subject)
    yield from _dciodvfy(subject)


def _dciodvfy(subject: Subject) -> Iterator[Remark]:
    program = subject.site.proof.dciodvfy
    if program is not None and not (program.is_file() and os.access(program, os.X_OK)):
        yield Remark(("proof", "dciodvfy"), f"there is no program {program}", "install dicom3tools there")
    for number, route in zip(subject.route_numbers, subject.site.routes, strict=True):
        if route.iod_unchecked == "hold" and program is None:
            yield Remark(
                ("routes", number, "iod_unchecked"),
                "everything would be held: dciodvfy is not configured",
                "add proof: {dciodvfy: /usr/bin/dciodvfy}",
            )


def _web_listener(place: Place, listener: DicomwebListener, now: datetime) -> Iterator[Remark]:
    if listener.cert is not None and listener.key is not None:
        yield from _pair((*place, "cert"), listener.cert, (*place, "key"), listener.key, now)
    if listener.client_ca is not None:
        yield from _certificates((*place, "client_ca"), listener.client_ca, now)
    for number, door in enumerate(listener.doors):
        if door.token_file is not None:
            # The server refuses such a file: whoever reads it may send studies in.
            for remark in _secret((*place, "doors", number, "token_file"), door.token_file):
                yield replace(remark, severity="error")


def _peer(place: Place, peer: Peer, now: datetime) -> Iterator[Remark]:
    if peer.dicom is not None and peer.dicom.tls is not None:
        tls, at = peer.dicom.tls, (*place, "dicom", "tls")
        yield from _certificates((*at, "ca"), tls.ca, now)
        if (tls.cert is None) != (tls.key is None):
            yield Remark(at, "cert and key belong together", "give both, or none", on_key=True)
        elif tls.cert is not None and tls.key is not None:
            yield from _pair((*at, "cert"), tls.cert, (*at, "key"), tls.key, now)
    if peer.dicomweb is not None:
        yield from _web_peer((*place, "dicomweb"), peer, now)
    if peer.folder is not None:
        yield from _writable((*place, "folder", "path"), peer.folder.path)
    if peer.receipts is not None:
        yield from _receipts((*place, "receipts"), peer.receipts, now)
    encrypted = peer.dicomweb is not None and peer.dicomweb.url.startswith("https:")
    encrypted = encrypted or (peer.dicom is not None and peer.dicom.tls is not None)
    if peer.pin is not None and not encrypted:
        yield Remark((*place, "pin"), "a pin needs TLS", "add tls: to the peer, or use https", on_key=True)


def _web_peer(place: Place, peer: Peer, now: datetime) -> Iterator[Remark]:
    web = peer.dicomweb
    if web is None:
        return
    if web.url.startswith("http:") and not _is_loopback(web.url):
        yield Remark((*place, "url"), "studies would go out unencrypted", "use https", "warning")
    yield from _web_files(place, web, now)


def _receipts(place: Place, endpoint: ReceiptsEndpoint, now: datetime) -> Iterator[Remark]:
    if endpoint.url.startswith("http:") and not _is_loopback(endpoint.url):
        yield Remark((*place, "url"), "receipts would go out unencrypted", "use https")
    if endpoint.pin is not None and endpoint.url.startswith("http:"):
        yield Remark((*place, "pin"), "a pin needs TLS", "use https", on_key=True)
    yield from _web_files(place, endpoint, now)


def _web_files(place: Place, web: DicomwebPeer | ReceiptsEndpoint, now: datetime) -> Iterator[Remark]:
    """The files by which a web server is recognised, and we by it."""
    if web.ca is not None:
        yield from _certificates((*place, "ca"), web.ca, now)
    if web.client_key is not None and web.client_cert is None:
        yield Remark(
            (*place, "client_key"), "a client_key needs a client_cert", "add client_cert", on_key=True
        )
    if web.client_cert is not None:
        key = ("client_key", web.client_key) if web.client_key else ("client_cert", web.client_cert)
        yield from _pair((*place, "client_cert"), web.client_cert, (*place, key[0]), key[1], now)
    if web.token_file is not None:
        yield from _secret((*place, "token_file"), web.token_file)


def _is_loopback(url: str) -> bool:
    return url.removeprefix("http://").startswith(("127.", "localhost", "[::1]"))


def _read(place: Place, path: Path) -> bytes | Remark:
    if path.is_dir():
        return Remark(place, f"{path} is a folder", "name a PEM file")
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return Remark(place, f"there is no file {path}", _similar_file(path))
    except OSError as error:
        return Remark(place, f"{path} cannot be read: {error.strerror}", "correct its owner and mode")
    return (
        Remark(place, f"{path} is larger than 1 MiB", "name a PEM file") if len(data) > _MOST_BYTES else data
    )


def _similar_file(path: Path) -> str:
    from agent.config.problems import nearest

    try:
        near = nearest(path.name, sorted(entry.name for entry in path.parent.iterdir()))
    except OSError:
        return f"there is no folder {path.parent} either; relative paths start at the site file"
    return f"did you mean {near}?" if near else "relative paths start at the site file's folder"


def _certificates(place: Place, path: Path, now: datetime) -> Iterator[Remark]:
    data = _read(place, path)
    if isinstance(data, Remark):
        yield data
        return
    try:
        certificates = _load(data)
    except ValueError:
        yield Remark(
            place, f"{path} holds no readable PEM certificate", "give PEM: -----BEGIN CERTIFICATE-----"
        )
        return
    for certificate in certificates:
        yield from _validity(place, path, certificate, now)


def _load(data: bytes) -> list[x509.Certificate]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old authorities with odd serial numbers are not our business
        return x509.load_pem_x509_certificates(data)


def _validity(place: Place, path: Path, certificate: x509.Certificate, now: datetime) -> Iterator[Remark]:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end <= now:
        yield Remark(place, f"the certificate {path.name} expired on {end:%Y-%m-%d}", "renew it")
    elif begin > now:
        yield Remark(
            place,
            f"the certificate {path.name} is valid from {begin:%Y-%m-%d} only",
            "wait, or check the clock",
        )
    elif end - now < EXPIRY_WARNING:
        yield Remark(place, f"the certificate {path.name} expires on {end:%Y-%m-%d}", "renew it", "warning")


def _pair(cert_place: Place, cert: Path, key_place: Place, key: Path, now: datetime) -> Iterator[Remark]:
    remarks = list(_certificates(cert_place, cert, now))
    yield from remarks
    if key_place != cert_place:
        secret = list(_secret(key_place, key))
        yield from secret
        remarks += secret
    elif not cert.is_file():
        return
    data = _read(key_place, key)
    if isinstance(data, Remark):
        return  # said by _secret
    try:
        private = load_pem_private_key(data, password=None)
    except TypeError:
        yield Remark(key_place, f"the key {key.name} is encrypted", "decrypt it; protect it by mode 0600")
        return
    except ValueError:
        yield Remark(key_place, f"{key.name} holds no readable PEM private key", "give PEM, unencrypted")
        return
    if _unreadable(cert):
        return
    leaf = _load(cert.read_bytes())[0]
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*spki) != leaf.public_key().public_bytes(*spki):
        yield Remark(
            key_place, f"{key.name} is not the key of the certificate {cert.name}", "name the key made for it"
        )


def _unreadable(cert: Path) -> bool:
    try:
        return not _load(cert.read_bytes())
    except (OSError, ValueError, ssl.SSLError):
        return True


def _secret(place: Place, path: Path) -> Iterator[Remark]:
    data = _read(place, path)
    if isinstance(data, Remark):
        yield data
    elif path.stat().st_mode & 0o077:
        yield Remark(place, f"others may read {path}", f"chmod 600 {path}", "warning")


def _folders(subject: Subject) -> Iterator[Remark]:
    site = subject.site
    yield from _creatable(("state",), site.state)
    if site.spool is not None:
        yield from _creatable(("spool",), site.spool)
    wanted: tuple[tuple[str, Path, Callable[[Path], bool]], ...] = (
        ("keys", site.keys, Path.is_dir),
        ("trust", site.trust, Path.is_dir),
    )
    for key, path, there in wanted:
        if not there(path):
            yield Remark((key,), f"there is no {key} folder {path}", "lockgate init DIR makes one")


def _creatable(place: Place, path: Path) -> Iterator[Remark]:
    if path.exists():
        yield from _writable(place, path)
        return
    parent = next(folder for folder in path.parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        yield Remark(
            place, f"{path} cannot be made: {parent} is not writable", "make it, owned by the service's user"
        )


def _writable(place: Place, path: Path) -> Iterator[Remark]:
    if not path.exists():
        yield Remark(place, f"there is no folder {path}", _similar_folder(path))
    elif not path.is_dir():
        yield Remark(place, f"{path} is not a folder", "name a folder")
    elif not os.access(path, os.W_OK | os.X_OK):
        yield Remark(place, f"{path} is not writable", "correct its owner and mode")


def _similar_folder(path: Path) -> str:
    return f"make it: mkdir {path}" if path.parent.is_dir() else f"there is no {path.parent} either"
