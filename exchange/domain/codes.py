"""The published reason codes: why an instance or an exchange is held or failed.

The list is a contract (`lockgate clean --report`, holds, receipts): a code is never renamed, only added.
"""

from enum import StrEnum


class ReasonCode(StrEnum):
    """Why something was held or failed. The text never carries a value from the study."""

    NOT_DICOM = "not-dicom"
    DICOMDIR = "dicomdir"
    TRUNCATED = "truncated"
    NO_FILE_META = "no-file-meta"
    MISSING_UID = "missing-uid"
    GROUP_0000 = "group-0000"
    LIMIT_EXCEEDED = "limit-exceeded"
    UID_CONFLICT = "uid-conflict"
    TRANSFER_SYNTAX = "transfer-syntax"
    UNDECODABLE_PIXELS = "undecodable-pixels"
    VIDEO = "video"
    STRUCTURED_CONTENT = "structured-content"
    ENCAPSULATED_DOCUMENT = "encapsulated-document"
    COMPLEX_GRAPHICS = "complex-graphics"
    UNCERTAIN_TEXT = "uncertain-text"  # perhaps text in pixels, perhaps anatomy: a person looks
    SPOT_CHECK = "spot-check"  # clean, and of a kind that the route shows to a person first
    NAMES = "names"  # the recogniser of names that the profile asks for gave no answer
    PROOF_IDENTIFIER = "proof-identifier"
    PROOF_TEXT = "proof-text"
    PROOF_IOD = "proof-iod"
    IDENTITY_MISMATCH = "identity-mismatch"  # identity is retained, and the pixels name somebody else
    POLICY = "policy"
    INTERNAL = "internal"
    # Of an exchange, in the daemon only.
    UNROUTED = "unrouted"
    QUALITY = "quality"
    DELIVERY = "delivery"
    POISON = "poison"
    QUARANTINE = "quarantine"  # an inbound instance could not be shown to have its quarantine identity
    REIDENTIFY = "reidentify"  # whose a returned study is, or that it says so, could not be shown
    RECONCILE = "reconcile"  # standing: delivered under quarantine, a person reconciles it in the PACS


PIXEL_CODES = frozenset({ReasonCode.UNDECODABLE_PIXELS, ReasonCode.VIDEO})
"""Holds after whose release the pixels pass as they came: unexamined, and never called clean."""

PROOF_CODES = frozenset({ReasonCode.PROOF_IDENTIFIER, ReasonCode.PROOF_TEXT, ReasonCode.PROOF_IOD})
"""Holds after whose release the cleaned bytes pass though the proof failed."""

UNPROVED_CODES = PIXEL_CODES | PROOF_CODES
"""Holds whose release lets bytes leave that were not proved; no other release does."""

STANDING_CODES = frozenset({ReasonCode.RECONCILE})
"""Holds that stop nothing: a task for a person, open beside an exchange that goes on."""
