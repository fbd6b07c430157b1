"""Frozen files to be sent, made from pydicom's own test files."""

from collections.abc import Sequence
from pathlib import Path

import pydicom.data
from pydicom import Dataset, dcmread  # noqa: TID251 - tests build their input; the product uses dicomio
from pydicom.uid import UID

from exchange.dicomio.digest import dataset_sha256
from exchange.dicomio.examine import examine
from exchange.dicomio.filemeta import encode_file_meta
from exchange.domain.delivery import OutgoingInstance

STUDY = "2.25.100"
SERIES = "2.25.200"
UIDS = [f"2.25.{number}" for number in range(301, 305)]
"""SOP Instance UIDs of a study as `make_study` makes it by default."""


def outgoing(path: Path) -> OutgoingInstance:
    """Describe a Part 10 file as one that is to be sent."""
    ds = dcmread(path, stop_before_pixels=True)
    return OutgoingInstance(
        path,
        str(ds.SOPClassUID),
        str(ds.SOPInstanceUID),
        str(ds.StudyInstanceUID),
        str(ds.SeriesInstanceUID),
        str(ds.file_meta.TransferSyntaxUID),
        dataset_sha256(path),
        examine(path).dataset_length,
    )


def plain_file(instance: OutgoingInstance) -> Path:
    """The plain file that an instance of these tests lies in."""
    assert isinstance(instance.source, Path)
    return instance.source


def example(name: str) -> Path:
    """One of pydicom's own files."""
    found = pydicom.data.get_testdata_file(name)
    assert isinstance(found, str)
    return Path(found)


def freeze(ds: Dataset, path: Path, number: int, *, sop_class_uid: str = "") -> OutgoingInstance:
    """Write a data set under UIDs made from `number`, in one study and series."""
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = (
        UID(STUDY),
        UID(SERIES),
        UID(f"2.25.{number}"),
    )
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    if sop_class_uid:
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    ds.save_as(path)
    layout = examine(path)
    meta = encode_file_meta(layout.sop_class_uid, layout.sop_instance_uid, layout.transfer_syntax_uid)
    path.write_bytes(meta + path.read_bytes()[layout.dataset_offset :])  # the file meta that leaves
    return outgoing(path)


def make_study(folder: Path, count: int = 4, source: str = "CT_small.dcm") -> Sequence[OutgoingInstance]:
    """A study of `count` instances, SOP Instance UIDs from 2.25.301 on."""
    folder.mkdir(parents=True, exist_ok=True)
    ds = dcmread(example(source))
    return [freeze(ds, folder / f"{number}.dcm", 301 + number) for number in range(count)]


def damage(study: Sequence[OutgoingInstance]) -> None:
    """The second instance's last byte becomes another one, the third's file is lost."""
    data = bytearray(plain_file(study[1]).read_bytes())
    data[-1] ^= 1
    plain_file(study[1]).write_bytes(data)
    plain_file(study[2]).unlink()
