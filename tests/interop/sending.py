"""Storing files and arbitrary bytes over DICOM, without any installed toolkit."""

from collections.abc import Sequence
from pathlib import Path

from exchange.dicomio.examine import examine
from exchange.dimse.association import Association
from exchange.dimse.peer import DicomPeer
from tests.support.ports import HOST

EXPLICIT = "1.2.840.10008.1.2.1"
SUCCESS = 0x0000


def peer(port: int, called_ae: str, calling_ae: str = "PACS") -> DicomPeer:
    """The appliance as a peer of ours."""
    return DicomPeer(called_ae, HOST, port, calling_ae)


def store_bytes(port: int, called_ae: str, uids: tuple[str, str], data: bytes, syntax: str = EXPLICIT) -> int:
    """C-STORE these data set bytes as SOP class and instance `uids`; the status of the answer."""
    with Association.request(peer(port, called_ae), [(uids[0], syntax)]) as association:
        return association.store(association.contexts[uids[0], syntax], *uids, [data])


def store_files(port: int, called_ae: str, files: Sequence[Path]) -> list[int]:
    """C-STORE Part 10 files over one association; the statuses."""
    layouts = [examine(path) for path in files]
    proposals = sorted({(one.sop_class_uid, one.transfer_syntax_uid) for one in layouts})
    statuses = []
    with Association.request(peer(port, called_ae), proposals) as association:
        for path, one in zip(files, layouts, strict=True):
            context = association.contexts[one.sop_class_uid, one.transfer_syntax_uid]
            data = path.read_bytes()[one.dataset_offset :]
            statuses.append(association.store(context, one.sop_class_uid, one.sop_instance_uid, [data]))
    return statuses


def store_nothing(port: int, called_ae: str) -> None:
    """Open an association, ask for nothing, release it."""
    with Association.request(peer(port, called_ae), [("1.2.840.10008.5.1.4.1.1.4", EXPLICIT)]):
        pass
