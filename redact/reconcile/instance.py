"""A returned instance while it is restored: what both the table and the exchange of pseudonyms need of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from pydicom.dataset import Dataset

from exchange.dicomio.layout import PIXEL_TAGS, FileLayout
from exchange.dicomio.rewrite import Value, rewrite
from exchange.dicomio.splice import Extent, element_value, encode_element, raw_elements, syntax_of
from exchange.dicomio.syntaxes import Encoding
from exchange.dicomio.transplant import transplant
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.findings import Finding
from redact.reconcile import restored
from redact.reconcile.history import even
from redact.reconcile.returned import Restoration

TEXT_VRS = frozenset({"LO", "LT", "SH", "ST", "UC", "UR", "UT"})
"""Text in which a pseudonym may stand; a name (PN) is more than text."""


@dataclass
class Instance:
    """One instance.

    Attributes:
        reference: Header of an instance of the original study, or of another study of the patient; None where
            none is here any more.
        raw: Its top-level elements, encoded; pixels and what is not looked at apart.
        charset: SpecificCharacterSet that it is to have, as encoded.
        uids: Pseudonym to original, encoded.
        findings: What a person should know, as it is found.
    """

    layout: FileLayout
    extents: Sequence[Extent]
    header: Dataset
    restoration: Restoration
    reference: Dataset | None
    encoding: Encoding = field(init=False)
    raw: Mapping[int, bytes] = field(init=False, repr=False)
    charset: bytes = field(init=False)
    uids: Mapping[str, bytes] = field(init=False, repr=False)
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.encoding = syntax_of(self.layout)
        looked_at = [one for one in self.extents if one.tag not in restored.NOT_LOOKED_AT | PIXEL_TAGS]
        self.raw = raw_elements(self.layout, looked_at)
        declared = self.raw.get(restored.SPECIFIC_CHARACTER_SET)
        self.charset = element_value(declared, self.encoding).strip(b" \0") if declared else b""
        known = self.restoration.uids
        self.uids = {
            pseudonym: original.encode("latin-1", "replace") for pseudonym, original in known.items()
        }

    @property
    def is_of_ours(self) -> bool:
        """Whether its study left here, so that the original says what is true of it."""
        return bool(self.restoration.study_instance_uid)

    @property
    def latest(self) -> date:
        """The last day that may be one of the past, whatever the zone."""
        return (self.restoration.provenance.modified_at + timedelta(days=1)).date()

    def transplanted(self, source: Dataset, tag: int, charset: bytes | None = None) -> bytes | None:
        """An element of another data set as it would stand here; None where it cannot be said."""
        return transplant(source, tag, self.encoding, self.charset if charset is None else charset)

    def ascii_element(self, tag: int, vr: str, value: str) -> bytes:
        """An element of ASCII text."""
        return encode_element(tag, vr, even(value.encode("ascii")), self.encoding)

    def is_empty(self, raw: bytes | None) -> bool:
        """Whether an encoded element is there and says nothing."""
        return raw is not None and not element_value(raw, self.encoding).strip(b" \0")

    def visit(self, look: Callable[[Value], None]) -> None:
        """Look at every value in it, at every depth."""
        for raw in self.raw.values():
            rewrite(raw, self.encoding, self.charset, look)


def cannot_restore(why: str, path: str) -> HeldError:
    """The hold for an instance that cannot be given its identity back."""
    return HeldError(
        ReasonCode.REIDENTIFY,
        f"cannot give the instance its identity back: {why}",
        path,
        "release the hold to let it into the PACS under a quarantine identity, or reject it",
    )
