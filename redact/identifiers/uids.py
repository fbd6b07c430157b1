"""Which UIDs are mapped: all but those that name a definition rather than a thing."""

import re

_ROOT = "1.2.840.10008."
_VALID = re.compile(r"[0-2](?:\.(?:0|[1-9]\d*))+", re.ASCII)
# Classes, transfer syntaxes, coding schemes, mapping resources and context groups: definitions, which a
# private SOP class or a maker's coding scheme may give under a root of its own.
DEFINITION_TAGS = frozenset(
    {
        0x00080016,  # SOPClassUID
        0x0008001A,  # RelatedGeneralSOPClassUID
        0x0008001B,  # OriginalSpecializedSOPClassUID
        0x00080062,  # SOPClassesInStudy
        0x0008010C,  # CodingSchemeUID
        0x00080117,  # ContextUID
        0x00080118,  # MappingResourceUID
        0x0008040E,  # StoredInstanceTransferSyntaxUID
        0x00081150,  # ReferencedSOPClassUID
        0x0008115A,  # SOPClassesSupported
        0x00083002,  # AvailableTransferSyntaxUID
        0x30100052,  # PertinentSOPClassesInStudy
        0x30100053,  # PertinentSOPClassesInSeries
    }
)


def is_valid_uid(uid: str) -> bool:
    """Whether a UID has the form of PS3.5 9.1."""
    return len(uid) <= 64 and _VALID.fullmatch(uid) is not None


def is_standard_uid(uid: str) -> bool:
    """Whether the DICOM standard itself owns this UID: such a UID names no one and is never mapped."""
    return uid.startswith(_ROOT) and is_valid_uid(uid)


def is_definition(tag: int, uid: str) -> bool:
    """Whether this UID in this element names a definition (a SOP class, a coding scheme, …) and stays."""
    return is_standard_uid(uid) or (tag in DEFINITION_TAGS and is_valid_uid(uid))
