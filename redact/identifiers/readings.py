"""What text really says where it was not written in the character set that is declared.

Two mistakes are common: UTF-8 where ISO_IR 100 or another set of single bytes is declared, which decodes to
letters and symbols that nobody wrote, and the other way round, which decodes to replacement characters.
"""

import re

REPLACEMENT = "\ufffd"
# UTF-8 read as Latin-1 (RFC 3629): a lead byte is a capital with an accent or the like, and what follows it
# are controls and symbols, which no text of that set has behind one. Also of a text that was cut.
_SEQUENCE = re.compile("[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# The sets of single bytes (PS3.3 C.12.1.1.2).
_SINGLE_BYTES = (*(f"iso8859_{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 15)), "tis_620")
# Controls (C1) are in no text either: bytes of another set, or half a character of UTF-8 that was cut.
_UNREADABLE = re.compile(rf" ?[^ \t\r\n\f]*[{REPLACEMENT}\x80-\x9f][^ \t\r\n\f]*")
_NOT_ASCII = re.compile(r" ?[^ \t\r\n\f]*[^\x00-\x7f][^ \t\r\n\f]*")


def utf8_reading(text: str) -> str:
    """What a text says if it is UTF-8 that was decoded as something else; "" where it cannot be."""
    if text.isascii():
        return ""
    for codec in _SINGLE_BYTES:
        try:
            # The whole must be UTF-8: two letters of another script may well look like a lead and a trail.
            return text.encode(codec).decode("utf-8")
        except UnicodeError:
            continue
    latin = _SEQUENCE.sub(lambda match: match[0].encode("latin-1").decode("utf-8", "replace"), text)
    return latin if latin != text else ""


def readable(text: str) -> str:
    """A text without the words of which something could not be decoded, or makes no sense."""
    return _UNREADABLE.sub("", text).strip() if not text.isascii() and _UNREADABLE.search(text) else text


def ascii_words(text: str) -> str:
    """The words of a text that read the same in every character set."""
    return _NOT_ASCII.sub("", text).strip()
