"""A CDA document is written anew: titles and narrative, cleaned; its header names nobody; the odd is held."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import IdentifierKind
from redact.documents.cda import rebuild_cda
from redact.documents.cda_reading import people_in_document, people_of, read_cda
from redact.documents.refusals import DocumentLimits
from redact.documents.words import Rule
from redact.headers.text import clean_descriptor
from redact.identifiers.harvest import harvest
from redact.identifiers.matcher import Matcher
from redact.verify.cda import cda_people, cda_values
from tests.redact.documents.making import CDA, FAMILY, GIVEN, NUMBER, cda, encapsulated

SPACE = "{urn:hl7-org:v3}"
MATCHER = Matcher(harvest(encapsulated(CDA, cda("Lungs"))))


def clean(text: str) -> str:
    return clean_descriptor(text, MATCHER)


RULE = Rule(clean, MATCHER.found)


def rebuilt(*sections: str, **parts: str) -> ElementTree.Element:
    data = rebuild_cda(cda(*sections, **parts), RULE, "2.25.77").data
    said = " ".join(cda_values(data))
    for secret in (FAMILY, GIVEN, NUMBER, "Mudwick", "55512377", "19610312", "1.2.3.4"):
        assert secret.lower() not in said.lower()
        assert secret.encode() not in data
    return ElementTree.fromstring(data)  # noqa: S314 - our own


def narrative(root: ElementTree.Element) -> list[str]:
    return [
        " ".join(text.strip() for text in one.itertext() if text.strip()) for one in root.iter(f"{SPACE}text")
    ]


def test_sections_keep_their_words_and_their_shape() -> None:
    root = rebuilt(
        f"<paragraph>Lungs are <content styleCode='Bold'>clear</content>, {FAMILY}.</paragraph>"
        "<list><item>No effusion</item><item>Heart size is normal</item></list>"
        "<table border='1'><tbody><tr><th>Nodule</th><td>6 mm</td></tr></tbody></table>",
        "Seen by <content>Otto</content>line",
        title=f"CT report of {GIVEN} {FAMILY}",
    )
    first, second = root.iter(f"{SPACE}text")
    assert [one.tag.removeprefix(SPACE) for one in first.iter()] == (
        ["text", "paragraph", "list", "item", "item", "table", "tbody", "tr", "th", "td"]
    )
    assert narrative(root) == ["Lungs are clear . No effusion Heart size is normal Nodule 6 mm", "Seen by"]
    assert not any(one.attrib for one in first.iter())
    assert list(second) == []
    assert FAMILY not in (root.findtext(f"{SPACE}title") or "")
    assert [one.text for one in root.iter(f"{SPACE}title")][1:] == ["Findings", "Findings"]


def test_the_header_names_nobody_and_loinc_codes_stay() -> None:
    root = rebuilt(
        "Lungs are clear", header="<effectiveTime value='20240517'/><author><time value='1'/></author>"
    )
    assert [one.tag.removeprefix(SPACE) for one in root] == [
        "typeId", "id", "code", "title", "effectiveTime", "confidentialityCode", "recordTarget", "author",
        "custodian", "component",
    ]  # fmt: skip
    assert root.find(f"{SPACE}id").attrib == {"root": "2.25.77"}  # type: ignore[union-attr]
    assert root.find(f"{SPACE}code").attrib == {"nullFlavor": "MSK"}  # type: ignore[union-attr]
    section = next(root.iter(f"{SPACE}section"))
    code = section.find(f"{SPACE}code")
    assert code is not None
    assert code.attrib == {"code": "18782-3", "codeSystem": "2.16.840.1.113883.6.1"}


def test_media_entries_comments_and_instructions_go_and_are_told() -> None:
    entry = (
        "<component><section><text>Liver <renderMultiMedia referencedObject='a'/></text>"
        f"<entry><observationMedia ID='a'><value>{FAMILY}</value></observationMedia></entry>"
        "<component><section><title>Deep</title><text>Spleen</text></section></component></section></component>"
    )
    data = rebuild_cda(
        cda(f"<!-- {FAMILY} -->Lungs<?note {FAMILY}?><![CDATA[ and <heart>]]>", body=entry), RULE, "2.25.7"
    )
    assert (data.images, data.dropped) == (1, 1)
    root = ElementTree.fromstring(data.data)  # noqa: S314 - our own
    assert narrative(root)[0] == "Lungs and <heart>"
    assert "image" in narrative(root)[1]
    assert narrative(root)[2] == "Spleen"
    assert b"<!" not in data.data


def test_names_in_the_header_are_found_in_the_narrative_and_in_the_study() -> None:
    header = (
        "<author><assignedAuthor><id extension='D-99812'/><assignedPerson><name><given>Head</given>"
        "<family>Young</family></name></assignedPerson><representedOrganization><name>Crabtree Clinic</name>"
        "</representedOrganization></assignedAuthor></author>"
    )
    ds = encapsulated(CDA, cda(f"<name>{FAMILY}</name>Seen by Dr Young", header=header))
    ds.SeriesDescription = "Head as Young wants it"
    kinds = {found.value: found.kind for found in people_in_document(ds)}
    assert kinds["Young"] is IdentifierKind.PERSON
    assert kinds[FAMILY] is IdentifierKind.PATIENT_NAME
    assert kinds["Crabtree Clinic"] is IdentifierKind.INSTITUTION
    assert kinds["D-99812"] is IdentifierKind.NUMBER
    assert kinds["19610312"] is IdentifierKind.DATE
    assert set(kinds) <= {found.value for found in harvest(ds).items}
    matcher = Matcher(harvest(ds))
    new = rebuild_cda(
        bytes(ds.EncapsulatedDocument),
        Rule(lambda text: clean_descriptor(text, matcher), matcher.found),
        "2.25.7",
    )
    assert b"Young" not in new.data
    assert {"Young", "Head", FAMILY, "D-99812", "Mudwick"} <= {
        found.value for found in cda_people(bytes(ds.EncapsulatedDocument))
    }


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "utf-8-sig"])
def test_names_are_found_in_any_encoding(encoding: str) -> None:
    text = cda("Lungs", header="<author><given>Jörg</given></author>").decode()
    data = text.replace("UTF-8", encoding.removesuffix("-sig")).encode(encoding)
    ds = encapsulated(CDA, data)
    del ds.EncapsulatedDocumentLength
    assert {"Jörg", FAMILY} <= {found.value for found in harvest(ds).items}
    assert {"Jörg", FAMILY} <= {found.value for found in cda_people(data)}
    assert b"Lungs" in rebuild_cda(data, RULE, "2.25.7").data


def test_a_medicine_is_no_person() -> None:
    entry = "<entry><manufacturedMaterial><name>Lung</name></manufacturedMaterial></entry>"
    entry = f"<component><section>{entry}</section></component>"
    assert "Lung" not in {found.value for found in people_of(read_cda(cda(body=entry)))}


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><ClinicalDocument>&b;</ClinicalDocument>", "document type"),
        (b"<ClinicalDocument xmlns='urn:hl7-org:v3'>&b;</ClinicalDocument>", "malformed"),
        (b"<ClinicalDocument><component/></ClinicalDocument>", "no CDA"),
        (b"<ClinicalDocument xmlns='urn:hl7-org:v3'/>", "no section"),
        (cda(), "text"),
        (cda("<paragraph> </paragraph>", title=""), ""),
        (cda("x").replace(b"</section>", b""), "malformed"),
        (cda("x").replace(b"structuredBody>", b"nonXMLBody>"), "embedded file"),
        (cda("<list>" * 40 + "</list>" * 40), "nests"),
        (b"%PDF-1.4", "malformed"),
        (cda("x")[:-40], "malformed"),
        (b"<?xml version='1.0' encoding='klingon'?><a/>", "malformed"),
    ],
)  # fmt: skip
def test_what_is_no_plain_cda_is_held(document: bytes, why: str) -> None:
    with pytest.raises(HeldError) as caught:
        rebuild_cda(document, RULE, "2.25.7")
    assert caught.value.code is ReasonCode.ENCAPSULATED_DOCUMENT
    assert why in str(caught.value)
    assert FAMILY not in str(caught.value)


def test_limits_hold() -> None:
    for limits in (DocumentLimits(objects=10), DocumentLimits(document=20), DocumentLimits(depth=4)):
        with pytest.raises(HeldError):
            rebuild_cda(cda("Lungs"), RULE, "2.25.7", limits)


PIECES = [
    "Lungs",
    " ",
    "<paragraph>",
    "</paragraph>",
    FAMILY,
    "<content>",
    "</content>",
    "&amp;",
    "<td>",
    "</td>",
    NUMBER,
]


@given(st.lists(st.sampled_from(PIECES), max_size=20), st.binary(max_size=4), st.integers(0, 400))
def test_damage_never_crashes_and_never_leaks(pieces: list[str], damage: bytes, at: int) -> None:
    document = cda("Heart " + "".join(pieces))
    document = document[:at] + damage + document[at:] if damage else document
    try:
        data = rebuild_cda(document, RULE, "2.25.7").data
    except HeldError as error:
        data = str(error).encode()
    else:
        list(cda_values(data))
    assert FAMILY.encode() not in data
    assert NUMBER.encode() not in data
