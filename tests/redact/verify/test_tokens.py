"""What is searched for, and what on purpose is not."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.verify import forms
from redact.verify.canary import Canary, check_block, check_stream
from redact.verify.dates import shifted_day
from redact.verify.tokens import Tokens, compile_tokens
from redact.verify.vocabulary import common_words
from tests.redact.verify.studies import EXPECTATIONS

SEEDS = [b"", b"exchange-1", b"exchange-2", bytes(64)]


def tokens(kind: IdentifierKind, *values: str, source: str = "x") -> Tokens:
    items = frozenset(Identifier(kind, value, source) for value in values)
    return compile_tokens(
        HarvestedIdentifiers(items), specific_character_sets=["ISO 2022 IR 87", "ISO_IR 144"]
    )


def raw(compiled: Tokens, data: bytes) -> bool:
    return bool(list(compiled.patterns.scan(data)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Müller-Lüdenscheidt^Jörg", "jorg muller ludenscheidt"),
        ("Müller^Jörg", "MUELLER, JOERG"),
        ("Nuñez^José", "Jose Nunez"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "患者は山田太郎です"),
        ("Hong^Gildong=洪^吉洞=홍^길동", "길동 환자"),
        ("Люкceмбypг^Ивaн", "ивaн люкceмбypг"),
        ("O'Neil^Sean", "O NEIL SEAN"),
        ("van der Berg^Anna", "Anna van der Berg"),
        ("Doe^John^Q", "QUENTIN DOE, JOHN"),
        ("Smith, Jane", "jane smith"),
    ],
)
def test_spellings_of_a_name_match(name: str, text: str) -> None:
    matches = tokens(IdentifierKind.PATIENT_NAME, name).match(text)
    assert [match for match in matches if not match.standalone_word]


@pytest.mark.parametrize(
    "text", ["brain contrast", "headache", "long bone", "doctor li", "head", "a", "", "1 2 3"]
)
def test_ordinary_and_short_words_do_not_match_alone(text: str) -> None:
    compiled = tokens(IdentifierKind.PATIENT_NAME, "Head^Li", "Long^A", "Young^Mr")
    assert [match for match in compiled.match(text) if not match.standalone_word] == []


@pytest.mark.parametrize("name", ["", "^^", "Anonymous", "ANON", "unknown", "TEST^PATIENT", "=="])
def test_placeholder_names_are_not_searched_alone(name: str) -> None:
    compiled = tokens(IdentifierKind.PATIENT_NAME, name)
    assert [match for match in compiled.match("anonymous unknown") if not match.standalone_word] == []


@pytest.mark.parametrize("number", ["", "1", "12", "0000", "000000", "111111", "-"])
def test_numbers_that_show_nothing_are_not_searched(number: str) -> None:
    assert tokens(IdentifierKind.NUMBER, number).searched == 0


@pytest.mark.parametrize(
    "text", ["48-21-90-7", "4821907", "id:4821907.", "MRN4821907", "48 21 907", "x 48219 07"]
)
def test_number_with_separators_matches(text: str) -> None:
    assert tokens(IdentifierKind.PATIENT_ID, "4821907").match(text)


@pytest.mark.parametrize("text", ["14821907", "48219070", "482190", "4.8.2.1"])
def test_number_inside_another_does_not(text: str) -> None:
    assert not tokens(IdentifierKind.PATIENT_ID, "4821907").match(text)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-16-le", "utf-16-be"])
def test_raw_forms_in_every_encoding(encoding: str) -> None:
    compiled = tokens(IdentifierKind.PATIENT_NAME, "Lüdenscheidt^Jörg")
    assert raw(compiled, b"\x01\x02" + "Lüdenscheidt^Jörg".encode(encoding) + b"\x03")


@pytest.mark.parametrize("name", ["ANNAanna", "annaANNA", "AnNaNNaa"])
def test_letters_in_either_case_count_as_distinct(name: str) -> None:
    assert raw(tokens(IdentifierKind.PATIENT_NAME, name), b"..annaanna..".replace(b"annaanna", name.encode()))


def test_raw_forms_in_the_original_character_sets() -> None:
    assert raw(tokens(IdentifierKind.PATIENT_NAME, "Люксембург"), "Люксембург".encode("iso8859_5"))
    japanese = "やまだたろう".encode("iso2022_jp")
    assert raw(tokens(IdentifierKind.PATIENT_NAME, "やまだたろう"), japanese)


@pytest.mark.parametrize("text", ["LI", "DOE", "LEE", "ANNA", "aaaaaa", "abababab"])
def test_short_or_monotonous_words_are_not_searched_in_raw_bytes(text: str) -> None:
    assert not raw(tokens(IdentifierKind.PATIENT_NAME, text), text.encode() * 3)


@pytest.mark.parametrize(
    ("uid", "source", "searched"),
    [
        ("1.2.276.0.7230010.3.1.2", "StudyInstanceUID", True),
        ("1.2.840.10008.5.1.4.1.1.2", "ReferencedSOPClassUID", False),
        ("1.3.12.2.1107.5.9.1", "SOPClassUID", False),
    ],
)
def test_uids_of_things_are_searched_and_uids_of_kinds_are_not(uid: str, source: str, searched: bool) -> None:
    assert bool(tokens(IdentifierKind.UID, uid, source=source).uids) is searched


def test_dates_that_a_shift_produces_are_left_to_the_element_comparison() -> None:
    items = frozenset(
        Identifier(IdentifierKind.DATE, day, "x") for day in ("20200110", "20200105", "20191231")
    )
    compiled = compile_tokens(HarvestedIdentifiers(items), expected_dates=lambda day: shifted_day(day, 5))
    assert compiled.dates == {"20200110"}


@pytest.mark.parametrize("value", ["General Hospital", "CT", "Radiology", "UNIVERSITY CLINIC"])
def test_generic_institutions_are_not_searched(value: str) -> None:
    assert tokens(IdentifierKind.INSTITUTION, value).searched == 0


def test_vocabulary_names_no_likely_patient() -> None:
    names = {
        "mueller",
        "schmidt",
        "smith",
        "johanna",
        "garcia",
        "nguyen",
        "ivanov",
        "doe",
        "john",
        "anna",
        "maria",
    }
    assert not names & common_words()


@given(st.text(max_size=60))
def test_any_text_can_be_matched(text: str) -> None:
    compiled = tokens(IdentifierKind.PATIENT_NAME, "Doering^Johanna", text)
    compiled.match(text)
    forms.dates_in(text)
    forms.name_groups(text)


FORMS = ("%Y%m%d", "%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %B %Y", "%b %d, %Y", "%d-%b-%Y")


@given(st.dates(min_value=date(1901, 1, 1)), st.sampled_from(FORMS))
def test_dates_are_read_in_every_usual_form(day: date, form: str) -> None:
    assert day.strftime("%Y%m%d") in forms.dates_in(f"seen on {day.strftime(form)} again")


@pytest.mark.parametrize("seed", SEEDS)
def test_canary_is_found(seed: bytes) -> None:
    canary = Canary.of(seed)
    compiled = compile_tokens(canary.identifiers)
    check_block(canary, compiled, EXPECTATIONS)
    assert check_stream(canary, compiled, EXPECTATIONS) == "found"


@given(st.binary(max_size=40))
def test_any_seed_gives_a_canary_that_can_be_found(seed: bytes) -> None:
    canary = Canary.of(seed)
    assert check_stream(canary, compile_tokens(canary.identifiers), EXPECTATIONS) == "found"
    assert canary == Canary.of(seed)
    assert canary.family not in repr(canary)


def test_scanner_that_misses_the_canary_voids_the_proof() -> None:
    canary, blind = Canary.of(b"x"), compile_tokens(HarvestedIdentifiers())
    for check in (check_stream, check_block):
        with pytest.raises(HeldError) as caught:
            check(canary, blind, EXPECTATIONS)
        assert (caught.value.code, caught.value.path) == (ReasonCode.PROOF_IDENTIFIER, "canary")
