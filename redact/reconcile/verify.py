"""`verify_quarantine`: an independent re-read of what was written, against what came.

It shares the table with the writer and nothing else: the walk is the proof's own, values are decoded apart,
and what was meant to be changed is not asked for. It shows that

1. the instance stands under the quarantine identity, and the foreign PatientID alone nowhere that counts;
2. nothing but elements of the table differs, pixels included;
3. each original that was changed can be had back, byte for byte, from OriginalAttributesSequence.
"""

from dataclasses import dataclass, field
from itertools import pairwise

from exchange.dicomio.digest import pixel_sha256
from exchange.dicomio.examine import examine
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.splice import encode_element
from exchange.dicomio.stream import open_offsets, pieces
from exchange.dicomio.syntaxes import Encoding
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.source import Source
from redact.reconcile import attributes
from redact.reconcile.attributes import Action
from redact.reconcile.quarantine import LONGEST, Quarantine
from redact.verify.decode import declared_text
from redact.verify.walk import IMPLICIT_LITTLE, Element, Syntax, Walk, tag_text

_ALLOWED_TO_HOLD = frozenset({attributes.PATIENT_ID, attributes.ISSUER_OF_PATIENT_ID})
_HISTORY = tag_text(attributes.ORIGINAL_ATTRIBUTES)
_IMPLICIT = Encoding(implicit_vr=True, little_endian=True)


@dataclass(frozen=True, slots=True)
class ShownInstance:
    """What the check learned.

    Attributes:
        pixel_sha256: Of both files; "" without pixels.
        changed: Top-level tags that differ and whose originals are kept.
    """

    pixel_sha256: str
    changed: tuple[int, ...]


@dataclass(frozen=True)
class _Reading:
    """One file: where its elements lie, and their bytes; pixels apart."""

    layout: FileLayout
    data: bytes = field(repr=False)
    elements: tuple[Element, ...] = field(repr=False)

    @classmethod
    def of(cls, source: Source) -> "_Reading":
        layout = examine(source)
        data = _header_bytes(layout)
        syntax = Syntax(explicit=not layout.implicit_vr, little_endian=layout.little_endian)
        try:
            return cls(layout, data, tuple(Walk(data, 0, len(data), syntax)))
        except HeldError as error:
            raise _refused("its data set is not encoded as the standard says", error.path) from None

    def top(self) -> dict[int, bytes]:
        """The bytes of each top-level element, head and content, by tag."""
        return dict(self.under("", 0))

    def under(self, prefix: str, depth: int) -> list[tuple[int, bytes]]:
        """Tag and bytes of each element of one item (`prefix` ends in `.`), or of the data set itself."""
        starts = [one.header for one in self.elements if one.depth <= depth] + [len(self.data)]
        ends = dict(pairwise(starts))
        return [
            (one.tag, self.data[one.header : ends[one.header]])
            for one in self.elements
            if one.depth == depth and one.path.startswith(prefix)
        ]

    def text(self, tag: int) -> str:
        """A top-level text value as its character set declares it, "" when absent."""
        for one in self.elements:
            if one.depth == 0 and one.tag == tag:
                return _text(self, one)
        return ""

    def history(self) -> list[tuple[str, bytes]]:
        """Path and value of everything in OriginalAttributesSequence."""
        for one in self.elements:
            if one.depth == 0 and one.tag == attributes.ORIGINAL_ATTRIBUTES and one.vr == "UN":
                # Passed on by who did not know it: implicit VR little endian (PS3.5 6.2.2).
                raw = encode_element(one.tag, "SQ", self.data[one.start : one.end], _IMPLICIT)
                inside = Walk(raw, 0, len(raw), IMPLICIT_LITTLE)
                return [(each.path, raw[each.start : each.end]) for each in inside if each.depth]
        return [
            (one.path, self.data[one.start : one.end])
            for one in self.elements
            if one.path.startswith(_HISTORY) and one.depth
        ]


def verify_quarantine(original: Source, reconciled: Source, quarantine: Quarantine) -> ShownInstance:
    """Show that a written instance is the original under its quarantine identity.

    Args:
        original: As it came.
        reconciled: As it was written.
        quarantine: Its identity.

    Raises:
        HeldError: `quarantine`, with the path of the first element that is not as it must be.
        InputError: One of the files cannot be read.
        OSError: Likewise.
    """
    before, after = _Reading.of(original), _Reading.of(reconciled)
    _same_object(before.layout, after.layout)
    digest = pixel_sha256(before.layout)
    if digest != pixel_sha256(after.layout):
        raise _refused("its pixels are not those that came", "(7FE0,0010)")
    changed = _changed(before.top(), after.top())
    _has_quarantine_identity(after, quarantine)
    _says_no_foreign_id(before, after, changed)
    _keeps_originals(before, after, changed)
    return ShownInstance(digest, changed)


def _same_object(before: FileLayout, after: FileLayout) -> None:
    pairs = (
        (before.sop_class_uid, after.sop_class_uid, "(0008,0016)"),
        (before.sop_instance_uid, after.sop_instance_uid, "(0008,0018)"),
        (before.transfer_syntax_uid, after.transfer_syntax_uid, "(0002,0010)"),
        ((before.pixels is None), (after.pixels is None), "(7FE0,0010)"),
    )
    for came, written, path in pairs:
        if came != written:
            raise _refused("it is not the object that came", path)


def _changed(before: dict[int, bytes], after: dict[int, bytes]) -> tuple[int, ...]:
    """The elements that differ, the record of them and group lengths apart."""
    different = sorted(tag for tag in before.keys() | after.keys() if before.get(tag) != after.get(tag))
    for tag in different:
        if not attributes.may_change(tag):
            raise _refused("an element outside the table was changed", tag_text(tag))
    return tuple(
        tag
        for tag in different
        if tag != attributes.ORIGINAL_ATTRIBUTES and not attributes.is_group_length(tag)
    )


def _has_quarantine_identity(after: _Reading, quarantine: Quarantine) -> None:
    if after.text(attributes.ISSUER_OF_PATIENT_ID) != quarantine.issuer:
        raise _refused("its issuer is not the partner", tag_text(attributes.ISSUER_OF_PATIENT_ID))
    patient_id = after.text(attributes.PATIENT_ID)
    behind = patient_id.removeprefix(quarantine.prefix)
    if behind == patient_id or not behind or "\\" in patient_id or len(patient_id) > LONGEST:
        raise _refused("its PatientID is not behind the prefix", tag_text(attributes.PATIENT_ID))
    top = after.top()
    for tag, action in attributes.TABLE.items():
        if action is Action.REMOVE and tag in top:
            raise _refused("an element that must not be there is there", tag_text(tag))
        if action is Action.EMPTY and after.text(tag):
            raise _refused("an element that must be empty is not", tag_text(tag))


def _says_no_foreign_id(before: _Reading, after: _Reading, changed: tuple[int, ...]) -> None:
    """Of what was changed only the identity holds anything, and nothing is the foreign id alone."""
    top = after.top()
    for tag in changed:
        if tag in top and tag not in _ALLOWED_TO_HOLD and after.text(tag):
            raise _refused("an element was given another value", tag_text(tag))
    if attributes.PATIENT_ID not in changed:
        return  # it came under this quarantine
    foreign = set(_split(before.text(attributes.PATIENT_ID)))
    for one in after.elements:
        looked_at = one.depth == 0 and (attributes.is_swept(one.tag) or one.tag == attributes.STUDY_ID)
        if looked_at and one.vr in attributes.SWEPT_VRS and foreign & set(_split(_text(after, one))):
            raise _refused("the foreign PatientID stands in it alone", one.path)


def _keeps_originals(before: _Reading, after: _Reading, changed: tuple[int, ...]) -> None:
    came, written = before.history(), after.history()
    count = _items(came)
    if _items(written) != count + bool(changed):
        raise _refused("the record of earlier values is not complete", _HISTORY)
    last = f"{_HISTORY}[{count}]."
    if came != [(path, value) for path, value in written if not path.startswith(last)]:
        raise _refused("the record of earlier values was changed", _HISTORY)
    if not changed:
        return
    modified = f"{last}{tag_text(attributes.MODIFIED_ATTRIBUTES)}[0]."
    kept = after.under(modified, 2)
    top = before.top()
    if kept != [(tag, top[tag]) for tag in changed if tag in top]:
        raise _refused("the originals cannot be had back", modified[:-1])
    told = {path.removeprefix(last): value.strip(b" ") for path, value in written}
    if told.get(tag_text(attributes.REASON_FOR_MODIFICATION)) != attributes.COERCE.encode():
        raise _refused("the reason of the change is not told", last[:-1])
    for tag in (attributes.MODIFYING_SYSTEM, attributes.MODIFICATION_DATE_TIME):
        if not told.get(tag_text(tag)):
            raise _refused("who changed it, or when, is not told", last[:-1])


def _items(history: list[tuple[str, bytes]]) -> int:
    return len({path[: path.index("]")] for path, _ in history})


def _header_bytes(layout: FileLayout) -> bytes:
    """Every byte of the data set but the top-level pixel element."""
    start = 0 if layout.deflated else layout.dataset_offset
    parts = [(start, layout.end_offset)]
    if layout.pixels is not None:
        parts = [(start, layout.pixels.element_offset), (layout.pixels.element_end, layout.end_offset)]
    with open_offsets(layout) as stream:
        return b"".join(piece for begin, end in parts for piece in pieces(stream, begin, end - begin))


def _text(reading: _Reading, element: Element) -> str:
    return declared_text(reading.data[element.start : element.end], element.charset).strip(" \0")


def _split(text: str) -> list[str]:
    return [value for part in text.split("\\") if (value := part.strip(" \0"))]


def _refused(why: str, path: str) -> HeldError:
    return HeldError(
        ReasonCode.QUARANTINE,
        f"cannot let the instance into the PACS: {why}",
        path,
        "reject the hold and have the partner send the study again; report it if it stays",
    )
