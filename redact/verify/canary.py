"""A planted identifier that every run must find: a proof that cannot fail proves nothing.

The canary goes through the very scanner that examined the instance, with the same compiled tokens: as raw
bytes across a block border, in a nested text element, in a private element, in unknown bytes, in UTF-16 and
as a binary number.
"""

import struct
from base64 import b32encode
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.verify.bytescan import BLOCK
from redact.verify.expectations import Expectations
from redact.verify.inventory import Inventory
from redact.verify.memory import Memory, Shelf
from redact.verify.reading import Search, read_dataset
from redact.verify.scan import Scanner
from redact.verify.tokens import Tokens
from redact.verify.walk import EXPLICIT_LITTLE, Walk


@dataclass(frozen=True, slots=True)
class Canary:
    """A person who does not exist, the same for the same seed."""

    family: str = field(repr=False)
    given: str = field(repr=False)
    number: str = field(repr=False)

    @classmethod
    def of(cls, seed: bytes) -> "Canary":
        """Derive the canary of a run from its seed (an exchange's id, say)."""
        digest = sha256(b"lockgate-canary-v1" + seed).digest()
        letters = b32encode(digest).decode("ascii").translate(str.maketrans("234567", "ghjkmn")).title()
        return cls(
            "Q" + letters[:9].lower(),
            "Z" + letters[10:18].lower(),
            f"{int.from_bytes(digest[20:28]):020d}"[:12],
        )

    @property
    def identifiers(self) -> HarvestedIdentifiers:
        """What the tokens must be compiled with besides the patient's identifiers."""
        return HarvestedIdentifiers(
            frozenset(
                {
                    Identifier(IdentifierKind.PATIENT_NAME, f"{self.family}^{self.given}", "canary"),
                    Identifier(IdentifierKind.PATIENT_ID, self.number, "canary"),
                }
            )
        )


def check_stream(
    canary: Canary, tokens: Tokens, expectations: Expectations, shelf: Shelf | None = None
) -> str:
    """Plant the canary in a data set of its own and find every plant; cheap, for every instance.

    Args:
        canary: Of this run.
        tokens: Compiled with it.
        expectations: Of the profile.
        shelf: Of the memory that the proof of the instance uses: it may hide no plant either.

    Returns:
        `found`.

    Raises:
        HeldError: PROOF_IDENTIFIER, the scanner missed a plant: this proof is void.
    """
    stream, planted = _planted_dataset(canary)
    scanner = Scanner(tokens, _strict(expectations))
    search = Search(scanner, scanner.raw(stream, 0, len(stream)))
    walk = Walk(stream, 0, len(stream), EXPLICIT_LITTLE)
    leaks = read_dataset(stream, walk, Inventory(), shelf or Memory().shelf("canary"), search)
    if planted - {(leak.path, leak.scan) for leak in leaks}:
        raise _void()
    return "found"


def check_block(canary: Canary, tokens: Tokens, expectations: Expectations) -> None:
    """Plant the canary across the border of two blocks of the byte scan; once for each set of tokens.

    Raises:
        HeldError: PROOF_IDENTIFIER, the scanner missed it: this proof is void.
    """
    block = _planted_block(canary)
    if not len(Scanner(tokens, _strict(expectations)).raw(block, 0, len(block))):
        raise _void()


def _strict(expectations: Expectations) -> Expectations:
    """The same profile without what it lets remain: a canary may remain nowhere."""
    return Expectations(expectations.options, expectations.pseudonymiser)


def _void() -> HeldError:
    return HeldError(
        ReasonCode.PROOF_IDENTIFIER,
        "cannot prove anything: the planted canary was not found",
        "canary",
        "stop this appliance's outbound routes and report the defect",
    )


@lru_cache(maxsize=8)
def _planted_dataset(canary: Canary) -> tuple[bytes, frozenset[tuple[str, str]]]:
    """An explicit little endian data set, and where (path, scan) the canary must be found in it."""
    name = f"{canary.family}^{canary.given}"
    spoken = f"seen with {canary.given.upper()} {canary.family.upper()} today"
    dashed = "-".join(canary.number[at : at + 3] for at in range(0, 12, 3))
    nested = _element(0x0040A160, b"UT", spoken.encode())
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(nested)) + nested
    stream = b"".join(
        [
            _element(0x00081030, b"LO", dashed.encode()),
            _element(0x00091001, b"LO", name.encode()),
            _element(0x00100010, b"PN", canary.family.encode()),
            _element(0x00100011, b"UN", b"\x00\x01" + canary.number.encode() + b"\x00"),
            _element(0x00280011, b"OB", name.encode("utf-16-le")),
            _element(0x0040A730, b"SQ", item),
            _element(0x00720083, b"UV", struct.pack("<Q", int(canary.number))),
            _element(0x7FE00010, b"OW", b"\x10\x00" * 40 + name.encode() + b"\x10" * 21),
        ]
    )
    planted = {
        ("(0008,1030)", "decoded"),
        ("(0009,1001)", "raw"),
        ("(0009,1001)", "decoded"),
        ("(0010,0010)", "decoded"),
        ("(0010,0011)", "raw"),
        ("(0028,0011)", "raw"),
        ("(0040,A730)[0].(0040,A160)", "decoded"),
        ("(0072,0083)", "decoded"),
        ("(7FE0,0010)", "raw"),
    }
    return stream, frozenset(planted)


def _planted_block(canary: Canary) -> memoryview:
    """Bytes in which the canary lies across the border of two blocks of the byte scan."""
    block = bytearray(BLOCK + 64)
    name = f"{canary.family}^{canary.given}".encode()
    block[BLOCK - 5 : BLOCK - 5 + len(name)] = name
    return memoryview(block)


def _element(tag: int, vr: bytes, value: bytes) -> bytes:
    padded = value + b"\0" * (len(value) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    if vr in {b"OB", b"OW", b"SQ", b"UN", b"UT", b"UV"}:
        return head + struct.pack("<HI", 0, len(padded)) + padded
    return head + struct.pack("<H", len(padded)) + padded
