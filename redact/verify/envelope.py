"""What stands before the data set: preamble and file meta information (PS3.10 section 7.1)."""

from exchange.dicomio.layout import FileLayout
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.verify.walk import EXPLICIT_LITTLE, Buffer, Element, Walk

_PREAMBLE = 128
_PREFIX = b"DICM"
# PS3.10 section 7.1: what a fresh file meta needs; AE titles, private information and the like are not among
# it.
_ALLOWED = frozenset({0x00020000, 0x00020001, 0x00020002, 0x00020003, 0x00020010, 0x00020012, 0x00020013})


def envelope_elements(buffer: Buffer, layout: FileLayout) -> list[Element]:
    """The elements of the file meta information, if nothing else stands before the data set.

    Raises:
        HeldError: PROOF_IDENTIFIER when the preamble is not empty or the file meta holds more than it must.
    """
    if bytes(buffer[: _PREAMBLE + 4]) != bytes(_PREAMBLE) + _PREFIX:
        raise _malformed("the preamble is not empty", "preamble")
    elements = list(Walk(buffer, _PREAMBLE + 4, layout.dataset_offset, EXPLICIT_LITTLE))
    for element in elements:
        if element.tag not in _ALLOWED:
            raise _malformed("the file meta information holds more than it must", element.path)
    return elements


def _malformed(why: str, path: str) -> HeldError:
    return HeldError(
        ReasonCode.PROOF_IDENTIFIER,
        f"cannot prove that the file names no one: {why}",
        path,
        "hold the instance and report the defect: only the cleaner's own writer may make this file",
    )
