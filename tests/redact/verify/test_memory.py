"""What the proof remembers of earlier instances changes nothing of what it says of later ones."""

import struct

import pytest

from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.headers.profile import Option
from redact.verify import memory as remembering
from redact.verify.expectations import Expectations
from redact.verify.inventory import Inventory
from redact.verify.memory import Memory
from redact.verify.reading import Search, read_dataset
from redact.verify.scan import Leak, Scanner
from redact.verify.tokens import compile_tokens
from redact.verify.walk import EXPLICIT_LITTLE, Buffer, Element, Walk
from tests.hostile.chance import Chance
from tests.redact.verify.studies import IDENTIFIERS, PSEUDONYMISER

JAPANESE = HarvestedIdentifiers(frozenset({Identifier(IdentifierKind.PERSON, "山田", "OperatorsName")}))
TOKENS = compile_tokens(
    IDENTIFIERS.union([JAPANESE]), specific_character_sets=["ISO_IR 100", "ISO 2022 IR 87"]
)
CHARACTER_SET, DESCRIPTION = 0x00080005, 0x0008103E
# Institutions may be named in these, at any depth.
ALLOWED = Expectations(
    frozenset({Option.RETAIN_MODIFIED_DATES}),
    PSEUDONYMISER,
    {DESCRIPTION: frozenset({IdentifierKind.INSTITUTION})},
)
LONG_VRS = {"OB", "SQ", "UN", "UT"}
UNDEFINED = 0xFFFFFFFF

VALUES = [
    b"",
    b"HEAD 5.0",
    b"Doering^Johanna ",
    b"Li^Bo ",
    b"Musterstadt ",
    b"4471180 ",
    b"20190307",
    b"20170101",
    b"19610412",
    b"ISO_IR 100",
    b"\\ISO 2022 IR 87 ",
    b"D\xf6ring",
    b"\x1b$B;3ED\x1b(B",
    b"1.2.276.0.7230010.3.1.2.1 ",
    b"U0lHTkVEIEJZIEpPSEFOTkE=",
    b"U0lFTUVOUyBNRUQgQlJBSU4g",
    b"SIEMENS MED ",
    b"OTHER CREATOR ",
]
PLAIN = [
    (CHARACTER_SET, "CS"),
    (0x00080020, "DA"),
    (0x00080070, "LO"),
    (0x00081030, "LO"),
    (DESCRIPTION, "LO"),
    (0x00090010, "LO"),
    (0x00090011, "LO"),
    (0x00091001, "LO"),
    (0x00091101, "UN"),
    (0x00100010, "PN"),
    (0x00180010, "LO"),
    (0x0020000D, "UI"),
    (0x00280030, "DS"),
    (0x0040A160, "UT"),
    (0x00420011, "OB"),
    (0x7FE00010, "OB"),
]
SEQUENCES = [0x00081032, 0x00091102, 0x0040A043, 0x0040A730]


def encoded(tag: int, vr: str, value: bytes, *, delimited: bool = False) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if delimited:
        return head + struct.pack("<HI", 0, UNDEFINED) + value + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    padded = value + b" " * (len(value) % 2)
    if vr in LONG_VRS:
        return head + struct.pack("<HI", 0, len(padded)) + padded
    return head + struct.pack("<H", len(padded)) + padded


def item(content: bytes, *, delimited: bool = False) -> bytes:
    if delimited:
        end = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
        return struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED) + content + end
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


class Drawing:
    """Data sets of a few elements that come again and again, and of changed ones among them."""

    def __init__(self, seed: int) -> None:
        self.random = Chance(seed)
        self.base = dict(self.element(3) for _ in range(14))

    def plain(self) -> tuple[int, bytes]:
        tag, vr = self.random.choice(PLAIN)
        return tag, encoded(tag, vr, self.random.choice(VALUES))

    def element(self, depth: int) -> tuple[int, bytes]:
        if not depth or self.random.random() < 0.6:
            return self.plain()
        tag, delimited = self.random.choice(SEQUENCES), self.random.random() < 0.5
        content = b"".join(self.item(depth - 1) for _ in range(self.random.randrange(3)))
        return tag, encoded(tag, "SQ", content, delimited=delimited)

    def item(self, depth: int) -> bytes:
        elements = sorted(self.element(depth) for _ in range(self.random.randrange(5)))
        return item(b"".join(raw for _, raw in elements), delimited=self.random.random() < 0.5)

    def dataset(self) -> bytes:
        """The data set that all of them are like, with some elements exchanged or gone."""
        chosen = dict(self.base)
        for _ in range(self.random.randrange(4)):
            tag, raw = self.element(3)
            chosen[tag] = raw
            del chosen[self.random.choice(list(chosen))]
        if self.random.random() < 0.3:
            chosen[CHARACTER_SET] = encoded(CHARACTER_SET, "CS", self.random.choice(VALUES))
        elements = [chosen[tag] for tag in sorted(chosen)]
        if self.random.random() < 0.2:  # a tag stands twice, or where it should not
            again = self.random.choice((self.element(3)[1], *elements))
            elements.insert(self.random.randrange(len(elements) + 1), again)
        return b"".join(elements)


Said = tuple[Inventory, list[str], list[str], list[Leak], int, int]


def read(raw: bytes, memory: Memory, *, searched: bool = True) -> Said:
    scanner = Scanner(TOKENS, ALLOWED)
    inventory = Inventory()
    scanner.content = inventory.content
    search = Search(scanner, scanner.raw(raw, 0, len(raw))) if searched else None
    walk = Walk(raw, 0, len(raw), EXPLICIT_LITTLE)
    leaks = list(read_dataset(raw, walk, inventory, memory.shelf(searched), search))
    if search is not None:
        leaks += scanner.judge_rest(search.hits, "outside")
    order = list(inventory.present), list(inventory.dates)
    return inventory, *order, leaks, scanner.elements, scanner.scanned_bytes


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("searched", [True, False])
def test_memory_changes_nothing_of_what_is_said(seed: int, searched: bool) -> None:
    drawing, memory = Drawing(seed), Memory()
    for _ in range(20):
        raw = drawing.dataset()
        assert read(raw, memory, searched=searched) == read(raw, Memory(), searched=searched)


@pytest.mark.parametrize("seed", range(20))
def test_memory_that_forgets_changes_nothing_either(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "_CAPACITY", 1000)
    monkeypatch.setattr(remembering, "_MOST_SIZES", 2)
    monkeypatch.setattr(remembering, "_MOST_PLACES", 3)
    monkeypatch.setattr(remembering, "_MOST_SORTS", 1)
    drawing, memory = Drawing(seed), Memory()
    for _ in range(20):
        raw = drawing.dataset()
        for searched in (True, False):
            assert read(raw, memory, searched=searched) == read(raw, Memory(), searched=searched)


def test_facts_that_were_recalled_are_not_changed_by_what_comes_after() -> None:
    """Two content items of one path: what the second adds is not said of the first, where it stands alone."""
    memory = Memory()
    one = encoded(0x0040A730, "SQ", item(encoded(0x0040A040, "CS", b"TEXT")))
    other = encoded(0x0040A730, "SQ", item(encoded(0x0040A160, "UT", b"HEAD")))
    for raw in (one, one + other, one):
        assert read(raw, memory) == read(raw, Memory())


def test_what_was_read_once_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = encoded(CHARACTER_SET, "CS", b"ISO_IR 100")
    raw += b"".join(encoded(DESCRIPTION + at, "LO", b"HEAD 5.0") for at in range(10))
    raw += encoded(0x0040A730, "SQ", item(encoded(0x0040A160, "UT", b"HEAD")), delimited=True)
    memory, noted = Memory(), list[int]()
    expected = read(raw, memory)
    assert read(raw, memory) == expected
    note = Inventory.note

    def counted(self: Inventory, buffer: Buffer, element: Element) -> None:
        noted.append(element.tag)
        note(self, buffer, element)

    monkeypatch.setattr(Inventory, "note", counted)
    assert read(raw, memory) == expected
    assert noted == [CHARACTER_SET]


def test_memory_shows_nothing() -> None:
    memory = Memory()
    raw = encoded(DESCRIPTION, "LO", b"HEAD 5.0")
    read(raw, memory)
    assert "HEAD" not in f"{memory!r} {memory.shelf(True)!r} {vars(memory)['_young'].values()!r}"
