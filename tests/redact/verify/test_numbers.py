"""The proof finds the patient's numbers in binary and in characters, and nothing where numbers only agree."""

from collections.abc import Callable
from pathlib import Path
from struct import pack, unpack
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from exchange.domain.errors import HeldError
from redact.verify.numbers import binary_numbers, numbers_in
from redact.verify.proof import prove_instance
from redact.verify.walk import EXPLICIT_LITTLE, Walk
from tests.redact.verify.studies import BIG, EXPECTATIONS, EXPLICIT, IDENTIFIERS, IMPLICIT, pair

NUMBER = 4471180  # of IDENTIFIERS
PHONE = 493419711800


def verdict(folder: Path, change: Callable[[Dataset], None], syntax: str = EXPLICIT) -> str:
    """`passes`, or the path at which the instance is held."""
    source, output = pair(folder, change, syntax)
    try:
        prove_instance(source, output, identifiers=IDENTIFIERS, expectations=EXPECTATIONS)
    except HeldError as held:
        return held.path
    return "passes"


def putting(keyword: str, value: Any) -> Callable[[Dataset], None]:
    return lambda ds: setattr(ds, keyword, value)


@pytest.mark.parametrize(
    ("keyword", "value", "path"),
    [
        ("SelectorULValue", NUMBER, "(0072,0078)"),
        ("SelectorULValue", [1, NUMBER], "(0072,0078)"),
        ("SelectorSLValue", -NUMBER, "(0072,007C)"),
        ("SelectorUVValue", PHONE, "(0072,0083)"),
        ("SelectorSVValue", NUMBER, "(0072,0082)"),
        ("SelectorFDValue", float(NUMBER), "(0072,0074)"),
        ("SelectorFLValue", float(NUMBER), "(0072,0076)"),
        ("SelectorFLValue", unpack("<f", pack("<f", PHONE))[0], "(0072,0076)"),
        ("SelectorATValue", Tag(NUMBER), "(0072,0060)"),
        ("TableTopVerticalPosition", "4.47118E6", "(300A,0128)"),
        ("TableTopVerticalPosition", f"-{NUMBER}.0", "(300A,0128)"),
    ],
)
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
def test_a_number_of_the_patient_is_found(
    keyword: str, value: Any, path: str, syntax: str, tmp_path: Path
) -> None:
    assert verdict(tmp_path, putting(keyword, value), syntax) == path


def test_bytes_that_are_called_unknown_are_read_by_the_dictionary() -> None:
    tag = Tag("SelectorULValue")
    head = pack("<HH2sHL", tag.group, tag.element, b"UN", 0, 4)
    (element,) = Walk(head + pack("<L", NUMBER), 0, 16, EXPLICIT_LITTLE)
    assert list(binary_numbers(element, pack("<L", NUMBER), little_endian=False)) == [(NUMBER, False)]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("SelectorULValue", NUMBER + 1),
        ("SelectorULValue", 1),  # ACC77 and the study 1 are too short to mean anything
        ("SelectorULValue", [NUMBER] * 17),
        ("SelectorOLValue", pack("<17L", *[NUMBER] * 17)),
        ("SelectorFDValue", NUMBER + 0.5),
        ("SelectorFDValue", float("nan")),
        ("DimensionIndexPointer", Tag(0x00209056)),
        ("PixelPaddingRangeLimit", 4471),
        ("TableTopVerticalPosition", "4.471180"),
        ("TableTopVerticalPosition", "1E300"),
    ],
)
def test_other_numbers_pass(keyword: str, value: Any, tmp_path: Path) -> None:
    assert verdict(tmp_path, putting(keyword, value)) == "passes"


@pytest.mark.parametrize(
    ("bare", "numbers"),
    [
        ("mrn4471180", [4471180]),
        ("0012345", [12345]),
        ("1234", []),
        ("00001234", []),
        ("111111", []),
        ("12345ab678901", [12345, 678901]),
        ("9" + "1" * 5000, []),
    ],
)
def test_numbers_of_an_identifier(bare: str, numbers: list[int]) -> None:
    assert list(numbers_in(bare)) == numbers
