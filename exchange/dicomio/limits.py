"""What one file may cost us at most: hostile or broken files must not exhaust the box."""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one DICOM file; what exceeds them is refused as `limit-exceeded`.

    Attributes:
        depth: Levels of nested sequences. The deepest IODs in use need fewer than 20.
        elements: Data elements, items and fragments together, at all levels.
        element_bytes: Value of one element other than top-level pixel data. It is held in memory.
        header_bytes: Everything but top-level pixel data, together. It is held in memory.
        inflated_bytes: A deflated data set after inflating (deflate reaches 1:1000).
            The proof of its cleaning holds it in memory.
        uid_bytes: SOP Class and SOP Instance UID; the standard allows 64.
    """

    depth: int = 64
    elements: int = 1_000_000
    element_bytes: int = 64 * MIB
    header_bytes: int = 256 * MIB
    inflated_bytes: int = 1024 * MIB
    uid_bytes: int = 256
