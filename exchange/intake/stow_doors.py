"""The doors of the STOW-RS server: which address stands for which AE title, and who may use it."""

import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from stat import S_IMODE
from threading import Lock

import structlog

from exchange.dimse.tls import peer_spki_sha256

_TOKEN_MAX = 8192  # bytes of a token file
_OTHERS = 0o077

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Denied:
    """Why a request is not let in; the words are for the caller and name no secret."""

    status: int
    words: str


class BearerToken:
    """A bearer token in a file of mode 0600; read again whenever the file has changed. Safe for threads."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = Lock()
        self._known: tuple[int, int, int] | None = None
        self._digest = b""

    def matches(self, authorization: str) -> bool:
        """Whether an Authorization field shows the token (RFC 6750 2.1); takes the same time for any other.

        Raises:
            OSError: The file cannot be read, others may read it, or it holds no token.
        """
        scheme, _, shown = authorization.partition(" ")
        with self._lock:
            wanted = self._read()
        given = sha256(shown.strip().encode("latin-1", "replace")).digest()
        return hmac.compare_digest(given, wanted) and scheme.lower() == "bearer"

    def _read(self) -> bytes:
        state = self._file.stat()
        if S_IMODE(state.st_mode) & _OTHERS:
            raise PermissionError("others may read the token file")
        version = (state.st_mtime_ns, state.st_size, state.st_ino)
        if version != self._known:
            token = self._file.read_bytes()[: _TOKEN_MAX + 1].strip()
            if not token or len(token) > _TOKEN_MAX:
                raise OSError("the token file holds no token")
            self._digest, self._known = sha256(token).digest(), version
        return self._digest


@dataclass(frozen=True, slots=True)
class Door:
    """One address, `/dicom-web/<called_ae>/studies`.

    Attributes:
        called_ae: What routes match.
        peer: The configured peer that its callers are, "" when none is named.
        token: What they must show, None when no token is asked for.
        pin: SHA-256 of the SubjectPublicKeyInfo of the certificate that they must show, lower-case hex; ""
            when none is asked for. With both, both are needed.
    """

    called_ae: str
    peer: str = ""
    token: BearerToken | None = field(default=None, repr=False)
    pin: str = ""

    def denial(self, authorization: str, certificate: bytes) -> Denied | None:
        """Why this caller may not use the door, None when it may. Reads a file: not for the event loop.

        Args:
            authorization: Its Authorization field, "" when it sent none.
            certificate: Its certificate in DER, verified by the handshake; empty when it showed none.
        """
        if self.pin:
            shown = peer_spki_sha256(certificate) if certificate else ""
            if not hmac.compare_digest(shown, self.pin):
                return Denied(403, "cannot let you in: your certificate is not the one of this door")
        if self.token is None:
            return None
        try:
            if self.token.matches(authorization):
                return None
        except OSError as error:
            _log.error("stow.token_unusable", error=type(error).__name__)
            return Denied(503, "cannot check your token now; tell the site's administrator")
        if not authorization:
            return Denied(401, "cannot let you in: no bearer token was shown")
        return Denied(401, "cannot let you in: this is not the token of this door")
