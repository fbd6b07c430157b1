"""What was done to elements that recur from instance to instance of a study: done once, then repeated.

What becomes of a top-level element is decided by the element itself and by circumstances that the instances
of a study share: the rules that hold, the IOD, the patient, what says how numbers are to be read. Not so in
content trees and documents, where elements decide about each other: there nothing is remembered.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from exchange.dicomio.elements import KnownElement
from exchange.dicomio.encode import DECIDING, encoded_element
from redact.headers.arrays import OF_COLOURS
from redact.headers.place import Result, Run
from redact.headers.profile import Option
from redact.headers.tables import TypeNode

_MOST_CIRCUMSTANCES = 64
_MOST_ELEMENTS = 16_384
_CODE_MEANING = 0x00080104  # the coding scheme beside it has a say in it


@dataclass(frozen=True, slots=True)
class Treated:
    """What was done to one element and all that is in it.

    Attributes:
        left: What stands there now; None where it was removed.
        counts: Of the element and those in it.
        uids: Original to new.
        done: Options that were carried out.
    """

    left: RawDataElement | None
    counts: Mapping[Result, int]
    uids: Mapping[str, str] = field(repr=False)
    done: frozenset[Option]


class Recurring:
    """What was done under the same circumstances to elements that recur.

    Holds values: as confidential as the headers.
    """

    def __init__(self) -> None:
        self._under: dict[Hashable, dict[KnownElement, Treated]] = {}

    def under(self, ds: Dataset, run: Run, node: TypeNode) -> dict[KnownElement, Treated] | None:
        """What is known under the circumstances of this object; None where they are out of the ordinary."""
        deciding = tuple(ds.get_item(tag) if tag in ds else None for tag in (*DECIDING, *OF_COLOURS))
        if not all(one is None or isinstance(one, KnownElement) for one in deciding):
            return None
        # A matcher is of one context, and equal to no other.
        circumstances = (
            run.context.matcher,
            run.rules,
            node,
            run.patient.facts,
            deciding,
            ds.original_encoding,
        )
        known = self._under.get(circumstances, {})
        if (not known and len(self._under) >= _MOST_CIRCUMSTANCES) or len(known) >= _MOST_ELEMENTS:
            self._under.clear()
            known = {}
        return self._under.setdefault(circumstances, known)


def recurs(element: object) -> TypeGuard[KnownElement]:
    """Whether what is done to a top-level element may be done to those alike."""
    return isinstance(element, KnownElement) and int(element.tag) != _CODE_MEANING


def left_in(ds: Dataset, element: KnownElement) -> RawDataElement | None:
    """What stands now in an element's place, in a form that can stand in other data sets, too.

    Raises:
        InputError: It cannot be encoded.
    """
    return encoded_element(ds, int(element.tag)) if element.tag in ds else None
