"""A PDF is written anew from its cleaned words: nothing else is left, and what cannot be read is held."""

import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.documents.pdf import rebuild_pdf
from redact.documents.refusals import DocumentLimits
from redact.documents.words import Rule
from redact.headers.text import clean_descriptor
from redact.identifiers.matcher import Matcher
from redact.verify.pdf import pdf_streams, pdf_strings
from tests.redact.documents.making import FAMILY, GIVEN, HELVETICA, NUMBER, pdf, shown, stream, updated

MATCHER = Matcher(
    HarvestedIdentifiers(
        frozenset(
            {
                Identifier(IdentifierKind.PATIENT_NAME, f"{FAMILY}^{GIVEN}", "PatientName"),
                Identifier(IdentifierKind.PATIENT_ID, NUMBER, "PatientID"),
                Identifier(IdentifierKind.DATE, "19610312", "PatientBirthDate"),
                Identifier(IdentifierKind.PERSON, "Head^Young", "ReferringPhysicianName"),
            }
        )
    )
)
IMAGE = stream(b"\0" * 100, b"/Type /XObject /Subtype /Image /Width 10 /Height 10 /BitsPerComponent 8")


def clean(text: str) -> str:
    return clean_descriptor(text, MATCHER)


RULE = Rule(clean, MATCHER.found)


def lines(data: bytes) -> list[str]:
    """What the rebuilt PDF shows, read by the proof's reader and, page by page, by pypdf."""
    said = [text for content in pdf_streams(data) for text in pdf_strings(content)]
    pages = PdfReader(io.BytesIO(data), strict=True).pages
    assert "".join("".join(said).split()) == "".join("".join(page.extract_text() for page in pages).split())
    return said


def rebuilt(*pages: bytes, **parts: bytes) -> list[str]:
    return lines(rebuild_pdf(pdf(*pages, **parts), RULE).data)  # type: ignore[arg-type]


def test_words_stay_where_they_stood_and_names_go() -> None:
    original = pdf(shown("CT chest with contrast", f"Patient {FAMILY}", "Lungs are clear (no effusion)"))
    new = rebuild_pdf(original, RULE)
    assert lines(new.data) == ["CT chest with contrast", "Patient", "Lungs are clear (no effusion)"]
    assert b"1 0 0 1 72 700 Tm (CT chest with contrast)" in new.data
    assert b"1 0 0 1 72 672 Tm (Lungs are clear" in new.data
    assert b"/MediaBox [0 0 595 842]" in new.data
    assert new.images == new.drawings == new.unread == new.dropped == 0


def test_the_same_pdf_gives_the_same_bytes() -> None:
    original = pdf(shown("CT chest"), shown("Lungs are clear"))
    assert rebuild_pdf(original, RULE) == rebuild_pdf(original, RULE)


def test_metadata_and_older_revisions_are_not_carried_over() -> None:
    info = f"<< /Title ({FAMILY}) /Author <{GIVEN.encode('utf-16-be').hex()}> /ID (a) >>".encode()
    xmp = stream(f"<x:xmpmeta>{FAMILY}</x:xmpmeta>".encode(), b"/Type /Metadata /Subtype /XML", packed=False)
    first = pdf(
        shown(f"Patient {FAMILY}", "Lungs"),
        objects=[info, xmp],
        root=b"/Metadata 101 0 R /Lang (en)",
        trailer=b"/Info 100 0 R /ID [<0011> <0011>]",
    )
    later = updated(first, {5: stream(shown("Patient removed", "Liver"))})
    assert FAMILY.encode() in later  # packed no longer, but the metadata still says it
    data = rebuild_pdf(later, RULE).data
    assert "Liver" in lines(data)
    assert "Lungs" not in lines(data)
    for gone in (b"Info", b"Metadata", b"/ID", b"Lang", FAMILY.encode(), GIVEN.encode()):
        assert gone not in data


@pytest.mark.parametrize(
    "content",
    [
        b"BT /F1 12 Tf 72 700 Td [(Qui) -20 (llfe) 60 (ather) -900 (chest)] TJ ET",
        b"BT /F1 12 Tf 72 700 Td <5175696C6C66656174686572206368657374> Tj ET",
        b"BT /F1 12 Tf 72 700 Td (Qui) Tj ET BT /F1 12 Tf 88.68 700 Td (llfeather) Tj ( chest) Tj ET",
        b"BT /F1 12 Tf 4 Tc 72 700 Td (Quillfeather) Tj 0 Tc ( chest) Tj ET",
        b"BT /F1 12 Tf 72 700 Td [(Q) -400 (u) -400 (i) -400 (l)] TJ 0 -14 Td (chest) Tj ET",
        b"BT /F1 9 Tf 14 TL 72 700 Td (Q) Tj (u) ' (i) ' (l) ' (l) ' (f) ' (e) ' (chest) ' ET",
        b"BT /F1 12 Tf 14 TL 72 700 Td (Quill) Tj (feather) ' 0 0 (chest) \" ET",
        b"BT /F1 12 Tf 0 1 -1 0 300 300 Tm (Quillfeather) Tj ET BT /F1 9 Tf 72 700 Td (chest) Tj ET",
        b"BT /F1 12 Tf 3 Tr 72 700 Td (Quillfeather) Tj 0 -14 Td (chest) Tj ET",
        b"BT /F1 12 Tf 72 700 Td (\\121uill\\\nfeather) Tj 0 -14 Td (chest) Tj ET",
    ],
    ids=[
        "TJ",
        "hex",
        "two blocks",
        "tracked",
        "letters",
        "a column",
        "quotes",
        "turned",
        "hidden",
        "escaped",
    ],
)
def test_a_name_is_found_however_it_is_drawn(content: bytes) -> None:
    assert rebuilt(content) == ["chest"]


def test_a_name_is_found_across_columns_lines_and_pages() -> None:
    # «12», «03» and «1961» are short numbers each; together they are the day that somebody was born.
    assert rebuilt(shown("Lungs on 12 03", "1961 are clear")) == ["Lungs on are clear"]
    assert rebuilt(shown("Lungs on 12"), shown("03", "1961 are clear")) == ["Lungs on are clear"]
    assert rebuilt(shown("Size 12 mm", "03", "chest")) == ["Size 12 mm", "03", "chest"]
    column = b" ".join(
        b"BT /F1 9 Tf %d 700 Td (%s) Tj ET" % at for at in ((72, b"QF"), (160, b"4711"), (300, b"88"))
    )
    assert rebuilt(column + shown("", "chest")) == ["chest"]


def test_known_words_stay_whole_where_they_are_kerned_and_apart_where_they_stand_apart() -> None:
    assert rebuilt(b"BT /F1 12 Tf 72 700 Td [(Lu) 10 (n) -20 (gs) -300 (are) -3000 (clear)] TJ ET") == [
        "Lungs are",
        "clear",
    ]


def test_letters_shown_one_by_one_are_one_word_and_bold_ones_are_no_two() -> None:
    single = b"BT /F1 10 Tf 1 0 0 1 72 700 Tm [(f) (u) (l) (l)] TJ ET "
    assert rebuilt(single + single.replace(b"72 700", b"72.2 700")) == ["full"]


def test_forms_are_read_and_pictures_become_boxes() -> None:
    form = stream(
        shown("Liver", FAMILY), b"/Type /XObject /Subtype /Form /BBox [0 0 600 800] /Matrix [1 0 0 1 10 -20]"
    )
    page = (
        b"q 200 0 0 100 50 60 cm /Im Do Q /Fm Do q 60 0 0 60 400 500 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \0 EI Q"
    )
    data = rebuild_pdf(
        pdf(page, resources=b"/XObject << /Im 100 0 R /Fm 101 0 R >>", objects=[IMAGE, form]), RULE
    )
    assert data.images == 2
    assert lines(data.data) == ["image removed", "image removed", "Liver"]
    assert b"50 60 200 100 re S" in data.data
    assert b"400 500 60 60 re S" in data.data
    assert b"82 680 Tm (Liver)" in data.data
    assert b"Image" not in data.data


def test_a_drawing_is_told_and_a_signature_in_curves_is_a_box() -> None:
    page = shown("Lungs") + b"72 690 m 300 690 l S 100 100 m 150 200 200 200 300 100 c S"
    data = rebuild_pdf(pdf(page), RULE)
    assert data.drawings == 2
    assert "drawing removed" in lines(data.data)


def test_a_scanned_page_says_so_and_a_scan_is_held() -> None:
    scan = b"q 595 0 0 842 0 0 cm /Im Do Q"
    parts = {"resources": b"/XObject << /Im 100 0 R >>", "objects": [IMAGE]}
    data = rebuild_pdf(pdf(shown("Lungs"), scan, **parts), RULE)  # type: ignore[arg-type]
    assert data.unread == 1
    assert lines(data.data) == ["Lungs", "page removed: no text can be read", "image removed"]
    with pytest.raises(HeldError, match="no text can be read") as caught:
        rebuild_pdf(pdf(scan, scan, **parts), RULE)  # type: ignore[arg-type]
    assert caught.value.code is ReasonCode.ENCAPSULATED_DOCUMENT


TYPE0 = (
    b"<< /Type /Font /Subtype /Type0 /BaseFont /A+X /Encoding /Identity-H /DescendantFonts [101 0 R] %s >>"
)
DESCENDANT = b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /X /DW 600 /W [1 [500 500] 3 6 700] >>"


def to_unicode(*entries: str) -> bytes:
    return stream(
        b"1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
        + "\n".join(entries).encode()
        + b"\nendcmap"
    )


def test_codes_mean_what_the_map_of_the_font_says() -> None:
    said = to_unicode(
        "2 beginbfchar <0001> <004C> <0002> <0075006E> endbfchar",
        "2 beginbfrange <0003> <0003> <0067> <0004> <0005> [<0073> <0020>] endbfrange",
    )
    page = b"BT /F1 12 Tf 72 700 Td <00010002000300040005> Tj ET"
    objects = [said, DESCENDANT]
    assert lines(rebuild_pdf(pdf(page, font=TYPE0 % b"/ToUnicode 100 0 R", objects=objects), RULE).data) == [
        "Lungs"
    ]


@pytest.mark.parametrize(
    "font",
    [
        TYPE0 % b"",
        b"<< /Type /Font /Subtype /Type3 /FontMatrix [0.001 0 0 0.001 0 0] /FirstChar 65 /Widths [500] >>",
        b"<< /Type /Font /Subtype /TrueType /BaseFont /AAAAAA+X /FontDescriptor << /Flags 4 >> >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>",
    ],
    ids=["no ToUnicode", "drawn glyphs", "symbolic", "Symbol"],
)
def test_what_nobody_says_the_meaning_of_is_not_guessed(font: bytes) -> None:
    with pytest.raises(HeldError, match="no text can be read"):
        rebuild_pdf(pdf(shown("Lungs are clear"), font=font, objects=[b"null", DESCENDANT]), RULE)


def test_glyph_names_say_what_codes_mean() -> None:
    font = HELVETICA[:-3] + b" /Encoding << /Differences [65 /L /u /n /g /uni0073] >> >>"
    assert rebuilt(b"BT /F1 12 Tf 72 700 Td (ABCDE) Tj ET", font=font) == ["Lungs"]


SCRIPT = b"<< /S /JavaScript /JS (app.alert\\(1\\)) >>"
ATTACHMENT = stream(FAMILY.encode(), b"/Type /EmbeddedFile")


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"root": b"/OpenAction 100 0 R", "objects": [SCRIPT]}, "scripts"),
        ({"root": b"/Names << /JavaScript << /Names [(a) 100 0 R] >> >>", "objects": [SCRIPT]}, "scripts"),
        ({"page": b"/AA << /O 100 0 R >>", "objects": [SCRIPT]}, "scripts"),
        ({"root": b"/Names << /EmbeddedFiles << /Names [] >> >>", "objects": [ATTACHMENT]}, "attachments"),
        ({"objects": [ATTACHMENT]}, "attachments"),
        ({"page": b"/Annots [<< /Subtype /FileAttachment >>]"}, "attachments"),
        ({"root": b"/AcroForm << /XFA 100 0 R >>", "objects": [stream(b"<xfa/>")]}, "form"),
        ({"root": b"/AcroForm << /Fields [100 0 R] >>", "objects": [b"<< /T (name) >>"]}, "form"),
        ({"page": b"/Annots [100 0 R]", "objects": [b"<< /Subtype /Widget /V (Quillfeather) >>"]}, "form"),
        ({"trailer": b"/Encrypt << /Filter /Standard /V 1 /R 2 /O (a) /U (b) /P -4 >> /ID [<00> <00>]"}, ""),
    ],
)
def test_what_is_more_than_pages_is_held(parts: dict[str, bytes], why: str) -> None:
    with pytest.raises(HeldError) as caught:
        rebuild_pdf(pdf(shown("Lungs are clear"), **parts), RULE)  # type: ignore[arg-type]
    assert caught.value.code is ReasonCode.ENCAPSULATED_DOCUMENT
    assert caught.value.path == "(0042,0011)"
    assert why in str(caught.value)
    assert FAMILY not in str(caught.value)


def test_notes_on_a_page_go_and_are_told() -> None:
    note = b"/Annots [<< /Type /Annot /Subtype /FreeText /Contents (Quillfeather) >>]"
    data = rebuild_pdf(pdf(shown("Lungs"), page=note), RULE)
    assert (data.dropped, lines(data.data)) == (1, ["Lungs"])


@pytest.mark.parametrize(
    ("limits", "content"),
    [
        (DocumentLimits(pages=1), [shown("a"), shown("b")]),
        (DocumentLimits(objects=3), [shown("a")]),
        (DocumentLimits(inflated=1000), [b" " * 5000 + shown("a")]),
        (DocumentLimits(operations=20), [shown(*"abcdefghij")]),
        (DocumentLimits(characters=50), [shown("a" * 60)]),
        (DocumentLimits(content=500), [shown("a") + b" " * 600]),
    ],
    ids=["pages", "objects", "inflated", "operations", "characters", "content"],
)
def test_limits_hold(limits: DocumentLimits, content: list[bytes]) -> None:
    with pytest.raises(HeldError):
        rebuild_pdf(pdf(*content), RULE, limits)
    rebuild_pdf(pdf(*content), RULE)


def test_a_form_that_shows_itself_is_held() -> None:
    form = stream(b"/Fm Do /Fm Do", b"/Subtype /Form /Resources << /XObject << /Fm 100 0 R >> >>")
    with pytest.raises(HeldError):
        rebuild_pdf(pdf(b"/Fm Do", resources=b"/XObject << /Fm 100 0 R >>", objects=[form]), RULE)


GOOD = pdf(shown(f"Patient {FAMILY}", "Lungs are clear"), objects=[IMAGE])


def attempt(original: bytes) -> list[str]:
    """What the rebuilt PDF shows, or what the hold says."""
    try:
        new = rebuild_pdf(original, RULE)
    except HeldError as error:
        return [str(error)]
    return lines(new.data)


@given(st.data())
def test_damage_never_crashes_and_never_leaks(data: st.DataObject) -> None:
    broken = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(broken) - 1))
        broken[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    for said in attempt(bytes(broken)):
        assert FAMILY not in said


@given(st.binary(max_size=400))
def test_content_of_any_bytes_never_crashes(content: bytes) -> None:
    attempt(pdf(shown("Lungs") + content))


KNOWN = ["CT", "chest", "Lungs", "are", "clear", "no", "effusion", "5", "mm", "left"]
WORDS = st.lists(st.sampled_from(KNOWN), max_size=6)


@given(
    st.lists(WORDS, min_size=1, max_size=8),
    st.sampled_from([FAMILY, GIVEN, f"{GIVEN} {FAMILY}", NUMBER, "QF471188", "12.03.1961", FAMILY.upper()]),
    st.data(),
)
def test_planted_identifiers_never_survive(text: list[list[str]], secret: str, data: st.DataObject) -> None:
    line = data.draw(st.integers(0, len(text) - 1))
    word = data.draw(st.integers(0, len(text[line])))
    text[line].insert(word, secret)
    cut = data.draw(st.integers(1, len(secret) - 1))
    page = b" ".join(
        b"BT /F1 10 Tf 72 %d Td [(%s) 0 (%s)] TJ ET"
        % (700 - 12 * number, *_halves(" ".join(words), secret, cut))
        for number, words in enumerate(text)
    )
    new = rebuild_pdf(pdf(page + shown("Lungs")), RULE)
    squeezed = "".join(lines(new.data)).lower()
    for part in (FAMILY, GIVEN, "4711", "12.03", "1203"):
        assert part.lower() not in squeezed
    assert new == rebuild_pdf(pdf(page + shown("Lungs")), RULE)


def _halves(line: str, secret: str, cut: int) -> tuple[bytes, bytes]:
    at = max(line.find(secret), 0) + cut
    return line[:at].encode(), line[at:].encode()


def test_a_bomb_is_held() -> None:
    bomb = zlib.compress(b" " * (40 << 20))
    numbered = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(bomb), bomb)
    with pytest.raises(HeldError):
        rebuild_pdf(updated(pdf(shown("a")), {5: numbered}), RULE)
