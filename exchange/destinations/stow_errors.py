"""Words for a DICOMweb peer that fails; httpx's own may quote a header or an address."""

import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from exchange.domain.errors import PeerRefused, PeerUnavailable

_LONGEST_WAIT = 24 * 3600.0


def unreachable(base: str, error: httpx.HTTPError) -> PeerUnavailable | PeerRefused:
    """What a failed connection means: the peer is away, or it is another than expected."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return PeerRefused(
                f"cannot trust {base}: its certificate is not the expected one",
                "check the CA file and the pin",
            )
        if isinstance(cause, ssl.SSLError):
            return PeerUnavailable(
                f"cannot agree on TLS with {base}", "it needs TLS 1.2 or later and must trust our certificate"
            )
        cause = cause.__cause__ or cause.__context__
    words = "the peer fell silent" if isinstance(error, httpx.TimeoutException) else "the connection failed"
    return PeerUnavailable(f"cannot reach {base}: {words}", "check the address, the network and the peer")


def retry_after(value: str, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After field asks for (RFC 9110 10.2.3), at most a day; None for none."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_WAIT)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:  # "-0000": UTC without saying where
        when = when.replace(tzinfo=UTC)
    left = (when - (now or datetime.now(UTC))).total_seconds()
    return min(max(left, 0.0), _LONGEST_WAIT)
