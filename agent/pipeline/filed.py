"""The receipts in the state folder: found by exchange or by time, with or without a running daemon.

They lie in `receipts/<exchange>/<edition>/<receiptId>.receipt.zip`; a receipt id is a UUIDv7, which begins
with the time of issue.
"""

import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from exchange.domain.errors import LockgateError
from exchange.durable import make_folder, replacing, write_file

_SUFFIX = ".receipt.zip"


@dataclass(frozen=True, slots=True)
class FiledReceipt:
    """One edition of a receipt, as it lies in the state folder."""

    exchange_id: str
    receipt_id: str
    path: Path

    @property
    def issued_at(self) -> datetime:
        """As its id says, to the millisecond (RFC 9562, 5.7)."""
        milliseconds = int(self.receipt_id.replace("-", "")[:12], 16)
        return datetime.fromtimestamp(milliseconds / 1000, UTC)


def receipts_of_exchange(state: Path, start: str, edition: str) -> list[FiledReceipt]:
    """The receipts of the exchange whose id begins so, oldest first.

    Raises:
        LockgateError: None does, more than one does, or it has no receipt yet.
    """
    folder = state / "receipts"
    names = [path.name for path in _folders(folder) if start and path.name.startswith(start)]
    if len(names) != 1:
        why = "more than one begins so" if names else "no exchange with receipts begins so"
        raise LockgateError(f"cannot tell which exchange is meant: {why}", "see `lockgate exchanges list`")
    found = sorted(_filed(folder / names[0], edition), key=lambda one: one.receipt_id)
    if not found:
        raise LockgateError("cannot find a receipt: this exchange has none yet", "wait until it was frozen")
    return found


def receipts_between(state: Path, begin: datetime, end: datetime, edition: str) -> list[FiledReceipt]:
    """The receipts that were issued from `begin` on and before `end`, oldest first; timezone-aware."""
    found = [
        one
        for folder in _folders(state / "receipts")
        for one in _filed(folder, edition)
        if begin <= one.issued_at < end
    ]
    return sorted(found, key=lambda one: one.receipt_id)


def concerning(receipts: Sequence[FiledReceipt], destination: str) -> list[FiledReceipt]:
    """Those that one destination may have: every R1 and R3, and the R2s of its own deliveries.

    Raises:
        LockgateError: One cannot be read.
    """
    return [one for one in receipts if _destination(one.path) in ("", destination)]


def _destination(path: Path) -> str:
    """The destination that an R2 names; "" for other receipts."""
    try:
        with zipfile.ZipFile(path) as opened:
            predicate = json.loads(opened.read("receipt.json"))["predicate"]
        return str(predicate.get("delivery", {}).get("destination", ""))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise LockgateError(f"cannot read {path}: it is no receipt", "restore it from a backup") from error


def export(receipts: Sequence[FiledReceipt], target: Path) -> None:
    """Copy receipts into a new zip (a name that ends in `.zip`) or a new or empty folder, by exchange.

    Raises:
        LockgateError: There is something at the target already.
        OSError: It cannot be written.
    """
    if (target.is_dir() and any(target.iterdir())) or target.is_file():
        raise LockgateError(f"cannot export to {target}: it is there already", "name a new file or folder")
    if target.suffix != ".zip":
        for one in receipts:
            make_folder(target / one.exchange_id, 0o750)
            write_file(target / one.exchange_id / one.path.name, one.path.read_bytes(), 0o640)
        return
    make_folder(target.parent)
    with replacing(target, 0o640) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for one in receipts:
            # A fixed time and mode: the same receipts give the same bytes.
            entry = zipfile.ZipInfo(f"{one.exchange_id}/{one.path.name}", (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, one.path.read_bytes())


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _filed(folder: Path, edition: str) -> Iterator[FiledReceipt]:
    for path in (folder / edition).glob(f"*{_SUFFIX}"):
        yield FiledReceipt(folder.name, path.name.removesuffix(_SUFFIX), path)
