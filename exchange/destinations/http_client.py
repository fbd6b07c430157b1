"""The one way in which a client of a peer's web server is made."""

import ipaddress
import ssl
from pathlib import Path

import httpx

from exchange.dimse.tls import client_context
from exchange.domain.errors import ConfigurationError


def open_client(
    tls: ssl.SSLContext, token_file: Path | None, timeout: httpx.Timeout, connections: int
) -> httpx.Client:
    """A client that uses nothing but what is given: no proxy of the environment, no redirect.

    Args:
        tls: For https; for plain http it is not used.
        token_file: Its bearer token is sent with every request; read now.
        timeout: For the connection, and for every single read or write.
        connections: Open at once, at most.

    Raises:
        ConfigurationError: The token file cannot be read.
    """
    headers = {"User-Agent": "lockgate", "Accept-Encoding": "identity"}
    if token_file is not None:
        try:
            token = token_file.read_text("ascii").strip()
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"cannot read the token file {token_file}", "check path and permissions"
            ) from error
        headers["Authorization"] = f"Bearer {token}"
    # The environment's proxies and .netrc are not the site file: nothing is taken from there.
    return httpx.Client(
        verify=tls,
        timeout=timeout,
        headers=headers,
        limits=httpx.Limits(max_connections=connections),
        trust_env=False,
        follow_redirects=False,
    )


def default_tls(scheme: str) -> ssl.SSLContext:
    """The system's authorities; for plain HTTP none at all: to load them takes 25 ms."""
    return client_context() if scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def is_loopback(host: str) -> bool:
    """Whether a host of a URL is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
