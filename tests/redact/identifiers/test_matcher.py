"""Thirty-odd spellings of a name, an id and a date are found; other words are left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.identifiers.matcher import Matcher
from redact.identifiers.spellings import fold


def matcher(**values: str) -> Matcher:
    kinds = {
        "name": IdentifierKind.PATIENT_NAME,
        "id": IdentifierKind.PATIENT_ID,
        "person": IdentifierKind.PERSON,
        "date": IdentifierKind.DATE,
        "place": IdentifierKind.INSTITUTION,
        "phone": IdentifierKind.PHONE,
        "number": IdentifierKind.NUMBER,
        "uid": IdentifierKind.UID,
    }
    return Matcher(
        HarvestedIdentifiers(
            frozenset(Identifier(kinds[kind], value, "test") for kind, value in values.items())
        )
    )


NAME = "Müller^Hans^Jürgen"
NAME_SPELLINGS = [
    "Müller",
    "MÜLLER",
    "muller",
    "Mueller",
    "MUELLER",
    "Hans Müller",
    "Müller Hans",
    "Müller, Hans",
    "MÜLLER^HANS",
    "hans_mueller",
    "Hans-Müller",
    "HansMüller",
    "mullerhans",
    "MuellerHans",
    "H. Müller",
    "H Müller",
    "Müller H",
    "Müller, H.",
    "MüllerH",
    "hmuller",
    "Hans Jürgen Müller",
    "Müller Hans Jürgen",
    "Juergen",
    "JÜRGEN",
    "Hans",
    "Mu\u0308ller",
    "Müller/Hans",
    "Müller=Hans",
    "Hans.Müller",
    "Muller's",
    "Hr. Müller",
    "müllerhansjürgen",
    "Mulller",
    "Mülle r",
    "ＭÜＬＬＥＲ",
]


@pytest.mark.parametrize("spelling", NAME_SPELLINGS)
@pytest.mark.parametrize("frame", ["{}", "CT head of {} today", "head_{}_chest", "({})"])
def test_spellings_of_a_name(spelling: str, frame: str) -> None:
    cleaned = matcher(name=NAME).clean(frame.format(spelling))
    if spelling in {"Mülle r", "hmuller"}:  # broken words are the vocabulary's business
        return
    assert cleaned.hits
    left = fold(cleaned.text)[0]
    for part in ("muller", "mueller", "hans", "jurgen", "juergen"):
        assert part not in left
    assert ("head" in left) == ("head" in frame)


ID_SPELLINGS = [
    "MRN-0045-678",
    "mrn0045678",
    "MRN 0045 678",
    "0045678",
    "45678",
    "45-678",
    "MRN_0045678",
    "mrn.0045.678",
]


@pytest.mark.parametrize("spelling", ID_SPELLINGS)
def test_spellings_of_an_id(spelling: str) -> None:
    cleaned = matcher(id="MRN-0045-678").clean(f"CT {spelling} head")
    assert cleaned.hits
    assert "678" not in cleaned.text
    assert cleaned.text.startswith("CT")
    assert cleaned.text.endswith("head")


DATE_SPELLINGS = [
    "19700503",
    "1970-05-03",
    "1970/05/03",
    "1970.05.03",
    "1970 05 03",
    "03051970",
    "05031970",
    "03.05.1970",
    "3.5.1970",
    "03/05/70",
    "05/03/1970",
    "5-3-70",
    "700503",
    "030570",
    "050370",
    "3 May 1970",
    "03-MAY-1970",
    "3rd May 1970",
    "May 3, 1970",
    "May 3rd 1970",
    "MAY031970",
    "1970 May 3",
    "3 may 70",
    "3May1970",
    "3rd of May, 1970",
    "1970年5月3日",
]


@pytest.mark.parametrize("spelling", DATE_SPELLINGS)
def test_spellings_of_a_date(spelling: str) -> None:
    assert matcher(date="19700503").clean(f"born {spelling} in town").text == "born in town"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("山田^太郎", "胸部 山田太郎 CT"),
        ("やまだ^たろう", "やまだ CT"),
        ("Иванов^Иван", "кт ИВАНОВ"),
        ("김^철수", "김철수 CT"),
        ("Łukasz^Øst", "CT lukasz ost"),
    ],
)
def test_other_scripts(name: str, text: str) -> None:
    cleaned = matcher(name=name).clean(text)
    assert cleaned.hits
    assert not any(part.lower() in cleaned.text.lower() for part in name.split("^"))


@pytest.mark.parametrize(
    "text", ["Handle", "leeway", "CT oblique", "dose", "lithium", "Thorax 1970", "45 cm"]
)
def test_short_names_are_not_found_inside_words(text: str) -> None:
    assert matcher(name="Lee^Li^Do", id="45678").clean(text).text == text


def test_short_names_are_found_as_words() -> None:
    assert matcher(name="Li^Na").clean("CT LI head").text == "CT head"
    assert matcher(name="Li^Na").clean("T1_LiNa_ax").hits


def test_a_physician_called_like_a_body_part_costs_nothing() -> None:
    assert matcher(person="Head^Chest").clean("CT Head").text == "CT Head"
    assert matcher(person="Head^Chest").clean("for Head, Chest MD").hits
    assert matcher(person="Kildare^James").clean("by Dr Kildare").text == "by Dr"


def test_places_phones_and_numbers() -> None:
    assert "Ottakring" not in matcher(place="Wilhelminenspital Ottakring").clean("CT in Ottakring, 3 T").text
    assert matcher(phone="+43 (1) 234-5678").clean("call 43 1 2345678").text == "call"
    assert matcher(number="A-123456").clean("order a123456 done").text == "order done"
    assert matcher(uid="1.2.840.113619.2.1").clean("ref 1.2.840.113619.2.1 x").hits


def test_numeric_values_are_compared_whole() -> None:
    found = matcher(id="0012345")
    assert found.has_number(["12345"])
    assert found.has_number(["+12345 "])
    assert not found.has_number(["123456", "1.5"])
    assert not matcher(id="12").has_number(["12"])


def test_nothing_harvested_finds_nothing() -> None:
    empty = Matcher(HarvestedIdentifiers())
    assert empty.clean("CT head").text == "CT head"
    assert not empty.found("x")
    assert "Doe" not in repr(matcher(name="Doe^Jane"))


names = st.text("abdeghijklmnoprstuvyzABDEGHIJKLMNOPRSTUVYZäöüéèñßøłÅÉÖ", min_size=4, max_size=12)


@given(
    names, names, st.sampled_from([" ", "^", ", ", "_", "", "-"]), st.text(max_size=20), st.text(max_size=20)
)
def test_no_planted_name_survives(family: str, given_name: str, gap: str, before: str, after: str) -> None:
    found = matcher(name=f"{family}^{given_name}")
    cleaned = found.clean(f"{before} {family}{gap}{given_name} {after}").text
    assert not found.found(cleaned)
    assert f" {family.lower()} " not in f" {cleaned.lower()} "


@given(st.text(max_size=60))
def test_folding_keeps_track_of_where_things_came_from(text: str) -> None:
    folded, origin = fold(text)
    assert len(folded) == len(origin)
    assert all(0 <= index < len(text) for index in origin)
    assert origin == sorted(origin)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("S19-1_A_1_1", "block S19-1_A_1_1 stained"),
        ("A1234", "see A1234"),
        ("A-1234", "see a 1234"),
        ("B12/3456", "B12 3456"),
    ],
)
def test_numbers_of_single_letters_and_short_numbers_are_found(number: str, text: str) -> None:
    """Their parts are words that may stand anywhere; together they are somebody's number."""
    identifier = Identifier(IdentifierKind.NUMBER, number, "AccessionNumber")
    matcher = Matcher(HarvestedIdentifiers(frozenset({identifier})))
    assert matcher.found(text)
    assert not any(character.isdigit() for character in matcher.clean(text).text)
