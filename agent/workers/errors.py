"""What can go wrong with a task, besides what the task itself raises on purpose."""

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import LockgateError


class WorkerError(LockgateError):
    """A task gave no result. `code` is what a hold of its exchange would say."""

    code: ReasonCode = ReasonCode.INTERNAL


class WorkerCrashed(WorkerError):  # noqa: N818 - reads as what has happened
    """The worker process died under the task; `exit_code` as `multiprocessing` tells (-9 = SIGKILL)."""

    code = ReasonCode.POISON

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(
            f"cannot finish the task: its worker died (exit {exit_code})",
            "see the log; -9 may be lack of memory",
        )
        self.exit_code = exit_code


class WorkerTimeout(WorkerError):  # noqa: N818 - reads as what has happened
    """The task was not done at its deadline; its worker was killed."""

    code = ReasonCode.POISON

    def __init__(self, seconds: float) -> None:
        super().__init__(f"cannot finish the task: it was not done after {seconds:g} seconds")
        self.seconds = seconds


class WorkerCancelled(WorkerError):  # noqa: N818 - reads as what has happened
    """The task was cancelled, or the pool is closed."""

    def __init__(self) -> None:
        super().__init__("cannot finish the task: it was cancelled")


class TaskFailed(WorkerError):  # noqa: N818 - reads as what has happened
    """The task raised something that is no LockgateError. Its words stay in the worker: they may hold PHI.

    Attributes:
        kind: Name of the exception's type, e.g. `MemoryError`.
        place: `file.py:line` where it was raised.
    """

    def __init__(self, kind: str, place: str) -> None:
        super().__init__(f"cannot finish the task: {kind} at {place}", "report this line")
        self.kind = kind
        self.place = place
