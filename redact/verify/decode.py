"""Element bytes to text, by an element's VR and character set (PS3.5 sections 6.1 and 6.2)."""

import contextlib
import warnings
from functools import lru_cache

from pydicom.charset import decode_bytes, python_encoding

TEXT_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
NUMERIC_VRS = frozenset({"AS", "DS", "IS", "TM"})
DATE_VRS = frozenset({"DA", "DT"})
_DELIMITERS = {0x0D, 0x0A, 0x09, 0x0C, 0x5C, 0x5E, 0x3D}
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n\0"


@lru_cache(maxsize=64)
def codecs_of(specific_character_set: bytes) -> tuple[str, ...]:
    """Python codecs of a Specific Character Set value, first the default; unknown terms count as Latin-1."""
    terms = specific_character_set.decode("ascii", "replace").strip(" \0").split("\\")
    return tuple(python_encoding.get(term.strip(), "iso8859") for term in terms) or ("iso8859",)


def texts_of(value: bytes, specific_character_set: bytes) -> tuple[str, ...]:
    """The texts that these bytes may be: as declared, and as UTF-8 and Latin-1 where that differs."""
    if value.isascii() and b"\x1b" not in value:
        return (value.decode("ascii"),)
    found = [value.decode("latin-1")]
    with contextlib.suppress(UnicodeDecodeError):
        found.append(value.decode("utf-8"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # undecodable bytes were tried in other ways above
        found.append(decode_bytes(value, list(codecs_of(specific_character_set)), _DELIMITERS))
    return tuple(dict.fromkeys(found))


def looks_like_text(value: bytes) -> bool:
    """Whether binary bytes are mostly printable, so that words in them mean something."""
    return bool(value) and len(value.translate(None, _PRINTABLE)) * 10 <= len(value)


def declared_text(value: bytes, specific_character_set: bytes) -> str:
    """The text as its character set declares it; undecodable bytes become replacement characters."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(decode_bytes(value, list(codecs_of(specific_character_set)), _DELIMITERS))
