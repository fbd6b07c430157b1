"""An element of one data set in another one's encoding and character set, or not at all."""

from io import BytesIO

import pytest
from pydicom import Dataset
from pydicom.charset import convert_encodings
from pydicom.filereader import read_dataset

from exchange.dicomio.syntaxes import Encoding
from exchange.dicomio.transplant import one_text, transplant

NAME = 0x00100010
ENCODINGS = [Encoding(implicit, little) for implicit, little in ((False, True), (True, True), (False, False))]
SAID = [
    ("ISO_IR 192", "Müller^Jörg"),
    ("ISO_IR 100", "Müller^Jörg"),
    ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("ISO 2022 IR 6\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
    ("GB18030", "王^小东"),
    ("ISO_IR 144", "Люкceмбypг"),
    ("ISO_IR 13", "ﾔﾏﾀﾞ"),
    ("", "Plain^Name"),
]
NOT_SAID = [
    ("", "Müller"),
    ("ISO_IR 6", "Müller"),
    ("\\ISO 2022 IR 87", "Müller"),
    ("ISO_IR 100", "山田"),
    ("ISO_IR 13", "山田"),
    ("ISO_IR 144", "Müller"),
]


def read(raw: bytes, encoding: Encoding, charset: str) -> Dataset:
    terms = convert_encodings(charset.split("\\"))
    return read_dataset(BytesIO(raw), encoding.implicit_vr, encoding.little_endian, parent_encoding=terms)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("charset", "text"), SAID)
def test_another_reader_reads_it_as_it_was_meant(charset: str, text: str, encoding: Encoding) -> None:
    raw = transplant(one_text(NAME, "PN", text), NAME, encoding, charset.encode())
    assert raw is not None
    assert len(raw) % 2 == 0
    assert read(raw, encoding, charset).PatientName == text


@pytest.mark.parametrize(("charset", "text"), NOT_SAID)
def test_what_a_character_set_cannot_say_is_told(charset: str, text: str) -> None:
    assert transplant(one_text(NAME, "PN", text), NAME, ENCODINGS[0], charset.encode()) is None


def test_sequences_come_whole_and_in_the_other_character_set() -> None:
    ds, each = Dataset(), Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    each.PatientID, each.IssuerOfPatientID = "1Ö", "X"
    ds.OtherPatientIDsSequence = [each]
    raw = transplant(ds, 0x00101002, ENCODINGS[0], b"ISO_IR 192")
    assert raw is not None
    assert "1Ö".encode() in raw
    assert transplant(ds, 0x00101002, ENCODINGS[0], b"") is None
