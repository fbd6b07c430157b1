"""The refusals of this room: one place for their wording, which never shows a byte of the file."""

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError


def not_dicom(why: str) -> InputError:
    """Bytes that are no DICOM data set."""
    return InputError(ReasonCode.NOT_DICOM, f"cannot read the file as DICOM: {why}", "check what was sent")


def truncated(why: str) -> InputError:
    """A file that ends, or an item that ends, before its content does."""
    return InputError(ReasonCode.TRUNCATED, f"cannot read the whole file: {why}", "send it again")


def exceeded(what: str, limit: int) -> InputError:
    """A file that would cost more than `Limits` allow."""
    return InputError(
        ReasonCode.LIMIT_EXCEEDED,
        f"cannot accept the file: {what} exceeds the limit of {limit}",
        "raise the limit if the sender is trusted",
    )


def unknown_syntax() -> InputError:
    """A transfer syntax that we cannot read."""
    return InputError(
        ReasonCode.TRANSFER_SYNTAX,
        "cannot read the data set: its transfer syntax is not known",
        "ask the sender for a standard transfer syntax",
    )
