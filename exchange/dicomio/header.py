"""`read_header`: the data set without its pixels, through pydicom, after the structural walk said yes."""

from collections.abc import Sequence
from io import BytesIO
from operator import itemgetter

from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.valuerep import PersonName

from exchange.dicomio.ambiguous import give_vrs
from exchange.dicomio.elements import Found, KnownElement, KnownElements, plain_elements
from exchange.dicomio.examine import examine
from exchange.dicomio.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.limits import Limits
from exchange.dicomio.quiet import listening
from exchange.dicomio.refusals import exceeded, not_dicom
from exchange.dicomio.stream import open_offsets, pieces
from exchange.domain.errors import InputError
from exchange.domain.source import Source

_DEFAULTS = Limits()
_CHARACTER_SET = 0x00080005


def read_header(path: Source, limits: Limits = _DEFAULTS, known: KnownElements | None = None) -> Dataset:
    """Read all elements but top-level Float, Double Float and Pixel Data, those behind it included.

    The pixel element itself is left out (not emptied); `examine` says where it lies. Every element is
    converted here, so that whatever pydicom cannot read is refused at the door.

    Args:
        path: The file.
        limits: What it may cost.
        known: What was met in other headers: it is not tried again in this one.

    Returns:
        The data set, with `file_meta` set: transfer syntax and SOP UIDs as found in the data set.

    Raises:
        InputError: As `examine`; `not-dicom` also when pydicom cannot convert an element.
        OSError: The file cannot be read.
    """
    return read_header_at(examine(path, limits), limits, known)


def read_header_at(
    layout: FileLayout, limits: Limits = _DEFAULTS, known: KnownElements | None = None
) -> Dataset:
    """As `read_header`, of a file that was examined already.

    Raises:
        InputError: As `read_header`.
        OSError: The file cannot be read.
    """
    known = KnownElements() if known is None else known
    parts = _header_parts(layout, limits)
    try:
        with listening() as heard:
            ds = _read(parts, layout, known)
            _convert(ds, limits, known, heard)
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
    return b"".join(data for _, data in _header_parts(layout, limits))


def _header_parts(layout: FileLayout, limits: Limits) -> list[tuple[int, bytes]]:
    """What lies before the pixels, and behind them, with its offset in what was walked."""
    start = 0 if layout.deflated else layout.dataset_offset
    parts = [(start, layout.end_offset)]
    if layout.pixels is not None:
        parts = [(start, layout.pixels.element_offset), (layout.pixels.element_end, layout.end_offset)]
    with open_offsets(layout, limits) as stream:
        return [(begin, b"".join(pieces(stream, begin, end - begin))) for begin, end in parts]


def _read(parts: Sequence[tuple[int, bytes]], layout: FileLayout, known: KnownElements) -> Dataset:
    found: list[Found] = []
    for start, data in parts:
        some = None
        if layout.little_endian:
            some = plain_elements(data, start, layout.sequence_ends, implicit_vr=layout.implicit_vr)
        if some is None or (found and some and some[0][0] <= found[-1][0]):
            everything = BytesIO(b"".join(data for _, data in parts))
            return read_dataset(everything, layout.implicit_vr, layout.little_endian)
        found += some
    ds = known.data_set(found, implicit_vr=layout.implicit_vr)
    character_set = ds.get_item(_CHARACTER_SET)
    encoding = convert_encodings(ds[_CHARACTER_SET].value) if character_set is not None else default_encoding
    ds.set_original_encoding(layout.implicit_vr, layout.little_endian, encoding)
    return ds


def _convert(ds: Dataset, limits: Limits, known: KnownElements, heard: Sequence[object]) -> None:
    """Convert every element that is not known to convert, on a trial: what may be met again stays as read.

    What pydicom warns about it would warn about again, where nobody keeps it quiet: that stays converted.
    """
    trial = Dataset(dict(ds.items()))
    implicit_vr, little_endian = ds.original_encoding
    trial.set_original_encoding(implicit_vr, little_endian, ds.original_character_set)
    here = give_vrs(trial)
    for tag, renamed in here.items():
        ds[tag] = renamed
    given = bool(here)
    converted = known.converted
    new = [one for one in ds.items() if type(one[1]) is not KnownElement or one[1] not in converted]
    for tag, element in sorted(new, key=itemgetter(0)):
        before = len(heard)
        trying = trial[tag]
        given |= _convert_element(trying, limits)
        # What had to be given a VR converts in this data set only.
        if isinstance(element, KnownElement) and not given and len(heard) == before:
            converted.add(element)
        else:
            ds[tag] = trying


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
                given |= bool(give_vrs(item))
                pending.extend((inner, depth + 1) for inner in item)
        elif element.VR == "PN":
            values = [element.value] if isinstance(element.value, PersonName) else element.value or []
            for name in values:
                str(name)  # decodes, and may warn
    return given


def _file_meta(layout: FileLayout) -> FileMetaDataset:
    values = {
        (0x00020001, "OB"): b"\0\1",
        (0x00020002, "UI"): layout.sop_class_uid.encode(),
        (0x00020003, "UI"): layout.sop_instance_uid.encode(),
        (0x00020010, "UI"): layout.transfer_syntax_uid.encode(),
        (0x00020012, "UI"): IMPLEMENTATION_CLASS_UID.encode(),
        (0x00020013, "SH"): IMPLEMENTATION_VERSION_NAME.encode(),
    }
    return FileMetaDataset(
        {
            BaseTag(tag): RawDataElement(BaseTag(tag), vr, len(value), value, 0, False, True)
            for (tag, vr), value in values.items()
        }
    )
