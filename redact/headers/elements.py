"""Reading and writing single elements without decoding the whole data set.

pydicom keeps elements as raw bytes until they are touched; touching all of them costs more than everything
else here. Values in ASCII-only VRs are therefore read from and written back to the raw element.
"""

from collections.abc import Sequence
from struct import error, pack

from pydicom.datadict import dictionary_has_tag, dictionary_VM, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag

# PS3.5 6.2: these VRs hold characters of the default repertoire only.
ASCII_VRS = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
TEXT_VRS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
_SINGLE_VALUED = frozenset({"LT", "ST", "UT", "UR"})
_UNIT_BYTES = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "UV": 8, "SV": 8, "AT": 4}
_ARRAY_BYTES = {"OF": 4, "OL": 4, "OD": 8, "OV": 8}
_FORMATS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "UV": "Q", "SV": "q", "AT": "L"}
_CODES = (0x00080100, 0x00080104, 0x00080119, 0x00080120)
_SUSPICIOUS_LENGTH = 8  # bytes; so many printable ones in a row are no numbers
_BETWEEN_WORDS = " ^=,.-_'"
_DUMMIES = {
    "AE": "REMOVED", "AS": "000Y", "CS": "OTHER", "DA": "19000101", "DS": "0", "DT": "19000101000000",
    "IS": "0", "LO": "REMOVED", "LT": "REMOVED", "PN": "REMOVED", "SH": "REMOVED", "ST": "REMOVED",
    "TM": "000000", "UI": "2.25.0", "UC": "REMOVED", "UR": "urn:removed", "UT": "REMOVED",
}  # fmt: skip


def vr_of(ds: Dataset, tag: int) -> str:
    """The VR as the file gives it; the dictionary's where the file gives none or UN; `UN` if nobody knows."""
    vr = ds.get_item(tag).VR
    if vr and vr != "UN":
        return str(vr)
    if not dictionary_has_tag(tag):
        return "UN"
    # Ambiguous VRs (`US or SS`) differ in sign only, or are words: numbers either way.
    return dictionary_VR(tag).split(" or ")[0]


def strings(ds: Dataset, tag: int, vr: str) -> list[str]:
    """The values of a string element, without padding."""
    data = raw_bytes(ds, tag)
    if data is not None and vr in ASCII_VRS:
        return _parts(data.decode("latin-1"), vr, " \0")
    if data is not None and vr in TEXT_VRS and data.isascii() and b"\x1b" not in data:
        # ASCII reads the same in every character set of PS3.3 C.12.1.1.2.
        return [part.rstrip(" \0") for part in _parts(data.decode("ascii"), vr, "")]
    value = ds[Tag(tag)].value
    if value is None:
        return []
    if isinstance(value, (list, tuple, MultiValue)):
        return [str(part) for part in value]
    return [str(value)]


def is_opaque(ds: Dataset, tag: int, vr: str) -> bool:
    """Whether text of this VR stands in an element that the file calls UN, in characters that are no ASCII.

    Nobody reads such an element in the data set's character set, so nothing can be found in it.
    """
    element = ds.get_item(tag)
    value = element.value
    if element.VR not in {None, "UN"} or vr not in TEXT_VRS or not isinstance(value, bytes):
        return False
    return not value.isascii() or b"\x1b" in value


def raw_bytes(ds: Dataset, tag: int) -> bytes | None:
    """The bytes of an element that was not decoded yet, or is bytes when decoded (UN); None of any other."""
    value: object = ds.get_item(tag).value
    return value if isinstance(value, bytes) else None


def _parts(text: str, vr: str, padding: str) -> list[str]:
    parts = [text] if vr in _SINGLE_VALUED else text.split("\\")
    return [part.strip(padding) for part in parts] if padding else parts


def put_ascii(ds: Dataset, tag: int, vr: str, values: Sequence[str]) -> None:
    """Write values of ASCII characters as a raw element."""
    data = "\\".join(values).encode("ascii", "replace")
    if len(data) % 2:
        data += b"\0" if vr == "UI" else b" "
    # value_tell, implicit VR and endianness say nothing for strings: bytes are bytes.
    ds[Tag(tag)] = RawDataElement(Tag(tag), vr, len(data), data, 0, False, True)


def put_text(ds: Dataset, tag: int, vr: str, values: Sequence[str]) -> None:
    """Write text values in the data set's own character set."""
    text = "\\".join(values)
    if text.isascii():
        put_ascii(ds, tag, vr, values)
    else:
        ds[Tag(tag)] = DataElement(Tag(tag), vr, values[0] if len(values) == 1 else list(values))


def put_empty(ds: Dataset, tag: int, vr: str) -> None:
    """Make an element empty (a sequence: without items)."""
    ds[Tag(tag)] = DataElement(Tag(tag), vr, [] if vr == "SQ" else None)


def put_dummy(ds: Dataset, tag: int, vr: str) -> None:
    """Give an element a value that is valid for its VR and says nothing."""
    if vr in _DUMMIES:
        put_ascii(ds, tag, vr, [_DUMMIES[vr]])
    elif vr in _UNIT_BYTES:
        ds[Tag(tag)] = DataElement(Tag(tag), vr, 0)
    else:
        unit = {"OD": 8, "OV": 8, "OF": 4, "OL": 4}.get(vr, 2)
        ds[Tag(tag)] = DataElement(Tag(tag), vr, bytes(unit))


def is_code_sequence(ds: Dataset, tag: int) -> bool:
    """Whether the items of a sequence are codes (PS3.3 8.8)."""
    value = ds[Tag(tag)].value
    return isinstance(value, Items) and any(code in item for item in value for code in _CODES)


def put_dummy_code(ds: Dataset, tag: int) -> None:
    """Make a code sequence say «unknown» (PS3.16 CID 271 and others: 261665006, SCT)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "261665006", "SCT", "Unknown"
    ds[Tag(tag)] = DataElement(Tag(tag), "SQ", Items([item]))


# How files of pictures and films begin: JPEG, PNG, GIF, TIFF, JPEG 2000 (boxed, bare), JPEG XL, RIFF.
_PICTURE_FILES = (
    b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51",
    b"\0\0\0\x0cJXL ", b"RIFF",
)  # fmt: skip


def is_picture_file(data: bytes) -> bool:
    """Whether bytes that should be numbers begin as a picture file does: what it shows, nobody has read."""
    return data.startswith(_PICTURE_FILES)


def is_text(data: bytes) -> bool:
    """Whether bytes that should be numbers are words from end to end, padding aside.

    Nine in ten must be letters, digits, spaces or what parts the words of a name: a double may well be
    printable, but one of its eight bytes holds most of the exponent and is `?` or `@` in any everyday
    magnitude. Numbers are hardly ever UTF-8.
    """
    if not data or data[0] < 0x20:
        return False
    bare = data.rstrip(b"\0 ")
    if len(bare) < _SUSPICIOUS_LENGTH:
        return False
    try:
        text = bare.decode("utf-8")
    except UnicodeDecodeError:
        return False
    plain = sum(character.isalnum() or character in _BETWEEN_WORDS for character in text)
    return text.isprintable() and plain >= 0.9 * len(text)


def looks_numeric(ds: Dataset, tag: int, vr: str) -> bool:
    """Whether a binary number can be one: as many values as PS3.6 says, and not text in disguise."""
    unit = _UNIT_BYTES.get(vr, _ARRAY_BYTES.get(vr))
    data = raw_bytes(ds, tag)
    if data is None:
        data = _packed(ds[Tag(tag)].value, vr)
    if not data or unit is None:
        return True
    if len(data) % unit or is_text(data):
        return False
    multiplicity = dictionary_VM(tag) if dictionary_has_tag(tag) else "1-n"
    return not multiplicity.isdigit() or vr in _ARRAY_BYTES or len(data) == unit * int(multiplicity)


def _packed(value: object, vr: str) -> bytes:
    """Decoded numbers as the little-endian bytes that they will be written as."""
    if isinstance(value, bytes):
        return value
    values = list(value) if isinstance(value, (list, tuple, MultiValue)) else [value]
    form = _FORMATS.get(vr)
    if form is None or value is None:
        return b""
    try:
        return pack(f"<{len(values)}{form}", *values)
    except error:
        return b"x"  # not even numbers of this VR: an odd length that fits no unit
