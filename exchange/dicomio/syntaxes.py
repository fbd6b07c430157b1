"""Transfer syntaxes: how a data set is encoded (PS3.5 section 10 and annex A, PS3.6 table A-1)."""

from dataclasses import dataclass

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"

# JPIP: pixel data elsewhere, by reference (PS3.5 A.6, A.8), and deflated as a whole (A.7, A.9).
_REFERENCED_DEFLATED = frozenset({"1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
_REFERENCED = frozenset({"1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.204"}) | _REFERENCED_DEFLATED
_DEFLATED = frozenset({DEFLATED}) | _REFERENCED_DEFLATED  # PS3.5 A.5
_NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG})

_JPEG = "1.2.840.10008.1.2.4."
_ENCAPSULATED = frozenset(
    {
        # JPEG, the retired processes included: old archives hold them
        *(f"{_JPEG}{suffix}" for suffix in range(50, 67)),
        f"{_JPEG}70",  # JPEG Lossless SV1
        f"{_JPEG}80",  # JPEG-LS lossless
        f"{_JPEG}81",  # JPEG-LS near-lossless
        *(f"{_JPEG}{suffix}" for suffix in range(90, 94)),  # JPEG 2000
        # MPEG-2, H.264, H.265 and their fragmentable forms
        *(f"{_JPEG}{number}{form}" for number in range(100, 107) for form in ("", ".1")),
        f"{_JPEG}107",
        f"{_JPEG}108",
        *(f"{_JPEG}{suffix}" for suffix in (110, 111, 112)),  # JPEG XL
        *(f"{_JPEG}{suffix}" for suffix in (201, 202, 203)),  # HTJ2K
        "1.2.840.10008.1.2.1.98",  # Encapsulated Uncompressed
        "1.2.840.10008.1.2.5",  # RLE
        "1.2.840.10008.1.2.8.1",  # Deflated Image Frame
    }
)
KNOWN = _NATIVE | _DEFLATED | _REFERENCED | _ENCAPSULATED


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the elements of a data set are encoded."""

    implicit_vr: bool
    little_endian: bool
    deflated: bool = False


def encoding_of(transfer_syntax_uid: str) -> Encoding | None:
    """How a data set in this transfer syntax is encoded, or None when we do not know the syntax."""
    if transfer_syntax_uid not in KNOWN:
        return None
    return Encoding(
        implicit_vr=transfer_syntax_uid == IMPLICIT_LITTLE,
        little_endian=transfer_syntax_uid != EXPLICIT_BIG,
        deflated=transfer_syntax_uid in _DEFLATED,
    )


def is_encapsulated(transfer_syntax_uid: str) -> bool:
    """True when pixel data of this transfer syntax is fragments (PS3.5 A.4)."""
    return transfer_syntax_uid in _ENCAPSULATED


def is_referenced(transfer_syntax_uid: str) -> bool:
    """True when pixel data of this transfer syntax is a URL (PS3.5 A.6)."""
    return transfer_syntax_uid in _REFERENCED
