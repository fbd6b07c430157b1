"""What the disk says, in our errors."""

import errno
import os
from types import TracebackType
from typing import NoReturn

from exchange.domain.errors import SpoolError, SpoolFullError


class disk:  # noqa: N801 - used as a statement: `with disk():`
    """Turn what the disk says into our errors."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, OSError):
            return
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise_full(error)
        raise SpoolError(
            f"cannot use the spool: {os.strerror(error.errno or errno.EIO)}", "check the disk"
        ) from error


def raise_full(error: OSError | None) -> NoReturn:
    """Say that there is no space.

    Raises:
        SpoolFullError: Always.
    """
    raise SpoolFullError(
        "cannot take more instances: the spool has no space left", "free disk space or move the spool"
    ) from error
