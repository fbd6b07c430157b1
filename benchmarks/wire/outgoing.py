"""Files as the product's destinations take them."""

from pathlib import Path

from exchange.dicomio.digest import dataset_sha256
from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header
from exchange.domain.delivery import OutgoingInstance


def outgoing(path: Path) -> OutgoingInstance:
    """Describe a Part 10 file as one that is to be sent."""
    layout, header = examine(path), read_header(path)
    return OutgoingInstance(
        path,
        layout.sop_class_uid,
        layout.sop_instance_uid,
        str(header.StudyInstanceUID),
        str(header.SeriesInstanceUID),
        layout.transfer_syntax_uid,
        dataset_sha256(path),
        layout.dataset_length,
    )
