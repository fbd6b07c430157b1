"""`transplant`: an element of one data set, encoded as another one's, in that one's character set."""

from collections.abc import Iterator
from io import BytesIO

from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.multival import MultiValue

from exchange.dicomio.quiet import quiet
from exchange.dicomio.refusals import not_dicom
from exchange.dicomio.syntaxes import Encoding

_TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_DEFAULTS = frozenset({"", "ISO_IR 6", "ISO 2022 IR 6"})


def transplant(source: Dataset, tag: int, encoding: Encoding, charset: bytes) -> bytes | None:
    """An element, head included, as it is to stand in another data set.

    Args:
        source: Read by `read_header`, so that all of it is converted.
        tag: One of its top-level elements.
        encoding: Of the other data set.
        charset: SpecificCharacterSet of the other data set, as encoded.

    Returns:
        None where that character set cannot say it.

    Raises:
        InputError: `not-dicom`, it cannot be encoded.
    """
    terms = [term.strip() for term in charset.decode("ascii", "replace").strip(" \0").split("\\")]
    if terms[0] in _DEFAULTS and any(_is_latin(text) for text in _texts(source[tag])):
        return None  # the default repertoire is ASCII (PS3.5 6.1); pydicom would write Latin-1
    part = Dataset()
    part[tag] = source[tag]
    raw = BytesIO()
    buffer = DicomIO(raw)
    buffer.is_implicit_VR, buffer.is_little_endian = encoding.implicit_vr, encoding.little_endian
    try:
        with quiet():
            write_dataset(buffer, part, terms)
            again = read_dataset(
                BytesIO(raw.getvalue()),
                encoding.implicit_vr,
                encoding.little_endian,
                parent_encoding=convert_encodings(terms),
            )
            # What a character set cannot say is written as question marks.
            return raw.getvalue() if again[tag] == source[tag] else None
    except Exception:  # noqa: BLE001 - the boundary to pydicom for one element; its texts may quote values
        raise not_dicom("an element cannot be encoded for another data set") from None


def one_text(tag: int, vr: str, text: str) -> Dataset:
    """A data set of one text element, for `transplant`; a backslash separates values (PS3.5 6.2)."""
    ds = Dataset()
    ds[tag] = DataElement(tag, vr, text)
    return ds


def _is_latin(text: str) -> bool:
    return any("\x7f" < character < "\u0100" for character in text)


def _texts(top: DataElement) -> Iterator[str]:
    """Every text in an element, sequences inside out, iteratively."""
    pending = [top]
    while pending:
        element = pending.pop()
        if element.VR == "SQ":
            pending.extend(inner for item in element.value for inner in item)
        elif element.VR in _TEXT_VRS and element.value is not None:
            values = element.value if isinstance(element.value, MultiValue | list) else [element.value]
            yield from (str(value) for value in values)
