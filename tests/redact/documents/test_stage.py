"""Objects with documents through clean and prove: what leaves says what was done, and the proof can fail."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.dicomio.header import read_header
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.documents import pdf as pdf_room
from redact.documents import rebuild as rebuild_room
from redact.documents.outcome import Rebuilt
from redact.headers.profile import Documents
from redact.identifiers.names import NameSpan
from tests.redact.documents.making import (
    CDA,
    FAMILY,
    GIVEN,
    NUMBER,
    PDF,
    cda,
    cleaned,
    document_of,
    encapsulated,
    pdf,
    shown,
    stream,
)

Spoil = Callable[[bytes], bytes]
LETTER = pdf(shown("CT chest", f"Patient {FAMILY}, {GIVEN}", "born 12.03.1961", "Lungs are clear"))
REPORT = cda(f"<paragraph>Lungs are clear, {FAMILY}</paragraph>", title=f"CT {FAMILY}")


@pytest.mark.parametrize(("sop_class", "document"), [(PDF, LETTER), (CDA, REPORT)])
def test_a_rebuilt_document_is_proved_and_says_what_it_is(
    tmp_path: Path, sop_class: str, document: bytes
) -> None:
    instance = cleaned(encapsulated(sop_class, document), tmp_path)
    header = read_header(instance.path)
    assert instance.proved
    assert b"Lungs are clear" in document_of(instance)
    for secret in (FAMILY, GIVEN, NUMBER, "Brambleworth", "ACC-991177"):
        assert secret.encode() not in instance.path.read_bytes()
    assert header.EncapsulatedDocumentLength in {
        len(header.EncapsulatedDocument),
        len(header.EncapsulatedDocument) - 1,
    }
    assert header.MIMETypeOfEncapsulatedDocument == ("application/pdf" if sop_class == PDF else "text/XML")
    assert (header.BurnedInAnnotation, header.RecognizableVisualFeatures) == ("NO", "NO")
    assert (header.PatientIdentityRemoved, FAMILY in header.DocumentTitle) == ("YES", False)
    assert "113105" in instance.method_codes
    assert [found.finding_id for found in instance.findings] == ["document.rebuilt"]


def test_a_cda_has_the_new_objects_id(tmp_path: Path) -> None:
    instance = cleaned(encapsulated(CDA, REPORT), tmp_path)
    assert read_header(instance.path).HL7InstanceIdentifier == instance.sop_instance_uid
    assert f'<id root="{instance.sop_instance_uid}"/>'.encode() in document_of(instance)


def test_what_is_gone_is_told_without_values(tmp_path: Path) -> None:
    image = stream(b"\0" * 100, b"/Type /XObject /Subtype /Image /Width 10 /Height 10")
    page = shown("Lungs are clear") + b"q 100 0 0 100 0 0 cm /Im Do Q 1 1 m 9 9 l S"
    document = pdf(page, resources=b"/XObject << /Im 100 0 R >>", objects=[image])
    found = cleaned(encapsulated(PDF, document), tmp_path).findings
    assert (found[1].finding_id, found[1].evidence) == ("document.content-removed", "1 images, 1 drawings")


class Finds:
    """Finds what a regular expression finds; of «fail» it can say nothing."""

    sha256 = "00" * 32

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)

    def recognise(self, text: str) -> Iterable[NameSpan]:
        if "fail" in text.lower():
            raise TimeoutError(text)
        return [NameSpan(*match.span(), "PER", 1.0) for match in self._pattern.finditer(text)]


@pytest.mark.parametrize(
    ("sop_class", "document"),
    [
        (PDF, pdf(shown("Lungs are clear", "Chest pain, Head", "Mark saw it"))),
        (CDA, cda("<paragraph>Lungs are clear</paragraph><paragraph>pain, Head</paragraph>"
                  "<paragraph>Mark saw it</paragraph>")),
    ],
)  # fmt: skip
def test_names_that_are_words_go_from_lines_and_across_them(
    tmp_path: Path, sop_class: str, document: bytes
) -> None:
    (tmp_path / "without").mkdir()
    without = document_of(cleaned(encapsulated(sop_class, document), tmp_path / "without"))
    assert b"Head" in without
    assert b"Mark" in without
    instance = cleaned(encapsulated(sop_class, document), tmp_path, names=Finds(r"Head Mark"))
    left = document_of(instance)
    assert instance.proved
    assert b"Lungs are clear" in left
    assert b"Head" not in left
    assert b"Mark" not in left


def test_a_document_in_which_names_cannot_be_looked_for_is_held(tmp_path: Path) -> None:
    with pytest.raises(HeldError) as raised:
        cleaned(encapsulated(PDF, pdf(shown("Heart failure"))), tmp_path, names=Finds("x"))
    assert (raised.value.code, raised.value.path) == (ReasonCode.NAMES, "(0042,0011)")
    assert "failure" not in str(raised.value)
    assert not (tmp_path / "out.dcm").exists()


def test_the_same_object_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = cleaned(encapsulated(PDF, LETTER), tmp_path / "a").path.read_bytes()
    assert first == cleaned(encapsulated(PDF, LETTER), tmp_path / "b").path.read_bytes()


@pytest.mark.parametrize(("sop_class", "document"), [(PDF, LETTER), (CDA, REPORT)])
def test_held_is_what_the_profile_says_by_default(tmp_path: Path, sop_class: str, document: bytes) -> None:
    with pytest.raises(HeldError) as caught:
        cleaned(encapsulated(sop_class, document), tmp_path, Documents.HOLD)
    assert caught.value.code is ReasonCode.ENCAPSULATED_DOCUMENT
    assert not (tmp_path / "out.dcm").exists()


@pytest.mark.parametrize(
    ("sop_class", "document", "mime_type", "why"),
    [
        (PDF, REPORT, "application/pdf", "no PDF"),
        (CDA, LETTER, "text/XML", "malformed"),
        (PDF, LETTER, "text/XML", "MIME type"),
        (PDF, b"", "application/pdf", "there is none"),
        ("1.2.840.10008.5.1.4.1.1.104.3", b"solid", "model/stl", "never passed unread"),
    ],
)
def test_what_is_not_what_it_says_is_held(
    tmp_path: Path, sop_class: str, document: bytes, mime_type: str, why: str
) -> None:
    ds = encapsulated(sop_class, document)
    ds.MIMETypeOfEncapsulatedDocument = mime_type
    with pytest.raises(HeldError, match=why) as caught:
        cleaned(ds, tmp_path)
    assert (caught.value.code, caught.value.path) == (ReasonCode.ENCAPSULATED_DOCUMENT, "(0042,0011)")


def test_padding_and_a_wrong_length_do_no_harm(tmp_path: Path) -> None:
    ds = encapsulated(PDF, LETTER)
    ds.EncapsulatedDocument = LETTER + b"\0" * 8
    del ds.EncapsulatedDocumentLength
    assert cleaned(ds, tmp_path).proved


def rebuilding(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, spoil: Spoil) -> None:
    """Let the rebuilding make a mistake."""
    original = getattr(module, name)

    def spoilt(*given: object) -> Rebuilt:
        return Rebuilt(spoil(original(*given).data))

    monkeypatch.setattr(module, name, spoilt)


def page_with(content: bytes, *, packed: bool = False) -> Spoil:
    """A PDF in our own form with other content of its only page."""

    def spoil(data: bytes) -> bytes:
        begin, end = data.index(b"5 0 obj\n") + 8, data.index(b"\nendobj\nxref")
        return data[:begin] + stream(content, packed=packed) + data[end:]

    return spoil


NAME = f"({FAMILY})".encode()
WIDE = f"<feff{FAMILY.encode('utf-16-be').hex()}>".encode()
LEFT = {
    "in clear": page_with(b"BT %s Tj ET" % NAME),
    "packed": page_with(b"BT %s Tj ET" % NAME, packed=True),
    "in hexadecimal": page_with(b"BT <%s> Tj ET" % FAMILY.encode().hex().encode(), packed=True),
    "in UTF-16": page_with(b"BT %s Tj ET" % WIDE, packed=True),
    "in octal": page_with(
        b"BT (%s) Tj ET" % "".join(f"\\{ord(one):03o}" for one in FAMILY).encode(), packed=True
    ),
    "as two strings": page_with(f"BT ({GIVEN[0]}.) Tj ({FAMILY}) Tj ET".encode(), packed=True),
    "letter by letter": page_with(b" ".join(b"(%c) Tj" % one for one in FAMILY.encode()), packed=True),
    "a date over two lines": page_with(b"(born 12 March) Tj (1961) Tj", packed=True),
    "a number in pieces": page_with(b"(QF 47) Tj (11 88) Tj", packed=True),
}


@pytest.mark.parametrize("how", LEFT)
def test_the_proof_finds_an_identifier_that_was_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    rebuilding(monkeypatch, pdf_room, "rebuild_pdf", LEFT[how])
    with pytest.raises(HeldError, match="identifier is left") as caught:
        cleaned(encapsulated(PDF, LETTER), tmp_path)
    assert (caught.value.code, caught.value.path) == (ReasonCode.PROOF_IDENTIFIER, "(0042,0011)")
    assert FAMILY not in str(caught.value)
    assert not (tmp_path / "out.dcm").exists()


def replacing(old: bytes, new: bytes) -> Spoil:
    def spoil(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    return spoil


MORE = {
    "information": replacing(b"/Root 1 0 R >>\nstartxref", b"/Root 1 0 R /Info 9 0 R >>\nstartxref"),
    "metadata": replacing(b"/Catalog ", b"/Catalog /Metadata 9 0 R "),
    "an id": replacing(b"/Root 1 0 R >>\nstartxref", b"/Root 1 0 R /ID [<00> <00>] >>\nstartxref"),
    "a script": replacing(b"/Catalog ", b"/Catalog /OpenAction << /JavaScript 9 0 R >> "),
    "a picture": page_with(b"/Im Do"),
    "an inline picture": page_with(b"BI /W 1 /H 1 ID x EI"),
    "a comment": replacing(b"%PDF-1.4\n", b"%PDF-1.4\n%hello\n"),
    "something behind": lambda data: data + b"more\n",
    "an older revision": lambda data: data + data,
    "another filter": replacing(b"<< /Length", b"<< /Filter /LZWDecode /Length"),
    "a stream that is not packed": replacing(b"<< /Length", b"<< /Filter /FlateDecode /Length"),
    "a string in a dictionary": replacing(b"/Catalog ", b"/Catalog /Type (x) "),
    "another stream length": replacing(b"/Length 1", b"/Length 2"),
    "an attachment": lambda data: data.replace(
        b"xref\n0", b"9 0 obj\n<< /Type /EmbeddedFile >>\nendobj\nxref\n0", 1
    ),
}


@pytest.mark.parametrize("what", MORE)
def test_the_proof_holds_a_document_with_more_than_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    rebuilding(monkeypatch, pdf_room, "rebuild_pdf", MORE[what])
    with pytest.raises(HeldError, match="cannot prove that a document names no one") as caught:
        cleaned(encapsulated(PDF, LETTER), tmp_path)
    assert (caught.value.code, caught.value.path) == (ReasonCode.PROOF_IOD, "(0042,0011)")


CDA_LEFT = {
    "a name": (replacing(b"Lungs", FAMILY.encode()), ReasonCode.PROOF_IDENTIFIER),
    "in pieces": (
        replacing(b"Lungs", f"{GIVEN[0]}</paragraph><paragraph>{FAMILY}".encode()),
        ReasonCode.PROOF_IDENTIFIER,
    ),
    "as entities": (
        replacing(b"Lungs", "".join(f"&#{ord(one)};" for one in FAMILY).encode()),
        ReasonCode.PROOF_IDENTIFIER,
    ),
    "in an attribute": (replacing(b'"MSK"', f'"{NUMBER}"'.encode()), ReasonCode.PROOF_IDENTIFIER),
    "another attribute": (replacing(b"<paragraph>", b'<paragraph ID="x">'), ReasonCode.PROOF_IOD),
    "another element": (replacing(b"</title>", b"</title><name>x</name>"), ReasonCode.PROOF_IOD),
    "a participant": (replacing(b"</patientRole>", b"x</patientRole>"), ReasonCode.PROOF_IOD),
    "a comment": (replacing(b"<paragraph>", b"<paragraph><!-- x -->"), ReasonCode.PROOF_IOD),
    "an instruction": (replacing(b"<paragraph>", b"<paragraph><?x y?>"), ReasonCode.PROOF_IOD),
    "broken": (replacing(b"</paragraph>", b""), ReasonCode.PROOF_IOD),
    "another encoding": (lambda data: data.decode().encode("utf-16"), ReasonCode.PROOF_IOD),
}  # fmt: skip


@pytest.mark.parametrize("what", CDA_LEFT)
def test_the_proof_reads_a_cda_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    spoil, code = CDA_LEFT[what]
    rebuilding(monkeypatch, rebuild_room, "rebuild_cda", spoil)
    with pytest.raises(HeldError) as caught:
        cleaned(encapsulated(CDA, REPORT), tmp_path)
    assert (caught.value.code, caught.value.path) == (code, "(0042,0011)")


KNOWN = ["CT", "chest", "Lungs", "are", "clear", "effusion", "5", "12", "left", "03", "2024"]
SECRETS = [
    FAMILY,
    GIVEN,
    NUMBER,
    "4711",
    "12.03.1961",
    "17 May 2024",
    "Brambleworth",
    "ACC-991177",
    "S. Brambleworth",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.lists(st.lists(st.sampled_from(KNOWN + SECRETS), max_size=5).map(" ".join), min_size=1, max_size=6))
def test_whatever_is_cleaned_is_proved(tmp_path: Path, lines: list[str]) -> None:
    document = pdf(shown("Lungs", *lines))
    written = cleaned(encapsulated(PDF, document), tmp_path)
    assert written.proved
    paragraphs = "".join(f"<paragraph>{line}</paragraph>" for line in lines)
    assert cleaned(encapsulated(CDA, cda("Lungs", paragraphs)), tmp_path).proved
