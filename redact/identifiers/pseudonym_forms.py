"""What pseudonyms look like, so that they are found in an object that somebody else made of ours.

The form says nothing of whether it is a pseudonym: other software makes UIDs of the same form. The crosswalk
knows.
"""

import re
from collections.abc import Mapping

# `2.25.` and a number of 128 bits; not a part of a longer UID, in front or behind.
_UID = r"(?<![0-9.])2\.25\.[1-9][0-9]{0,38}(?![0-9]|\.[0-9])"
# `LG` and 16 letters and digits without I, L, O and U; not a part of a longer word.
_PATIENT = r"(?<![0-9A-Za-z])LG[0-9A-HJKMNP-TV-Z]{16}(?![0-9A-Za-z])"

_UID_BYTES = re.compile(_UID.encode("ascii"))
_PATIENT_BYTES = re.compile(_PATIENT.encode("ascii"))
_EITHER = re.compile(f"{_UID}|{_PATIENT}")
_EITHER_BYTES = re.compile(f"{_UID}|{_PATIENT}".encode("ascii"))


def uids_in(value: bytes) -> frozenset[str]:
    """What may be a pseudonym of a UID in the bytes of one value; all pseudonyms are ASCII."""
    return _texts(_UID_BYTES, value)


def patients_in(value: bytes) -> frozenset[str]:
    """What may be a patient's pseudonym in the bytes of one value."""
    return _texts(_PATIENT_BYTES, value)


def exchanged(value: bytes, known: Mapping[str, bytes]) -> bytes:
    """A value with everything in it that is known exchanged, and what is unknown as it is."""
    return _EITHER_BYTES.sub(lambda found: known.get(found[0].decode("ascii"), found[0]), value)


def exchanged_text(text: str, known: Mapping[str, str]) -> str:
    """The same of decoded text."""
    return _EITHER.sub(lambda found: known.get(found[0], found[0]), text)


def _texts(form: "re.Pattern[bytes]", value: bytes) -> frozenset[str]:
    return frozenset(found.decode("ascii") for found in form.findall(value))
