"""Value types of the site file (names, AE titles, ports, paths, …); each refuses with a reason."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, Strict, ValidationInfo
from pydantic_core import PydanticCustomError

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_PIN = re.compile(r"sha256:(?:[0-9a-fA-F]{64}|[A-Za-z0-9+/]{43}=)")
_PIN_HINT = (
    "take it from: openssl x509 -in peer.pem -pubkey -noout | openssl pkey -pubin -outform der | sha256sum"
)


LONGEST_ISSUER = 64
LONGEST_PREFIX = 32  # leaves as much of the 64 characters of a PatientID to the foreign one

REFUSED = "lockgate"  # pydantic's error type of our own refusals


def refuse(what: str, instead: str) -> PydanticCustomError:
    """An error of ours: what is wrong, and what to write instead."""
    # Through the context, because braces in the text would be taken for fields of pydantic's template.
    return PydanticCustomError(REFUSED, "{what}", {"what": what, "instead": instead})


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise refuse(
            f"{value!r} is no name",
            "use 1 to 63 lower-case letters, digits and hyphens, e.g. main-pacs",
        )
    return value


def _ae_title(value: str) -> str:
    # PS3.5 Table 6.2-1, VR AE: 16 characters, no backslash, no control characters.
    if not 1 <= len(value) <= 16:
        raise refuse(f"AE title {value!r} has {len(value)} characters", "an AE title has 1 to 16")
    if not all(" " <= character <= "~" for character in value) or "\\" in value:
        raise refuse(
            f"AE title {value!r} has characters that DICOM does not allow",
            "use printable ASCII, no backslash",
        )
    if value != value.strip():
        raise refuse(f"AE title {value!r} begins or ends with a space", "leave the space out")
    return value


def _host(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        pass
    if re.fullmatch(r"[\d.]+", value):
        raise refuse(f"{value!r} is no IPv4 address", "four numbers from 0 to 255, e.g. 10.1.2.3")
    if not _HOST.fullmatch(value):
        raise refuse(f"{value!r} is no host", "give an IP address or a host name, without port or scheme")
    return value


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise refuse(f"{value!r} is no web address", "write https://host/path")
    if parts.username or parts.password:
        raise refuse("the address carries a user name or password", "use token_file or client_cert")
    if parts.query or parts.fragment:
        raise refuse(f"{value!r} has a query or a fragment", "give the base address only")
    try:
        _ = parts.port
    except ValueError:
        raise refuse(f"the port of {value!r} is no port", "a port is a number from 1 to 65535") from None
    return value.rstrip("/")


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise refuse(
            f"{value!r} is no regular expression: {error}",
            "escape special characters with a backslash",
        ) from None
    return value


def _pin(value: str) -> str:
    if not _PIN.fullmatch(value):
        raise refuse("the pin must be sha256: and 64 hex digits (or base64) of the SPKI's digest", _PIN_HINT)
    return value


def _issuer(value: str) -> str:
    return _identity_text(value, LONGEST_ISSUER)


def _prefix(value: str) -> str:
    return _identity_text(value, LONGEST_PREFIX)


def _identity_text(value: str, longest: int) -> str:
    # A part of a VR LO value (PS3.5 table 6.2-1) that is valid in every character set.
    if not 1 <= len(value) <= longest:
        raise refuse(f"{value!r} has {len(value)} characters", f"1 to {longest} are allowed")
    if not all(" " <= character <= "~" for character in value) or "\\" in value:
        raise refuse(f"{value!r} cannot stand in an identity", "use printable ASCII, no backslash")
    if value != value.strip():
        raise refuse(f"{value!r} begins or ends with a space", "leave the space out")
    return value


def _not_empty(value: object) -> object:
    if isinstance(value, str) and (not value or "\0" in value):
        raise refuse("the path is empty", "give a path, relative ones start at the site file")
    return value


def _resolve(value: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder", Path())
    return Path(folder) / value


def _database(value: str, info: ValidationInfo) -> str:
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in {"sqlite", "postgresql"}:
        raise refuse(
            f"{value!r} is no database URL",
            "write sqlite:///state/lockgate.db or postgresql://user@host/name",
        )
    if scheme == "postgresql":
        if urlsplit(value).password:
            raise refuse("the database URL carries a password", "use a passfile (~/.pgpass, mode 0600)")
        return value
    if not rest.startswith("/") or rest in {"/", "/:memory:"}:
        raise refuse(f"{value!r} names no file", "write sqlite:///state/lockgate.db")
    folder = (info.context or {}).get("folder", Path())
    return f"sqlite:///{Path(folder) / rest[1:]}"


Text = Annotated[str, Strict()]
Name = Annotated[
    str, Strict(), AfterValidator(_name), Field(json_schema_extra={"pattern": f"^{NAME.pattern}$"})
]
AETitle = Annotated[
    str, Strict(), AfterValidator(_ae_title), Field(json_schema_extra={"minLength": 1, "maxLength": 16})
]
Host = Annotated[str, Strict(), AfterValidator(_host)]
Url = Annotated[str, Strict(), AfterValidator(_url)]
Pattern = Annotated[str, Strict(), AfterValidator(_pattern), Field(json_schema_extra={"format": "regex"})]
Pin = Annotated[
    str, Strict(), AfterValidator(_pin), Field(json_schema_extra={"pattern": f"^{_PIN.pattern}$"})
]
Issuer = Annotated[
    str, Strict(), AfterValidator(_issuer), Field(json_schema_extra={"minLength": 1, "maxLength": 64})
]
IdPrefix = Annotated[
    str, Strict(), AfterValidator(_prefix), Field(json_schema_extra={"minLength": 1, "maxLength": 32})
]
# Resolved against the site file's folder (validation context), so that no reader has to think of it again.
SitePath = Annotated[Path, BeforeValidator(_not_empty), AfterValidator(_resolve)]
DatabaseUrl = Annotated[str, Strict(), AfterValidator(_database)]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
Count = Annotated[int, Strict(), Field(ge=1)]
Seconds = Annotated[float, Strict(), Field(gt=0)]
