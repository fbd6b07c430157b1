"""Ten character sets of PS3.3 C.12.1.1.2: how a file declares them, how its bytes are made, and how it lies.

Bytes are made here and written as they are, so that no library re-encodes or repairs them.
"""

import re
from dataclasses import dataclass

_DELIMITERS = re.compile(r"([\^=\\\r\n\f\t])")
_KOREAN = b"\x1b$)C"  # PS3.5 annex I: designates KS X 1001 to G1, anew after each delimiter


@dataclass(frozen=True, slots=True)
class Charset:
    """A character set as one file uses it.

    Attributes:
        name: What it is called in tables; a liar's name says what it declares and what it writes.
        terms: Values of SpecificCharacterSet; empty where the element is absent.
        codec: Python's name of what the bytes really are.
        escaped: Whether code extensions with escape sequences are used (ISO 2022).
    """

    name: str
    terms: tuple[str, ...]
    codec: str
    escaped: bool = False

    def encode(self, text: str) -> bytes:
        """The bytes of a text; what the character set cannot say becomes a question mark."""
        if self.escaped and self.codec == "euc_kr":
            return b"".join(self._korean(part) for part in _DELIMITERS.split(text))
        return text.encode(self.codec, "replace")

    @staticmethod
    def _korean(part: str) -> bytes:
        encoded = part.encode("euc_kr", "replace")
        return encoded if part.isascii() else _KOREAN + encoded


LATIN_1 = Charset("ISO_IR 100", ("ISO_IR 100",), "latin-1")
LATIN_2 = Charset("ISO_IR 101", ("ISO_IR 101",), "iso8859_2")
CYRILLIC = Charset("ISO_IR 144", ("ISO_IR 144",), "iso8859_5")
GREEK = Charset("ISO_IR 126", ("ISO_IR 126",), "iso8859_7")
ARABIC = Charset("ISO_IR 127", ("ISO_IR 127",), "iso8859_6")
HEBREW = Charset("ISO_IR 138", ("ISO_IR 138",), "iso8859_8")
UTF_8 = Charset("ISO_IR 192", ("ISO_IR 192",), "utf-8")
CHINESE = Charset("GB18030", ("GB18030",), "gb18030")
JAPANESE = Charset("ISO 2022 IR 87", ("", "ISO 2022 IR 87"), "iso2022_jp", escaped=True)
KOREAN = Charset("ISO 2022 IR 149", ("", "ISO 2022 IR 149"), "euc_kr", escaped=True)

CHARSETS = (LATIN_1, LATIN_2, CYRILLIC, GREEK, ARABIC, HEBREW, UTF_8, CHINESE, JAPANESE, KOREAN)


def _lie(truth: Charset, terms: tuple[str, ...], codec: str) -> Charset:
    declared = "\\".join(terms) or "nothing"
    return Charset(f"{truth.name}: declares {declared}, writes {codec}", terms, codec)


# Each character set's own lie: what is declared is not what the bytes are.
LIES = {
    LATIN_1: _lie(LATIN_1, ("ISO_IR 100",), "utf-8"),
    LATIN_2: _lie(LATIN_2, ("ISO_IR 192",), "iso8859_2"),
    CYRILLIC: _lie(CYRILLIC, ("ISO_IR 100",), "cp1251"),
    GREEK: _lie(GREEK, (), "iso8859_7"),
    ARABIC: _lie(ARABIC, ("ISO_IR 192",), "iso8859_6"),
    HEBREW: _lie(HEBREW, ("ISO_IR 100",), "utf-8"),
    UTF_8: _lie(UTF_8, ("ISO_IR 144",), "utf-8"),
    CHINESE: _lie(CHINESE, ("ISO_IR 100",), "gb18030"),
    JAPANESE: _lie(JAPANESE, ("ISO_IR 13",), "shift_jis"),
    KOREAN: _lie(KOREAN, ("", "ISO 2022 IR 149"), "utf-8"),
}
