"""A CDA document, rebuilt: titles and narrative of its sections, cleaned, under a header that names nobody.

The header's required parts are there and say «masked» (HL7 nullFlavor MSK), so that it is a CDA still.
Of codes only LOINC's stay: what kind of document or section it is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from redact.documents.cda_reading import NAMESPACE, Node, read_cda
from redact.documents.outcome import Rebuilt
from redact.documents.refusals import DocumentLimits, refused
from redact.documents.words import Rule, clean_lines

LOINC = "2.16.840.1.113883.6.1"
BLOCKS = frozenset(
    {"paragraph", "list", "item", "caption", "table", "thead", "tbody", "tfoot", "tr", "th", "td"}
)
_LOINC_CODE = re.compile(r"\d{1,5}-\d", re.ASCII)
_INLINE_BREAKS = frozenset({"br", "footnote", "footnoteRef"})
_MEDIA = frozenset({"renderMultiMedia", "observationMedia"})
_CODED = "entry"
_MASKED = '<id nullFlavor="MSK"/>'
_IMAGE = "image removed"


def rebuild_cda(
    data: bytes,
    rule: Rule,
    instance_uid: str,
    limits: DocumentLimits | None = None,
) -> Rebuilt:
    """Write a CDA document anew.

    Args:
        data: The original.
        rule: How free text is judged.
        instance_uid: Of the new object; the document's id, too.
        limits: What it may cost.

    Raises:
        HeldError: `encapsulated-document`; it is no CDA with narrative text, or cannot be read.
    """
    root = read_cda(data, limits)
    if any(component.children("nonXMLBody") for component in root.children("component")):
        raise refused("its body is an embedded file")
    body = root.child("component", "structuredBody") or root  # some writers leave the level out
    outline = _Outline()
    outline.line(_text(root, "title"))
    for component in body.children("component"):
        for section in component.children("section"):
            _section(section, outline)
    if not outline.narrates:
        raise refused("no section of it has text")
    cleaned = iter(clean_lines(outline.lines, rule))
    title = _element("title", next(cleaned))
    parts = [part if isinstance(part, str) else escape(next(cleaned)) for part in outline.parts[1:]]
    return Rebuilt(
        (_head(root, instance_uid, title) + "".join(parts) + _TAIL).encode("utf-8"),
        images=outline.images,
        dropped=outline.dropped,
    )


@dataclass(slots=True)
class _Outline:
    """The new body: markup as it will stand, None where the next line of text goes."""

    parts: list[str | None] = field(default_factory=list, repr=False)
    lines: list[str] = field(default_factory=list, repr=False)
    narrates: bool = False  # whether any section has text, not just a title
    images: int = 0
    dropped: int = 0

    def markup(self, text: str) -> None:
        self.parts.append(text)

    def line(self, text: str) -> None:
        self.parts.append(None)
        self.lines.append(text)


def _section(section: Node, outline: _Outline) -> None:
    outline.markup("<component><section>" + _code(section))
    if section.child("title") is not None:
        outline.markup("<title>")
        outline.line(_text(section, "title"))
        outline.markup("</title>")
    outline.markup("<text>")
    for text in section.children("text")[:1]:
        _narrative(text, outline)
    outline.markup("</text>")
    outline.dropped += len(section.children(_CODED))
    for component in section.children("component"):
        for inner in component.children("section"):
            _section(inner, outline)
    outline.markup("</section></component>")


def _narrative(block: Node, outline: _Outline) -> None:
    """One block of narrative text: what stands in it directly is a line, blocks in it are blocks."""
    run: list[str] = []
    for one in _flat(block, outline):
        if isinstance(one, str):
            run.append(one)
            continue
        _flush(run, outline)
        outline.markup(f"<{one.name}>")
        _narrative(one, outline)
        outline.markup(f"</{one.name}>")
    _flush(run, outline)


def _flush(run: list[str], outline: _Outline) -> None:
    text = "".join(run)
    run.clear()
    if text.strip():
        outline.line(text)
        outline.narrates = True


def _flat(block: Node, outline: _Outline) -> Iterator[str | Node]:
    """The text and the blocks in a block; what only dresses text is gone."""
    for one in block.content:
        if isinstance(one, str) or one.name in BLOCKS:
            yield one
        elif one.name in _MEDIA:
            outline.images += 1
            yield f" {_IMAGE} "
        else:
            space = " " if one.name in _INLINE_BREAKS else ""
            yield space
            yield from _flat(one, outline)
            yield space


def _text(node: Node, name: str) -> str:
    child = node.child(name)
    return child.text() if child is not None else ""


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _code(node: Node) -> str:
    code = node.child("code")
    value = code.attributes.get("code", "") if code is not None else ""
    if code is None or code.attributes.get("codeSystem") != LOINC or not _LOINC_CODE.fullmatch(value):
        return '<code nullFlavor="MSK"/>'
    return f'<code code="{value}" codeSystem="{LOINC}"/>'


def _head(root: Node, instance_uid: str, title: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<ClinicalDocument xmlns="{NAMESPACE}">'
        '<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>'
        f'<id root="{escape(instance_uid)}"/>{_code(root)}{title}'
        '<effectiveTime nullFlavor="MSK"/><confidentialityCode nullFlavor="MSK"/>'
        f"<recordTarget><patientRole>{_MASKED}</patientRole></recordTarget>"
        f'<author><time nullFlavor="MSK"/><assignedAuthor>{_MASKED}</assignedAuthor></author>'
        "<custodian><assignedCustodian><representedCustodianOrganization>"
        f"{_MASKED}</representedCustodianOrganization></assignedCustodian></custodian>"
        "<component><structuredBody>"
    )


_TAIL = "</structuredBody></component></ClinicalDocument>\n"
