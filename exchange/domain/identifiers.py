"""Identifiers harvested from a study: what must not survive, and where it was found."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class IdentifierKind(StrEnum):
    """What an identifier is; decides how it is matched and proved (specs: short tokens, dates)."""

    PATIENT_NAME = "patient-name"  # one component or group of PatientName, OtherPatientNames, …
    PATIENT_ID = "patient-id"
    PERSON = "person"  # referring, performing, reading, … people
    INSTITUTION = "institution"
    ADDRESS = "address"
    PHONE = "phone"
    NUMBER = "number"  # accession, admission, study id, serial numbers
    DATE = "date"  # DA in YYYYMMDD, as it stood in the original
    UID = "uid"
    OTHER = "other"
    OWN = "own"  # beside another kind: the patient's own, where the profile retains identity


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """One harvested value. Its repr never shows the value, so that no traceback or log does."""

    kind: IdentifierKind
    value: str = field(repr=False)
    source: str  # element keyword or path that it was found in


@dataclass(frozen=True, slots=True)
class HarvestedIdentifiers:
    """All identifiers of one patient's study (and earlier exchanges); order-independent."""

    items: frozenset[Identifier] = field(default_factory=frozenset, repr=False)

    def of(self, *kinds: IdentifierKind) -> Iterator[Identifier]:
        """The identifiers of these kinds, in a stable order."""
        return (item for item in sorted(self.items) if item.kind in kinds)

    def union(self, others: Iterable["HarvestedIdentifiers"]) -> "HarvestedIdentifiers":
        """These and all the others."""
        return HarvestedIdentifiers(self.items.union(*(other.items for other in others)))

    def without(self, others: "HarvestedIdentifiers") -> "HarvestedIdentifiers":
        """These less those of the same kind and value as one of the others, wherever they were found."""
        same = {(one.kind, one.value) for one in others.items}
        return HarvestedIdentifiers(frozenset(one for one in self.items if (one.kind, one.value) not in same))
