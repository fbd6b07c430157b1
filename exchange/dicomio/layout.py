"""Where things lie in a DICOM file: the answer of one structural walk."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from exchange.domain.source import Source

FLOAT_PIXEL_DATA = 0x7FE00008
DOUBLE_FLOAT_PIXEL_DATA = 0x7FE00009
PIXEL_DATA = 0x7FE00010
PIXEL_TAGS = frozenset({FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA, PIXEL_DATA})


@dataclass(frozen=True, slots=True)
class PixelElement:
    """The top-level pixel data element of a data set.

    Offsets count from the start of the file; in a deflated file, from the start of the inflated data set
    (`exchange.dicomio.stream.open_offsets` gives the stream in which they hold).

    Attributes:
        tag: (7FE0,0008), (7FE0,0009) or (7FE0,0010) as an integer.
        vr: As written; for implicit VR `OW`, `OF` or `OD` (PS3.5 A.1).
        element_offset: Start of the element, at its tag.
        element_end: First byte after the element, its delimiter included.
        value_offset: Start of the value field; when encapsulated, the item tag of the basic offset table.
        value_length: Bytes of the value field as it stands; when encapsulated, all items with their tags but
            without the sequence delimitation item.
        encapsulated: True when the length is undefined and the value is fragments (PS3.5 A.4).
        fragments: (offset, length) of each fragment's bytes, without the basic offset table.
        offset_table: Entries of the basic offset table; empty when it is.
    """

    tag: int
    vr: str
    element_offset: int
    element_end: int
    value_offset: int
    value_length: int
    encapsulated: bool
    fragments: tuple[tuple[int, int], ...] = ()
    offset_table: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FileLayout:
    """What a structural walk found.

    Attributes:
        source: The file.
        transfer_syntax_uid: Of the data set, as found: a file that claims explicit VR and holds implicit VR
            (or the reverse) shows what it holds; guessed when the file does not say.
        sop_class_uid: (0008,0016) of the data set, as data: it may be no valid UID and is never a path.
        sop_instance_uid: (0008,0018) of the data set, likewise.
        has_file_meta: False when the file brought no (usable) file meta information.
        dataset_offset: First byte after the file meta information.
        dataset_length: Bytes from there to the end of the file.
        implicit_vr: How the data set is encoded.
        little_endian: How the data set is encoded.
        deflated: True when the data set is a deflate stream (PS3.5 A.5).
        end_offset: End of the last element, where pixel offsets hold; trailing zero padding lies behind it.
        pixels: Top-level pixel data, None when there is none.
        sequence_ends: Of each top-level sequence of undefined length, start of its value to the first byte
            behind its delimiter.
    """

    source: Source
    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    has_file_meta: bool
    dataset_offset: int
    dataset_length: int
    implicit_vr: bool
    little_endian: bool
    deflated: bool
    end_offset: int
    pixels: PixelElement | None
    sequence_ends: Mapping[int, int] = field(default_factory=dict)
