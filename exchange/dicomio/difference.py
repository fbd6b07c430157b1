"""What differs between two files that came under one SOP Instance UID: names of elements, never a value."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from exchange.dicomio.digest import pixel_sha256
from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header_at
from exchange.dicomio.limits import Limits
from exchange.dicomio.quiet import quiet
from exchange.domain.source import Source

MOST_PATHS = 200
_DEFAULTS = Limits()


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs.

    Attributes:
        paths: Keywords of the changed, added and removed elements, in the order of their tags, inside
            sequences as `ReferencedStudySequence[1].ReferencedSOPInstanceUID` (items from 1); elements
            without a keyword as `(0011,1001)`. At most `MOST_PATHS`.
        pixels: The pixel data differ.
        transfer_syntax: The encodings differ; then the pixel data cannot be compared by their bytes.
    """

    paths: tuple[str, ...]
    pixels: bool
    transfer_syntax: bool

    @property
    def keywords(self) -> tuple[str, ...]:
        """The changed elements of the top level, each once."""
        return tuple(dict.fromkeys(path.partition("[")[0].partition(".")[0] for path in self.paths))


def difference(first: Source, second: Source, limits: Limits = _DEFAULTS) -> Difference:
    """Compare two files element by element.

    Args:
        first: A Part 10 file.
        second: Another.
        limits: What reading one may cost.

    Raises:
        InputError: One of them cannot be read.
        OSError: One of them cannot be read.
    """
    layouts = examine(first, limits), examine(second, limits)
    one, other = (read_header_at(layout, limits) for layout in layouts)
    with quiet():
        paths = tuple(islice(_changed(one, other, ""), MOST_PATHS))
    syntaxes = {layout.transfer_syntax_uid for layout in layouts}
    digests = {pixel_sha256(layout) for layout in layouts}
    return Difference(paths, pixels=len(digests) > 1, transfer_syntax=len(syntaxes) > 1)


def _changed(one: Dataset, other: Dataset, prefix: str) -> Iterator[str]:
    for tag in sorted({*one.keys(), *other.keys()}):
        path = prefix + _name(tag)
        if tag not in one or tag not in other:
            yield path
        else:
            yield from _inside(one[tag], other[tag], path)


def _inside(one: DataElement, other: DataElement, path: str) -> Iterator[str]:
    if one.VR != other.VR:
        yield path
    elif one.VR != "SQ":
        if not _same(one.value, other.value):
            yield path
    elif len(one.value) != len(other.value):
        yield path
    else:
        for number, (item, counterpart) in enumerate(zip(one.value, other.value, strict=True), start=1):
            yield from _changed(item, counterpart, f"{path}[{number}].")


def _same(one: object, other: object) -> bool:
    if one == other:
        return True
    # A number that is none (NaN) equals nothing, itself included; its text does.
    return not isinstance(one, bytes) and str(one) == str(other)


def _name(tag: BaseTag) -> str:
    keyword: str = keyword_for_tag(tag)
    return keyword or f"({tag.group:04X},{tag.element:04X})"
