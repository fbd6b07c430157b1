"""Opening a bundle: a folder or an uncompressed zip, bounded, with no name twice."""

import io
import os
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exchange.receipts.verify.errors import VerificationError

PAYLOAD: Final = "receipt.json"
ENVELOPE: Final = "receipt.dsse.json"
SIGNATURE: Final = "receipt.p7s"
CHAIN: Final = "chain.pem"
PROOF: Final = "receipt.tlog-proof"

# 100,000 instances at about 420 bytes, once as JSON and once in base64, stay below these.
MAX_BUNDLE: Final = 128 << 20  # bytes
_REQUIRED: Final = {PAYLOAD: 48 << 20, ENVELOPE: 72 << 20, SIGNATURE: 1 << 20, CHAIN: 1 << 18}
_LIMITS: Final = {**_REQUIRED, PROOF: 1 << 18}
_MAX_ENTRIES: Final = 64

_ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    RuntimeError,  # encrypted entries; NotImplementedError for odd versions
    EOFError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """The bytes of a bundle's parts; none of them is trusted yet.

    Attributes:
        proof: That the receipt is in a log; None where there is none.
    """

    payload: bytes = field(repr=False)
    envelope: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    chain: bytes = field(repr=False)
    proof: bytes | None = field(default=None, repr=False)


def open_bundle(path: Path) -> Bundle:
    """Read a bundle from a zip file or a folder.

    Raises:
        VerificationError: `bundle-unreadable`: no such thing, or not a bundle at all; `bundle-damaged`,
            `bundle-incomplete`, `too-large`.
    """
    try:
        if path.is_dir():
            return _bundle({name: _file(path / name, limit) for name, limit in _LIMITS.items()})
        return parse_bundle(_file(path, MAX_BUNDLE) or b"")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise VerificationError(
            "bundle-unreadable", "the bundle cannot be read", "name a *.receipt.zip or its unpacked folder"
        ) from error


def parse_bundle(data: bytes) -> Bundle:
    """Read a bundle from the bytes of a zip.

    Raises:
        VerificationError: As `open_bundle`.
    """
    if not data.startswith(b"PK\x03\x04"):
        raise VerificationError(
            "bundle-unreadable", "this is no receipt bundle", "name a *.receipt.zip or its unpacked folder"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _bundle(_entries(archive))
    except _ZIP_ERRORS as error:
        raise VerificationError("bundle-damaged", "the bundle's zip is damaged", "fetch it again") from error


def _entries(archive: zipfile.ZipFile) -> dict[str, bytes | None]:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(entries) > _MAX_ENTRIES:
        raise VerificationError("too-large", f"the bundle has more than {_MAX_ENTRIES} entries")
    if len(set(names)) != len(names):
        # Two readers would pick different ones.
        raise VerificationError("bundle-damaged", "a name stands twice in the bundle")
    found: dict[str, bytes | None] = {}
    for entry in entries:
        limit = _LIMITS.get(entry.filename)
        if limit is None:
            continue  # README.txt and parts of later versions: they are not signed and not needed
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise VerificationError("bundle-damaged", "the bundle is compressed; bundles never are")
        if entry.file_size > limit:
            raise VerificationError("too-large", f"{entry.filename} is larger than {limit} bytes")
        found[entry.filename] = archive.read(entry)
    return found


def _file(path: Path, limit: int) -> bytes | None:
    """A plain file's bytes, None when absent; never waits on a pipe, never follows a link at the end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        if path.name in _LIMITS:
            return None
        raise
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise VerificationError("bundle-unreadable", f"{path.name} is no plain file")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise VerificationError("too-large", f"{path.name} is larger than {limit} bytes")
    return data


def _bundle(files: dict[str, bytes | None]) -> Bundle:
    missing = sorted(name for name in _REQUIRED if files.get(name) is None)
    if missing:
        raise VerificationError(
            "bundle-incomplete", f"the bundle lacks {', '.join(missing)}", "fetch it again from the sender"
        )
    parts = {name: data for name, data in files.items() if data is not None}
    return Bundle(parts[PAYLOAD], parts[ENVELOPE], parts[SIGNATURE], parts[CHAIN], parts.get(PROOF))
