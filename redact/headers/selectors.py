"""What a site rule points at: an element by tag, pattern, VR, private creator or path.

Of several rules that select one element the most specific wins: a path without wildcards, a path with them
(more named steps first), a single element, a pattern or a whole private creator (more given digits first),
and last a VR. Rules of the same rank that can select the same element are an error of the profile; `overlap`
finds them before any file is seen.
"""

from dataclasses import dataclass
from functools import lru_cache

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag

ANY, ANY_DEPTH = -1, -2  # steps of a path: one sequence, any number of sequences
_ALL = 0xFFFFFFFF
_LETTERS = {ANY: "*", ANY_DEPTH: "**"}

Rank = tuple[int, int]
Trail = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TagSelector:
    """Elements by tag, at any depth; never private ones.

    Attributes:
        tag: 32-bit tag; a digit that the mask leaves open is 0.
        mask: Four bits a digit, set where the digit is given.
    """

    tag: int
    mask: int = _ALL

    @property
    def exact(self) -> bool:
        """Whether it names one element."""
        return self.mask == _ALL

    @property
    def rank(self) -> Rank:
        """How specific it is."""
        given = sum((self.mask >> shift) & 0xF == 0xF for shift in range(0, 32, 4))
        return (3 if self.exact else 2, given)

    def selects(self, tag: int, _vr: str, _trail: Trail) -> bool:
        """Whether it selects a public element."""
        return tag & self.mask == self.tag

    def may_select(self, tag: int) -> bool:
        """Whether it could select an element of this tag, wherever that stands."""
        return tag & self.mask == self.tag

    def canonical(self) -> str:
        """The same for the same selection, however it was written."""
        digits = f"{self.tag:08X}"
        open_digits = f"{self.mask:08X}"
        return "".join(
            digit if given == "F" else "x" for digit, given in zip(digits, open_digits, strict=True)
        )

    def __str__(self) -> str:
        return named(self.tag) if self.exact else _in_brackets(self.canonical())


@dataclass(frozen=True, slots=True)
class VrSelector:
    """Public elements of these VRs, at any depth."""

    vrs: frozenset[str]

    @property
    def rank(self) -> Rank:
        """How specific it is."""
        return (1, 0)

    def selects(self, _tag: int, vr: str, _trail: Trail) -> bool:
        """Whether it selects a public element."""
        return vr in self.vrs

    def may_select(self, tag: int) -> bool:
        """Whether it could select an element of this tag, by the dictionary's VR."""
        return vr_by_dictionary(tag) in self.vrs

    def canonical(self) -> str:
        """The same for the same selection, however it was written."""
        return "vr:" + ",".join(sorted(self.vrs))

    def __str__(self) -> str:
        return "VR " + ", ".join(sorted(self.vrs))


@dataclass(frozen=True, slots=True)
class PathSelector:
    """Public elements by where they stand, from the root of the object.

    Attributes:
        steps: Tags of sequences and last of the element; `ANY` stands for one sequence, `ANY_DEPTH` for any
            number of them, none included.
    """

    steps: tuple[int, ...]

    @property
    def rank(self) -> Rank:
        """How specific it is."""
        named_steps = sum(step >= 0 for step in self.steps)
        return (5 if named_steps == len(self.steps) else 4, named_steps)

    def selects(self, tag: int, _vr: str, trail: Trail) -> bool:
        """Whether it selects a public element that stands in items of the sequences `trail`."""
        return tag == self.steps[-1] and _matches(self.steps, (*trail, tag))

    def may_select(self, tag: int) -> bool:
        """Whether it could select an element of this tag, wherever that stands."""
        return tag == self.steps[-1]

    def canonical(self) -> str:
        """The same for the same selection, however it was written."""
        return "path:" + ".".join(_LETTERS.get(step) or f"{step:08X}" for step in self.steps)

    def __str__(self) -> str:
        return ".".join(_LETTERS.get(step) or named(step) for step in self.steps)


@dataclass(frozen=True, slots=True)
class PrivateSelector:
    """Private elements by their creator (PS3.5 7.8.1), at any depth, whichever block it reserved.

    Attributes:
        creator: The private creator's value.
        group: Odd group; None for any.
        element: Low byte of the element number; None for all of the creator's elements.
        vr: What the element holds where the file does not say (implicit VR, UN); "" if not known.
    """

    creator: str
    group: int | None = None
    element: int | None = None
    vr: str = ""

    @property
    def rank(self) -> Rank:
        """How specific it is."""
        return (3 if self.element is not None else 2, int(self.group is not None))

    def selects_private(self, creator: str, tag: int) -> bool:
        """Whether it selects the private element of this tag in a block of this creator."""
        return (
            creator == self.creator and self.group in {None, tag >> 16} and self.element in {None, tag & 0xFF}
        )

    def selects(self, _tag: int, _vr: str, _trail: Trail) -> bool:
        """It selects no public element."""
        return False

    def may_select(self, _tag: int) -> bool:
        """It selects no public element."""
        return False

    def canonical(self) -> str:
        """The same for the same selection, however it was written."""
        group = "xxxx" if self.group is None else f"{self.group:04X}"
        element = "xx" if self.element is None else f"{self.element:02X}"
        return f"private:{group},{element},{self.vr},{self.creator}"

    def __str__(self) -> str:
        group = "gggg" if self.group is None else f"{self.group:04X}"
        element = "ee" if self.element is None else f"{self.element:02X}"
        return f"private ({group},xx{element}) of {self.creator}"


Selector = TagSelector | VrSelector | PathSelector | PrivateSelector


def overlap(one: Selector, other: Selector) -> bool:
    """Whether two selectors of the same kind can select the same element."""
    match one, other:
        case TagSelector(), TagSelector():
            return not (one.tag ^ other.tag) & one.mask & other.mask
        case VrSelector(), VrSelector():
            return not one.vrs.isdisjoint(other.vrs)
        case PathSelector(), PathSelector():
            return _meet(one.steps, other.steps)
        case PrivateSelector(), PrivateSelector():
            return (
                one.creator == other.creator
                and _same_or_open(one.group, other.group)
                and _same_or_open(one.element, other.element)
            )
        case _:
            return False


def vr_by_dictionary(tag: int) -> str:
    """The VR that PS3.6 gives a tag; `UN` where it has none. Of an ambiguous one the first."""
    return dictionary_VR(tag).split(" or ")[0] if dictionary_has_tag(tag) else "UN"


def named(tag: int) -> str:
    """A tag's keyword, or `(gggg,eeee)` where the dictionary has none."""
    return keyword_for_tag(tag) or _in_brackets(f"{tag:08X}")


def _in_brackets(digits: str) -> str:
    return f"({digits[:4]},{digits[4:]})"


def _same_or_open(one: int | None, other: int | None) -> bool:
    return one is None or other is None or one == other


@lru_cache(maxsize=4096)
def _matches(steps: tuple[int, ...], path: Trail) -> bool:
    if not steps:
        return not path
    if steps[0] == ANY_DEPTH:
        return _matches(steps[1:], path) or (bool(path) and _matches(steps, path[1:]))
    return bool(path) and steps[0] in {ANY, path[0]} and _matches(steps[1:], path[1:])


@lru_cache(maxsize=4096)
def _meet(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether some path is matched by both."""
    if not one and not other:
        return True
    if one and one[0] == ANY_DEPTH:
        return _meet(one[1:], other) or (bool(other) and _meet(one, other[1:]))
    if other and other[0] == ANY_DEPTH:
        return _meet(other, one)
    if not one or not other:
        return False
    return (ANY in {one[0], other[0]} or one[0] == other[0]) and _meet(one[1:], other[1:])
