"""What is exchanged in an instance, and the record of what stood there before (PS3.3 C.12.1.1.9).

One way for every inbound route: edits go in, and come out with OriginalAttributesSequence one item longer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydicom.dataset import Dataset

from exchange.dicomio.layout import FileLayout
from exchange.dicomio.splice import (
    Extent,
    encode_element,
    encode_item,
    encode_sequence_items,
    raw_elements,
    sequence_content,
    syntax_of,
)
from exchange.dicomio.syntaxes import Encoding
from redact.reconcile import attributes


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who changes attributes, and whose values they were.

    Attributes:
        source: SourceOfPreviousValues: the partner. Printable ASCII, 1 to 64 characters, no backslash.
        modifying_system: Likewise.
        modified_at: When, timezone-aware; the same for every attempt at a study, so that its bytes are.
    """

    source: str
    modifying_system: str
    modified_at: datetime

    @property
    def modified_at_text(self) -> str:
        """`modified_at` as a DT value (PS3.5 6.2), in UTC and saying so."""
        return self.modified_at.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f+0000")


@dataclass(frozen=True, slots=True)
class Coercion:
    """What changes in one instance.

    Attributes:
        edits: For `Splice`; empty when the instance says already what it is to say.
        changed: Tags whose originals are kept, ascending.
        actions: How many elements were changed how.
    """

    edits: Mapping[int, bytes | None] = field(default_factory=dict, repr=False)
    changed: tuple[int, ...] = ()
    actions: Mapping[str, int] = field(default_factory=dict)


def recorded(
    layout: FileLayout,
    extents: Sequence[Extent],
    header: Dataset,
    edits: Mapping[int, bytes | None],
    provenance: Provenance,
) -> tuple[dict[int, bytes | None], tuple[int, ...]]:
    """These edits with the record of what they change; edits that change nothing are left out.

    Args:
        layout: Of the file.
        extents: Its top-level elements.
        header: Its data set.
        edits: Tag to the whole encoded element, or None for none.
        provenance: For the record.

    Returns:
        Edits for `Splice`, and the tags that change; both empty where nothing does.

    Raises:
        InputError: The file cannot be read.
        OSError: It cannot be read.
    """
    present = {one.tag for one in extents}
    needed = {*edits, attributes.ORIGINAL_ATTRIBUTES} & present
    raw = raw_elements(layout, [one for one in extents if one.tag in needed])
    encoding = syntax_of(layout)
    made = {tag: new for tag, new in edits.items() if new != raw.get(tag)}
    changed = tuple(sorted(made))
    if not changed:
        return {}, ()
    item = _item(b"".join(raw[tag] for tag in changed if tag in raw), provenance, encoding)
    made[attributes.ORIGINAL_ATTRIBUTES] = _appended(
        raw.get(attributes.ORIGINAL_ATTRIBUTES), item, header, encoding
    )
    touched = {tag >> 16 for tag in made}
    made |= {tag: None for tag in present if attributes.is_group_length(tag) and tag >> 16 in touched}
    return made, changed


def _item(originals: bytes, provenance: Provenance, encoding: Encoding) -> bytes:
    """The item of OriginalAttributesSequence (PS3.3 C.12.1) that tells what was there before."""
    before = encode_item(originals, encoding)
    content = encode_element(attributes.MODIFIED_ATTRIBUTES, "SQ", before, encoding)
    for tag, vr, value in (
        (attributes.MODIFICATION_DATE_TIME, "DT", provenance.modified_at_text),
        (attributes.MODIFYING_SYSTEM, "LO", provenance.modifying_system),
        (attributes.SOURCE_OF_PREVIOUS_VALUES, "LO", provenance.source),
        (attributes.REASON_FOR_MODIFICATION, "CS", attributes.COERCE),
    ):
        content += encode_element(tag, vr, even(value.encode("ascii")), encoding)
    return encode_item(content, encoding)


def _appended(raw: bytes | None, item: bytes, header: Dataset, encoding: Encoding) -> bytes:
    """OriginalAttributesSequence with one more item; those that are there stay as they are."""
    tag = attributes.ORIGINAL_ATTRIBUTES
    before: bytes | None = b""
    if raw is not None:
        before = sequence_content(raw, encoding)
        if before is None:  # UN: its items are implicit VR, and ours could not stand beside them
            before = encode_sequence_items(header, tag, encoding)
    return encode_element(tag, "SQ", (before or b"") + item, encoding)


def even(value: bytes) -> bytes:
    """A text value padded to even length (PS3.5 6.2)."""
    return value + b" " * (len(value) % 2)
