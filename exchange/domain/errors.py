"""The error tree.

    LockgateError
    ├── InputError           bytes from outside cannot be used (code says why)
    ├── HeldError            a stage will not let this instance pass (code, path)
    ├── ConfigurationError   the site file or what it names is wrong
    ├── KeysError            a key is missing, unreadable or unusable
    ├── SpoolError           the spool cannot take or give an instance
    │   └── SpoolFullError   no space: answer out-of-resources, try again later
    ├── LogError             the log is broken or cannot be written
    ├── CustodyError         custody refuses a state change
    │   └── DeniedError      the person may not
    ├── DeliveryError        a destination did not take what was sent
    │   ├── PeerUnavailable  nothing is known to have landed; try again later
    │   └── PeerRefused      the peer answered no, for good
    └── ModelError           a model file or runtime is missing or not the pinned one

Every message starts with "cannot", says why, and what to do next; it never contains a value read from a
study. `exchange.receipts.verify` raises its own VerificationError and nothing else.
"""

from exchange.domain.codes import ReasonCode


class LockgateError(Exception):
    """Base of all errors that Lockgate raises on purpose.

    Attributes:
        message: What cannot be done and why; free of PHI.
        hint: What the reader should do next; may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class InputError(LockgateError):
    """Bytes from outside cannot be used; `code` is the published reason."""

    def __init__(self, code: ReasonCode, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code


class HeldError(LockgateError):
    """A stage will not let this instance pass.

    Attributes:
        code: The published reason.
        path: Element path such as `(0040,A730)[2].(0040,A160)` or a box such as `frame 3: 10,20,90,40`;
            never a value.
    """

    def __init__(self, code: ReasonCode, message: str, path: str = "", hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code
        self.path = path


class ConfigurationError(LockgateError):
    """The site file, or something that it names, is wrong."""


class KeysError(LockgateError):
    """A key is missing, unreadable or unusable."""


class SpoolError(LockgateError):
    """The spool cannot take or give an instance."""


class SpoolFullError(SpoolError):
    """The spool has no space left: the sender must be told to try again later."""


class LogError(LockgateError):
    """The log is broken or cannot be written."""


class CustodyError(LockgateError):
    """Custody refuses a state change, or finds its own record inconsistent."""


class DeniedError(CustodyError):
    """The person who asks is not known, or has not the role for it."""


class DeliveryError(LockgateError):
    """A destination did not take what was sent."""


class PeerUnavailable(DeliveryError):  # noqa: N818 - reads as the state that it reports
    """The peer could not be reached or fell silent: try again later."""


class PeerRefused(DeliveryError):  # noqa: N818 - reads as the state that it reports
    """The peer answered no, for good: trying the same again is useless."""


class ModelError(LockgateError):
    """A model file or its runtime is missing or is not the pinned one."""
