"""A spool in short words."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from exchange.domain.instance import SpooledInstance
from exchange.spool.records import ArrivalContext
from exchange.spool.store import Spool
from exchange.spool.writer import SpoolWriter

KEK = bytes(range(32))
CLASS, SYNTAX, UID = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", "1.2.3.4"
NOW = datetime(2026, 1, 31, 23, 59, 59, 123456, UTC)


def context(called_ae: str = "TELERAD", **changes: str) -> ArrivalContext:
    base = ArrivalContext(uuid4().hex, "dimse", called_ae, "PACS", "pacs", "10.0.0.1", "ab" * 32)
    return replace(base, **changes)


def put(
    spool: Spool, data: bytes = b"data", called_ae: str = "TELERAD", at: datetime = NOW, uid: str = UID
) -> SpooledInstance:
    with spool.begin(CLASS, uid, SYNTAX, context(called_ae)) as writer:
        writer.write(data)
        return writer.commit(at)


def pour(writer: SpoolWriter, mebibytes: int) -> SpooledInstance:
    for _ in range(mebibytes):
        writer.write(bytes(1024 * 1024))
    return writer.commit(NOW)


def dataset(spool: Spool, one: SpooledInstance) -> bytes:
    """The data set bytes as they are read back with the key of the row."""
    with spool.source(one.identity, one.wrapped_key).open_plain() as stream:
        return stream.read()[-one.byte_count :] if one.byte_count else b""


def reopened(spool: Spool) -> Spool:
    """As after a restart."""
    spool.close()
    return Spool(spool.root, kek=KEK)


def files(root: Path, *, own: bool = False) -> list[str]:
    """Files below a folder; those that every spool has only if asked for."""
    found = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    return found if own else [one for one in found if not _is_own(Path(one))]


def _is_own(path: Path) -> bool:
    return path.name in {".lock", "key.check"} or path.suffix == ".epoch"


def copied(spool: Spool, folder: Path) -> Path:
    """A copy of everything that lies in the spool."""
    shutil.copytree(spool.root, folder)
    return folder
