"""TLS as PS3.15 B.12 (BCP 195) wants it: 1.2 at least, 1.3 preferred, AEAD ciphers with forward secrecy only.

No NULL, no CBC, no TLS 1.1, no compression, no renegotiation. Servers demand a client certificate. A peer may
be pinned by the SHA-256 of its SubjectPublicKeyInfo; the pin is checked inside the handshake, so that not one
byte of a study leaves for a peer that is another.
"""

import re
import ssl
from base64 import b64decode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exchange.domain.errors import ConfigurationError

CIPHERS_TLS12 = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aNULL:!eNULL:!PSK:!DSS"
_HEX = re.compile(r"[0-9a-fA-F]{64}")


def peer_spki_sha256(der: bytes) -> str:
    """SHA-256 of a certificate's SubjectPublicKeyInfo, lower-case hex.

    Args:
        der: The certificate, as `SSLSocket.getpeercert(binary_form=True)` gives it.

    Raises:
        ValueError: These bytes are no certificate.
    """
    public_key = x509.load_der_x509_certificate(der).public_key()
    return sha256(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def parse_pin(pin: str) -> str:
    """`sha256:` followed by 64 hex digits or base64, as lower-case hex; "" stays "".

    Raises:
        ConfigurationError: It is neither.
    """
    if not pin:
        return ""
    text = pin.removeprefix("sha256:").removeprefix("sha256/")
    if _HEX.fullmatch(text):
        return text.lower()
    try:
        digest = b64decode(text, validate=True)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise ConfigurationError(
            "cannot use the pin: it is no SHA-256",
            "write sha256: and 64 hex digits or base64 of the key's digest",
        )
    return digest.hex()


def transport_facts(connection: ssl.SSLSocket | ssl.SSLObject | None) -> dict[str, str]:
    """What a receipt says of a connection: `tls`, `cipher`, `peerSpkiSha256`; `tls: none` without TLS."""
    if connection is None:
        return {"tls": "none"}
    cipher = connection.cipher()
    der = connection.getpeercert(binary_form=True)
    return {
        "tls": connection.version() or "",
        "cipher": cipher[0] if cipher else "",
        "peerSpkiSha256": peer_spki_sha256(der) if der else "",
    }


def _check_pin(connection: ssl.SSLSocket | ssl.SSLObject) -> None:
    context = connection.context
    if not isinstance(context, ClientContext) or not context.pin:
        return
    der = connection.getpeercert(binary_form=True)
    if not der or peer_spki_sha256(der) != context.pin:
        raise ssl.SSLCertVerificationError("the peer's public key is not the pinned one")


class _PinnedSocket(ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the signature of the base
        super().do_handshake(block)
        _check_pin(self)


class _PinnedObject(ssl.SSLObject):
    def do_handshake(self) -> None:
        super().do_handshake()
        _check_pin(self)


class ClientContext(ssl.SSLContext):
    """A client's context whose handshake also checks the pin.

    Attributes:
        pin: SHA-256 of the peer's SubjectPublicKeyInfo in lower-case hex, "" for any.
    """

    pin: str = ""
    sslsocket_class = _PinnedSocket
    sslobject_class = _PinnedObject


class _ServerContext(ssl.SSLContext):
    """Shakes hands at the first read, in the association's own thread.

    pynetdicom wraps sockets in its accept loop; a handshake there would let one silent client stop others.
    """

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*args, **{**kwargs, "do_handshake_on_connect": False})


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS_TLS12)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _reason(error: OSError, of_ssl: str) -> str:
    return of_ssl if isinstance(error, ssl.SSLError) else (error.strerror or "it cannot be read")


def _load_key_pair(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    try:
        # An empty password, so that an encrypted key fails instead of asking on the daemon's terminal.
        context.load_cert_chain(cert, key, password="")
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"cannot use the certificate {cert} with the key {key}: {_reason(error, 'they do not fit')}",
            "give a PEM chain, leaf first, and its unencrypted PEM key",
        ) from error


def _load_anchors(context: ssl.SSLContext, authorities: Path) -> None:
    try:
        context.load_verify_locations(cafile=authorities)
    except OSError as error:
        raise ConfigurationError(
            f"cannot use the authorities in {authorities}: {_reason(error, 'no PEM certificates')}",
            "give a file of PEM certificates",
        ) from error


def server_context(
    cert: Path, key: Path, client_ca: Path | None, alternatives: Sequence[tuple[Path, Path]] = ()
) -> ssl.SSLContext:
    """A listener's context: mutual authentication wherever authorities are given, as DICOM listeners must.

    The handshake happens at the first read or write of the accepted socket; until then it has no peer
    certificate.

    Args:
        cert: PEM chain of the server, leaf first.
        key: Its PEM key.
        client_ca: PEM certificates of the authorities that clients must chain to; None where callers show
            something else (a bearer token).
        alternatives: Further (cert, key) pairs, e.g. ECDSA beside RSA; the handshake picks.

    Raises:
        ConfigurationError: A file is missing, unreadable or does not fit.
    """
    context = _ServerContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    for pair in ((cert, key), *alternatives):
        _load_key_pair(context, *pair)
    if client_ca is not None:
        _load_anchors(context, client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    # A client that never reads closes with unread tickets, and the reset takes its last message along.
    context.num_tickets = 0
    return context


def client_context(
    ca: Path | None = None, cert: Path | None = None, key: Path | None = None, pin: str = ""
) -> ClientContext:
    """A requestor's context.

    Without a pin the peer must chain to `ca` (the system's authorities when None) and carry the name or
    address that was dialled. With a pin its key must be the pinned one, which names the peer more closely
    than a host name does; then the name is not checked, and without `ca` neither is the chain (self-signed
    PACS certificates).

    Args:
        ca: PEM certificates of authorities.
        cert: PEM chain that we present, None for none.
        key: Its PEM key; None when `cert` holds it too.
        pin: `sha256:` and the digest of the peer's SubjectPublicKeyInfo, hex or base64.

    Raises:
        ConfigurationError: A file is missing, unreadable or does not fit, or the pin is malformed.
    """
    context = ClientContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    context.pin = parse_pin(pin)
    if context.pin:
        context.check_hostname = False
    if ca is not None:
        _load_anchors(context, ca)
    elif context.pin:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if cert is not None:
        _load_key_pair(context, cert, key or cert)
    return context
