"""One pass over an encoded data set: what it holds and, of a cleaned one, whether that may be there.

Element of the data set by element, each with all that is in it. What is known byte for byte is not read again
(`memory`), unless a raw hit lies in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from exchange.dicomio.layout import FileLayout
from exchange.domain.errors import HeldError
from redact.verify.bytescan import Hits
from redact.verify.inventory import Inventory, dataset_walk, opened_header, syntax_of, tolerant_inventory
from redact.verify.memory import LONGEST, Creators, Known, Memory, Shelf
from redact.verify.scan import Leak, Scanner
from redact.verify.walk import PIXEL_TAGS, SPECIFIC_CHARACTER_SET, Buffer, Element, Walk, tag_text

_NEVER_KNOWN = PIXEL_TAGS | {SPECIFIC_CHARACTER_SET}


@dataclass(slots=True)
class Search:
    """Scan 2 of a data set, and the hits of scan 1 over the same bytes that it judges."""

    scanner: Scanner
    hits: Hits


def read_original(layout: FileLayout, memory: Memory) -> Inventory:
    """The inventory of an original; what the strict walk cannot follow is read through pydicom instead.

    Raises:
        InputError: The file changed since it was examined, or cannot be read at all.
        OSError: The file cannot be read.
    """
    inventory = Inventory.like(layout)
    try:
        with opened_header(layout) as buffer:
            shelf = memory.shelf(("original", syntax_of(layout)))
            for _ in read_dataset(buffer, dataset_walk(layout, buffer), inventory, shelf):
                pass
    except HeldError:
        return tolerant_inventory(layout.source)
    return inventory


def read_dataset(
    buffer: Buffer, walk: Walk, inventory: Inventory, shelf: Shelf, search: Search | None = None
) -> Iterator[Leak]:
    """Read a data set.

    Args:
        buffer: What the walk goes over.
        walk: At its beginning.
        inventory: Is filled.
        shelf: What is known of such data sets, and is learned of this one.
        search: For identifiers; None where it is an original.

    Yields:
        What should not be there, in file order.

    Raises:
        HeldError: PROOF_IOD with the path at which the bytes stop making sense; PROOF_IDENTIFIER, something
            is packed that cannot be unpacked.
    """
    reading = _Reading(buffer, walk, inventory, shelf, search)
    while walk.more:
        if not reading.recalls():
            yield from reading.reads()
    reading.end_run()


@dataclass(slots=True)
class _Run:
    """Pieces that were recalled one after the other: where they begin, and what they say."""

    start: int
    tag: int
    creators: Creators
    pieces: list[Known]


class _Reading:
    """How far a data set was read: its last tag, and the creators of that tag's group so far."""

    def __init__(
        self, buffer: Buffer, walk: Walk, inventory: Inventory, shelf: Shelf, search: Search | None
    ) -> None:
        self._buffer, self._walk, self._inventory = buffer, walk, inventory
        self._shelf, self._search = shelf, search
        self._tag, self._ascending = -1, True
        self._creators: Creators = ()
        self._run: _Run | None = None

    def recalls(self) -> bool:
        """Go past what comes next in the data set, if it is known; what it says is noted then."""
        walk, start = self._walk, self._walk.position
        self._enter(walk.tag_ahead())
        if not self._is_memorable():
            return False
        for size in self._shelf.sizes(self._tag):
            end = start + size
            if end > walk.end:
                continue
            known = self._shelf.get(walk.charset, self._creators, bytes(self._buffer[start:end]))
            if known is not None and not self._is_hit(start, end) and walk.skip(end, known.elements):
                self._recall(known, start)
                return True
        return False

    def reads(self) -> Iterator[Leak]:
        """Read the next element of the data set, and remember what it says by itself."""
        self.end_run()
        start, creators, charset = self._walk.position, self._creators, self._walk.charset
        before, elements = self._counts(), list[Element]()
        for element in self._walk.stretch():
            if element.end - start <= LONGEST:
                elements.append(element)
            self._inventory.note(self._buffer, element)
            if self._search is not None:
                yield from self._search.scanner.judge(self._buffer, element, self._search.hits)
        end, path = self._walk.position, tag_text(self._tag)
        if path in self._inventory.creators:
            self._creators = (*creators, (path, self._inventory.creators[path]))
        found, scanned = (now - then for now, then in zip(self._counts(), before, strict=True))
        if not self._is_memorable() or end - start > LONGEST or found or self._is_hit(start, end):
            return
        part = self._inventory.part(creators)
        for element in elements:
            part.note(self._buffer, element)
        if part.stands_alone:
            known = Known(part, len(elements), scanned, self._tag, self._creators)
            self._shelf.keep(self._tag, (charset, creators, bytes(self._buffer[start:end])), known)

    def end_run(self) -> None:
        """Remember the pieces that were recalled one after the other as one piece."""
        run, self._run = self._run, None
        if run is None or len(run.pieces) < 2:
            return
        encoded = bytes(self._buffer[run.start : self._walk.position])
        part = self._inventory.part(())
        for piece in run.pieces:
            part.add(piece.part)
        elements = sum(piece.elements for piece in run.pieces)
        unpacked = sum(piece.unpacked for piece in run.pieces)
        known = Known(part, elements, unpacked, run.pieces[-1].last, run.pieces[-1].creators)
        self._shelf.keep(run.tag, (self._walk.charset, run.creators, encoded), known)

    def _enter(self, tag: int) -> None:
        # Where a tag stands twice, what the second one says depends on the first.
        self._ascending = self._ascending and tag > self._tag
        if tag >> 16 != self._tag >> 16:
            self._creators = ()
        self._tag = tag

    def _recall(self, known: Known, start: int) -> None:
        self._inventory.add(known.part)
        if self._search is not None:
            self._search.scanner.elements += known.elements
            self._search.scanner.scanned_bytes += known.unpacked
        run = self._run
        if run is None:
            self._run = _Run(start, self._tag, self._creators, [known])
        else:
            run.pieces.append(known)
        self._tag, self._creators = known.last, known.creators

    def _is_memorable(self) -> bool:
        return self._ascending and self._tag not in _NEVER_KNOWN

    def _is_hit(self, start: int, end: int) -> bool:
        return self._search is not None and self._search.hits.touch(start, end)

    def _counts(self) -> tuple[int, int]:
        """How many identifiers scan 2 has seen, and how many bytes it has unpacked."""
        scanner = self._search.scanner if self._search else None
        return (scanner.found, scanner.scanned_bytes) if scanner else (0, 0)
