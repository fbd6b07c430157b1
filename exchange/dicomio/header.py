"""`read_header`: the data set without its pixels, through pydicom, after the structural walk said yes."""

from io import BytesIO
from operator import itemgetter

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID
from pydicom.valuerep import PersonName

from exchange.dicomio.ambiguous import give_vrs
from exchange.dicomio.examine import examine
from exchange.dicomio.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.limits import Limits
from exchange.dicomio.quiet import quiet
from exchange.dicomio.refusals import exceeded, not_dicom
from exchange.dicomio.stream import open_offsets, pieces
from exchange.domain.errors import InputError
from exchange.domain.source import Source

_DEFAULTS = Limits()
_CHARACTER_SET = 0x00080005
_LONGEST_REMEMBERED = 4096
_MOST_REMEMBERED = 16_384


class Convertible:
    """Elements that pydicom has converted, for reading many headers of one study.

    Most elements of a slice are those of the slice before, byte for byte: what was converted once can be
    converted again, and need not be until somebody asks for it. Holds values: as confidential as the headers.
    """

    def __init__(self) -> None:
        self._seen: set[tuple[object, ...]] = set()

    def key(self, raw: object, character_set: object) -> tuple[object, ...] | None:
        """What decides how an element converts; None for one that others have a say in, or a large one."""
        if not isinstance(raw, RawDataElement) or len(raw.value or b"") > _LONGEST_REMEMBERED:
            return None
        if raw.tag.is_private and raw.VR in {None, "UN"}:
            return None  # its VR depends on the private creator
        return (int(raw.tag), raw.VR, raw.value, raw.is_implicit_VR, raw.is_little_endian, character_set)

    def __contains__(self, key: tuple[object, ...] | None) -> bool:
        return key in self._seen

    def add(self, key: tuple[object, ...]) -> None:
        """It was converted without trouble."""
        if len(self._seen) < _MOST_REMEMBERED:
            self._seen.add(key)


def read_header(path: Source, limits: Limits = _DEFAULTS, known: Convertible | None = None) -> Dataset:
    """Read all elements but top-level Float, Double Float and Pixel Data, those behind it included.

    The pixel element itself is left out (not emptied); `examine` says where it lies. Every element is
    converted here, so that whatever pydicom cannot read is refused at the door.

    Args:
        path: The file.
        limits: What it may cost.
        known: What was converted in other headers, and is not tried again in this one.

    Returns:
        The data set, with `file_meta` set: transfer syntax and SOP UIDs as found in the data set.

    Raises:
        InputError: As `examine`; `not-dicom` also when pydicom cannot convert an element.
        OSError: The file cannot be read.
    """
    return read_header_at(examine(path, limits), limits, known)


def read_header_at(
    layout: FileLayout, limits: Limits = _DEFAULTS, known: Convertible | None = None
) -> Dataset:
    """As `read_header`, of a file that was examined already.

    Raises:
        InputError: As `read_header`.
        OSError: The file cannot be read.
    """
    raw = header_bytes(layout, limits)
    try:
        with quiet():
            ds = read_dataset(BytesIO(raw), layout.implicit_vr, layout.little_endian)
            _convert(ds, limits, known)
    except InputError:
        raise
    except Exception:  # noqa: BLE001 - the boundary to pydicom for one file; its texts may quote values
        raise not_dicom("an element's value cannot be decoded") from None
    ds.file_meta = _file_meta(layout)
    return ds


def header_bytes(layout: FileLayout, limits: Limits = _DEFAULTS) -> bytes:
    """The data set's bytes without its top-level pixel data element, as they stand in the file.

    Raises:
        InputError: The file changed since it was examined.
        OSError: The file cannot be read.
    """
    start = 0 if layout.deflated else layout.dataset_offset
    parts = [(start, layout.end_offset)]
    if layout.pixels is not None:
        parts = [(start, layout.pixels.element_offset), (layout.pixels.element_end, layout.end_offset)]
    with open_offsets(layout, limits) as stream:
        return b"".join(piece for begin, end in parts for piece in pieces(stream, begin, end - begin))


def _convert(ds: Dataset, limits: Limits, known: Convertible | None) -> None:
    """Convert every element that is not known to convert."""
    declared = ds.get_item(_CHARACTER_SET)
    character_set = None if declared is None else declared.value
    given = give_vrs(ds)
    for tag, element in sorted(ds.items(), key=itemgetter(0)):
        key = None if known is None else known.key(element, character_set)
        if known is not None and key in known:
            continue
        given |= _convert_element(ds[tag], limits)
        # What had to be given a VR converts in this data set only.
        if known is not None and key is not None and not given:
            known.add(key)


def _convert_element(top: DataElement, limits: Limits) -> bool:
    """With all that is in it, iteratively: pydicom leaves sequences of defined length unread until asked.

    Returns:
        Whether something in it had to be given a VR.
    """
    given = False
    pending = [(top, 0)]
    while pending:
        element, depth = pending.pop()
        if element.VR == "SQ":
            if element.value and depth >= limits.depth:
                raise exceeded("the nesting of sequences", limits.depth)
            for item in element.value or ():
                given |= give_vrs(item)
                pending.extend((inner, depth + 1) for inner in item)
        elif element.VR == "PN":
            values = [element.value] if isinstance(element.value, PersonName) else element.value or []
            for name in values:
                str(name)  # decodes, and may warn
    return given


def _file_meta(layout: FileLayout) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = UID(layout.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(layout.sop_instance_uid)
    meta.TransferSyntaxUID = UID(layout.transfer_syntax_uid)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta
