"""A second look at a file, for the checks of what was written: the proof's walk, and values decoded apart.

The checks share the tables with the writer and nothing else: what was meant to be changed is not asked for.
"""

from dataclasses import dataclass, field
from itertools import pairwise

from exchange.dicomio.digest import pixel_sha256
from exchange.dicomio.examine import examine
from exchange.dicomio.header import header_bytes
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.splice import encode_element
from exchange.dicomio.syntaxes import Encoding
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.source import Source
from redact.reconcile import attributes
from redact.verify.decode import declared_text
from redact.verify.walk import IMPLICIT_LITTLE, Element, Syntax, Walk, tag_text

HISTORY = tag_text(attributes.ORIGINAL_ATTRIBUTES)
_IMPLICIT = Encoding(implicit_vr=True, little_endian=True)


@dataclass(frozen=True)
class Reading:
    """One file: where its elements lie, and their bytes; pixels apart.

    Attributes:
        code: What it is held with when the check fails.
    """

    code: ReasonCode
    layout: FileLayout
    data: bytes = field(repr=False)
    elements: tuple[Element, ...] = field(repr=False)

    @classmethod
    def of(cls, source: Source, code: ReasonCode) -> "Reading":
        """Read a file.

        Raises:
            HeldError: It is not encoded as PS3.5 says.
            InputError: It cannot be read.
            OSError: Likewise.
        """
        layout = examine(source)
        data = header_bytes(layout)
        syntax = Syntax(explicit=not layout.implicit_vr, little_endian=layout.little_endian)
        try:
            return cls(code, layout, data, tuple(Walk(data, 0, len(data), syntax)))
        except HeldError as error:
            why = "its data set is not encoded as the standard says"
            raise _refused(code, why, error.path) from None

    def refused(self, why: str, path: str) -> HeldError:
        """The hold for what could not be shown."""
        return _refused(self.code, why, path)

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
                return self.text_of(one)
        return ""

    def text_of(self, element: Element) -> str:
        """An element's value as its character set declares it."""
        return declared_text(self.data[element.start : element.end], element.charset).strip(" \0")

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
            if one.path.startswith(HISTORY) and one.depth
        ]


def same_object(before: Reading, after: Reading) -> str:
    """Show that both are one SOP instance in one encoding, with the same pixels.

    Returns:
        The SHA-256 of the pixels of both; "" without any.

    Raises:
        HeldError: They are not.
        OSError: One cannot be read.
    """
    came, written = before.layout, after.layout
    pairs = (
        (came.sop_class_uid, written.sop_class_uid, "(0008,0016)"),
        (came.sop_instance_uid, written.sop_instance_uid, "(0008,0018)"),
        (came.transfer_syntax_uid, written.transfer_syntax_uid, "(0002,0010)"),
        ((came.pixels is None), (written.pixels is None), "(7FE0,0010)"),
    )
    for one, other, path in pairs:
        if one != other:
            raise after.refused("it is not the object that came", path)
    digest = pixel_sha256(came)
    if digest != pixel_sha256(written):
        raise after.refused("its pixels are not those that came", "(7FE0,0010)")
    return digest


def different(before: Reading, after: Reading) -> tuple[int, ...]:
    """The top-level elements that differ, ascending; the record of them and group lengths apart."""
    came, written = before.top(), after.top()
    return tuple(
        tag
        for tag in sorted(came.keys() | written.keys())
        if came.get(tag) != written.get(tag)
        and tag != attributes.ORIGINAL_ATTRIBUTES
        and not attributes.is_group_length(tag)
    )


def keeps_originals(before: Reading, after: Reading, changed: tuple[int, ...]) -> None:
    """Show that each of these can be had back, byte for byte, and that earlier records are as they were.

    Raises:
        HeldError: One cannot, or they are not.
    """
    came, written = before.history(), after.history()
    count = _items(came)
    if _items(written) != count + bool(changed):
        raise after.refused("the record of earlier values is not complete", HISTORY)
    last = f"{HISTORY}[{count}]."
    if came != [(path, value) for path, value in written if not path.startswith(last)]:
        raise after.refused("the record of earlier values was changed", HISTORY)
    if not changed:
        return
    modified = f"{last}{tag_text(attributes.MODIFIED_ATTRIBUTES)}[0]."
    kept = after.under(modified, 2)
    top = before.top()
    if kept != [(tag, top[tag]) for tag in changed if tag in top]:
        raise after.refused("the originals cannot be had back", modified[:-1])
    told = {path.removeprefix(last): value.strip(b" ") for path, value in written}
    if told.get(tag_text(attributes.REASON_FOR_MODIFICATION)) != attributes.COERCE.encode():
        raise after.refused("the reason of the change is not told", last[:-1])
    for tag in (attributes.MODIFYING_SYSTEM, attributes.MODIFICATION_DATE_TIME):
        if not told.get(tag_text(tag)):
            raise after.refused("who changed it, or when, is not told", last[:-1])


def _items(history: list[tuple[str, bytes]]) -> int:
    return len({path[: path.index("]")] for path, _ in history})


def _refused(code: ReasonCode, why: str, path: str) -> HeldError:
    return HeldError(
        code,
        f"cannot let the instance into the PACS: {why}",
        path,
        "reject the hold and have the partner send the study again; report it if it stays",
    )
