"""Subjects of files as they will be sent; the verifier has its own reader and must agree with this one."""

from exchange.dicomio.digest import dataset_sha256, pixel_sha256
from exchange.dicomio.examine import examine
from exchange.domain.source import Source
from exchange.receipts.facts import Subject


def subject_for(path: Source) -> Subject:
    """The subject of a Part 10 file.

    Raises:
        InputError: The file is no DICOM file, or its structure cannot be followed.
        OSError: It cannot be read.
    """
    layout = examine(path)
    return Subject(
        sop_instance_uid=layout.sop_instance_uid,
        sha256=dataset_sha256(path),
        transfer_syntax=layout.transfer_syntax_uid,
        byte_count=layout.dataset_length,
        sop_class=layout.sop_class_uid,
        pixel_sha256=pixel_sha256(layout),
    )
