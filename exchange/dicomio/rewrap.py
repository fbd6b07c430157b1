"""`rewrap`: another file meta information around the same data set bytes."""

from collections.abc import Iterator
from pathlib import Path

from exchange.dicomio.digest import dataset_sha256, pixel_sha256
from exchange.dicomio.examine import examine
from exchange.dicomio.filemeta import encode_file_meta
from exchange.dicomio.stream import open_binary, pieces
from exchange.dicomio.write import WrittenInstance
from exchange.domain.source import Source
from exchange.durable import write_file


def rewrap(source: Source, target: Path) -> WrittenInstance:
    """Copy a data set, byte for byte, under a zero preamble and a fresh file meta information.

    What the source's file meta said of its way here (AE titles, private information) does not go along.

    Raises:
        InputError: The source is no usable DICOM file.
        OSError: A file cannot be read or written.
    """
    layout = examine(source)
    meta = encode_file_meta(layout.sop_class_uid, layout.sop_instance_uid, layout.transfer_syntax_uid)

    def chunks() -> Iterator[bytes]:
        yield meta
        with open_binary(source) as stream:
            yield from pieces(stream, layout.dataset_offset, layout.dataset_length)

    write_file(target, chunks())
    return WrittenInstance(
        dataset_sha256(target), pixel_sha256(layout) if layout.pixels else "", layout.dataset_length
    )
