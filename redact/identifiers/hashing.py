"""Hashing a value: what stands for it in one pseudonym domain, valid for its VR (PS3.5 6.2).

The same value gives the same token wherever it stands, so that what belongs together stays together; without
the domain's key nobody can tell whether a token stands for a value that he guesses. Tokens of numbers are
numbers and therefore short: of a hundred thousand different DS values two share a token with a chance of one
in a hundred thousand, of IS values many do.
"""

import unicodedata

from redact.identifiers.pseudonymiser import Pseudonymiser, base32

TOKEN_LENGTH = 16  # fits SH, CS, AE and DS, the shortest VRs of text
_IS_BITS = 30  # PS3.5: from -2^31 to 2^31 - 1
_DS_DIGITS = 15


def hashed(pseudonymiser: Pseudonymiser, vr: str, value: str) -> str:
    """The token of one value; "" of an empty one.

    Args:
        pseudonymiser: Of the domain.
        vr: AE, CS, LO, LT, PN, SH, ST, UC, UR, UT: 16 letters and digits (UR: as a URN); IS, DS: a number.
        value: As it stands in the data set; padding and Unicode form do not count.
    """
    plain = unicodedata.normalize("NFC", value.replace("\0", " ")).strip()
    if not plain:
        return ""
    digest = pseudonymiser.digest_of_value(plain)
    if vr == "IS":
        return str(int.from_bytes(digest[:8], "big") >> (64 - _IS_BITS))
    if vr == "DS":
        return str(int.from_bytes(digest[:8], "big") % 10**_DS_DIGITS)
    token = base32(digest)[:TOKEN_LENGTH]
    return f"urn:lockgate:{token}" if vr == "UR" else token
