"""The proof's own reader of CDA: of a cleaned one all that it says, of an original whom it names."""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import ParseError, fromstring

from exchange.domain.identifiers import Identifier, IdentifierKind
from redact.identifiers.pseudonymiser import is_placeholder
from redact.verify.pdf import UnreadableDocumentError

_START = b'<?xml version="1.0" encoding="UTF-8"?>\n<ClinicalDocument xmlns="urn:hl7-org:v3">'
_SPACE = "{urn:hl7-org:v3}"
_HEADER = (
    "ClinicalDocument typeId id code title effectiveTime confidentialityCode recordTarget patientRole author"
    " time assignedAuthor custodian assignedCustodian representedCustodianOrganization"
)
_BODY = "component structuredBody section text paragraph list item caption table thead tbody tfoot tr th td"
_ELEMENTS = frozenset(f"{_HEADER} {_BODY}".split())
_ATTRIBUTES = frozenset({"root", "extension", "code", "codeSystem", "nullFlavor"})
_CONSTANTS = frozenset({"MSK", "2.16.840.1.113883.1.3", "POCD_HD000040", "2.16.840.1.113883.6.1"})
_MASKED = frozenset({"recordTarget", "author", "custodian", "effectiveTime"})
_NAMED = re.compile(r"<(?:\w+:)?(given|family|city|streetAddressLine)\b[^>]*>([^<]+)<")
_NUMBERED = re.compile(r"<(?:\w+:)?id\b[^>]*\sextension\s*=\s*[\"']([^\"']+)[\"']")
_ENCODING = re.compile(rb"<\?xml[^>]*\sencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_PEOPLE = frozenset({"given", "family"})


def cda_values(data: bytes) -> Iterator[str]:
    """All attribute values of a cleaned document, then all its texts, in order.

    Raises:
        UnreadableDocumentError: It is not well-formed, or has a document type, a comment, an instruction, or
            an element or attribute that a rebuilt document has not.
    """
    body = data.rstrip(b"\0")
    if not body.startswith(_START) or body.count(b"<?") != 1 or b"<!" in body:
        raise UnreadableDocumentError("it has comments, instructions or a document type")
    try:
        root = fromstring(body)  # noqa: S314 - what could define or fetch anything was refused above
    except ParseError:
        raise UnreadableDocumentError("it is not well-formed") from None
    for element in root.iter():
        name = str(element.tag).removeprefix(_SPACE)
        if name not in _ELEMENTS or not _ATTRIBUTES.issuperset(element.attrib):
            raise UnreadableDocumentError("an element or attribute is none of a rebuilt document")
        if name in _MASKED and "".join(element.itertext()).strip():
            raise UnreadableDocumentError("its header names someone")
        yield from (value for value in element.attrib.values() if value not in _CONSTANTS)
    yield from (text for text in root.itertext() if text.strip())


def cda_people(data: bytes) -> Iterator[Identifier]:
    """Names, places and ids in an original, read apart from the cleaner's parser; none of what is no CDA."""
    text = _decoded(data)
    if "ClinicalDocument" not in text:
        return
    for element, said in _NAMED.findall(text):
        kind = IdentifierKind.PERSON if element in _PEOPLE else IdentifierKind.ADDRESS
        value = " ".join(_plain(said).split())
        if len(value) > 1 and not is_placeholder(value):
            yield Identifier(kind, value, "EncapsulatedDocument")
    for said in _NUMBERED.findall(text):
        if not is_placeholder(said):
            yield Identifier(IdentifierKind.NUMBER, _plain(said), "EncapsulatedDocument")


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    declared = _ENCODING.search(data[:200])
    try:
        return data.decode(declared[1].decode("ascii") if declared else "utf-8", "replace")
    except LookupError:
        return data.decode("latin-1")


def _plain(text: str) -> str:
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return text
