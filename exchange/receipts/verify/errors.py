"""The verifier's one error type, and the codes that it gives.

S  bundle-unreadable bundle-damaged bundle-incomplete too-large json envelope payload-type payload-differs
   chain-certificates no-known-signature signature signature-cms statement not-canonical signer-unknown
   signer-role certificate certificate-expired key-revoked signer-name issued-in-future level trust-unreadable
D  files-unreadable no-subjects header-changed pixels-changed file-changed transcoded meta-differs renamed
   missing duplicate extra file-unreadable
L  log-proof log-leaf log-signature
C  chain-replay chain-fork chain-order chain-link chain-study chain-subjects chain-edition
   internal (a defect of the verifier itself; never taken for valid)
"""

from typing import Final

UNREADABLE: Final = frozenset({"bundle-unreadable", "files-unreadable", "trust-unreadable"})


class VerificationError(Exception):
    """A receipt, or what it is checked against, is not what it must be.

    Attributes:
        code: Stable name of what is wrong.
        message: What is wrong, for a person; names files and SOP Instance UIDs as sent.
        hint: What to do next; may be empty.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f"; {self.hint}" if self.hint else "")
