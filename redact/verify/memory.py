"""What the proof remembers from one instance to the next: pieces of data sets, byte for byte.

The slices of a series repeat nearly all their elements. What elements of the data set, with all that is in
them, say by their bytes, they say wherever these stand again: that need not be read out of them once more.
Only what was searched and found to name no one is remembered; what was found is found anew.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import count

from redact.verify.inventory import Inventory

LONGEST = 64 * 1024
"""Bytes of a piece; longer elements are read each time."""

_CAPACITY = 8 * 1024 * 1024
_ELEMENT_WEIGHT = 256  # bytes: about what the notes on one element take
_MOST_SORTS = 256
_MOST_SIZES = 8
_MOST_PLACES = 16_384

Creators = tuple[tuple[str, str], ...]
"""Path and value of the private creators of one group, as far as it was read (PS3.5 section 7.8.1)."""

_Key = tuple[int, bytes, Creators, bytes]


@dataclass(frozen=True, slots=True)
class Known:
    """What a piece of a data set says: one or more elements that follow each other, with all that is in them.

    Attributes:
        part: The inventory of the piece alone.
        elements: How many elements it is, at every depth.
        unpacked: Bytes that came out of what is packed in it, and were searched.
        last: Tag of the last of its elements that is one of the data set itself.
        creators: Of that one's group, at the end of the piece; empty where the group is not private.
    """

    part: Inventory = field(repr=False)
    elements: int
    unpacked: int
    last: int
    creators: Creators = field(default=(), repr=False)


class Memory:
    """What is known of pieces; belongs to one set of identifiers and one profile. Its repr shows nothing.

    Bounded: what was not met again while as much as fits was learned is forgotten. Holds values of originals:
    as confidential as they are.
    """

    def __init__(self) -> None:
        self._young: dict[_Key, Known] = {}
        self._old: dict[_Key, Known] = {}
        self._weight = 0
        self._sizes: dict[tuple[int, int], tuple[int, ...]] = {}
        self._sorts: dict[Hashable, int] = {}
        self._numbers = count()

    def shelf(self, sort: Hashable) -> "Shelf":
        """What is known of data sets of one sort.

        Args:
            sort: Everything that decides what a piece says besides its bytes, the character set and the
                private creators: how the data set is encoded, and what is searched in it.
        """
        number = self._sorts.get(sort)
        if number is None:
            if len(self._sorts) >= _MOST_SORTS:
                self._sorts.clear()  # no number is ever given twice
            number = self._sorts[sort] = next(self._numbers)
        return Shelf(self, number)

    def get(self, key: _Key) -> Known | None:
        """What is known under this key."""
        known = self._young.get(key)
        if known is None and key in self._old:
            known = self._old.pop(key)
            self.keep(key, known)
        return known

    def keep(self, key: _Key, known: Known) -> None:
        """Remember it."""
        if self._weight >= _CAPACITY:
            self._old, self._young, self._weight = self._young, {}, 0
        self._young[key] = known
        self._weight += len(key[-1]) + _ELEMENT_WEIGHT * known.elements

    def sizes(self, place: tuple[int, int]) -> tuple[int, ...]:
        """How long the pieces of one sort were that begin with this tag, the longest first."""
        return self._sizes.get(place, ())

    def keep_size(self, place: tuple[int, int], size: int) -> None:
        """Remember how long a piece of this sort was that begins with this tag."""
        if len(self._sizes) >= _MOST_PLACES:
            self._sizes.clear()
        sizes = self._sizes.get(place, ())
        if size not in sizes:
            self._sizes[place] = tuple(sorted((size, *sizes[-_MOST_SIZES + 1 :]), reverse=True))


class Shelf:
    """The part of a memory that holds for data sets of one sort; made by `Memory.shelf`."""

    def __init__(self, memory: Memory, number: int) -> None:
        self._memory = memory
        self._number = number

    def get(self, charset: bytes, creators: Creators, encoded: bytes) -> Known | None:
        """What is known of a piece.

        Args:
            charset: Specific Character Set in force in the data set, as encoded.
            creators: Of the private group in which the piece begins, before it; empty elsewhere.
            encoded: The piece: tags, VRs, lengths, values.
        """
        return self._memory.get((self._number, charset, creators, encoded))

    def keep(self, tag: int, key: tuple[bytes, Creators, bytes], known: Known) -> None:
        """Remember what a piece says that begins with this tag; the key has the arguments of `get`."""
        self._memory.keep((self._number, *key), known)
        self._memory.keep_size((self._number, tag), len(key[-1]))

    def sizes(self, tag: int) -> tuple[int, ...]:
        """How long known pieces are that begin with this tag, the longest first; not all that ever were."""
        return self._memory.sizes((self._number, tag))
