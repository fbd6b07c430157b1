"""Throw-away certificates as PEM files: one authority, a server and a client below it."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Identity:
    """One certificate (chain) and its key, as PEM files."""

    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """What both ends of a TLS connection need.

    Attributes:
        ca: PEM of the authority that signed `server` and `client`.
        stranger: A client certificate of another authority, which nobody trusts.
        stranger_ca: PEM of that other authority.
    """

    ca: Path
    server: Identity
    client: Identity
    stranger: Identity
    stranger_ca: Path


def _write(folder: Path, name: str, issued: trustme.LeafCert) -> Identity:
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    issued.private_key_pem.write_to_path(key)
    cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return Identity(cert, key)


def make_certificates(folder: Path, *, key_type: trustme.KeyType = trustme.KeyType.RSA) -> Certificates:
    """Write `ca.pem`, `server.*`, `client.*`, `stranger.*` into the folder (made if absent).

    The server's certificate is for localhost, 127.0.0.1 and ::1. RSA by default: DCMTK 3.6.7 takes it
    everywhere.
    """
    folder.mkdir(parents=True, exist_ok=True)
    authority, other = trustme.CA(key_type=key_type), trustme.CA(key_type=key_type)
    ca, stranger_ca = folder / "ca.pem", folder / "stranger-ca.pem"
    authority.cert_pem.write_to_path(ca)
    other.cert_pem.write_to_path(stranger_ca)
    server = authority.issue_cert("localhost", "127.0.0.1", "::1", key_type=key_type)
    client = authority.issue_cert("edge.example", key_type=key_type)
    stranger = other.issue_cert("stranger.example", key_type=key_type)
    return Certificates(
        ca,
        _write(folder, "server", server),
        _write(folder, "client", client),
        _write(folder, "stranger", stranger),
        stranger_ca,
    )
