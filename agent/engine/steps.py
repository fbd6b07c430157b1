"""What a workflow sees, and the edge at which every exception becomes a code.

DBOS keeps arguments, results and exception texts in its tables. Only ids, counts, digests and codes may get
there, so everything that crosses this edge is checked against one narrow pattern.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Protocol

import structlog

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import LockgateError

_log = structlog.get_logger()

# No blank, no caret, no control character: a person's name in any DICOM or printed form does not fit.
_PLAIN = re.compile(r"[A-Za-z0-9._:/,=+-]{0,512}\Z")
_REASON_CODES = frozenset(ReasonCode)
_OK = "ok="
_FAILED = "failed="


class StepFailed(Exception):  # noqa: N818 - reads as what has happened
    """A step raised. Carries codes only; what there was to say in words was logged or held inside the step.

    Attributes:
        step: The step's name.
        code: A published reason code, `internal` for whatever was not raised on purpose.
        kind: Name of the error's type, e.g. `CustodyError`.
    """

    def __init__(self, step: str, code: str, kind: str) -> None:
        super().__init__(f"step {step} failed: {code} ({kind})")
        self.step = step
        self.code = code
        self.kind = kind


class EngineClosing(BaseException):
    """The engine is going down: the workflow stops between two steps and goes on after the next start.

    Not an Exception: neither a workflow nor DBOS may take it for the workflow's own failure and keep it.
    """


class StepRunner(Protocol):
    """Given to a workflow; the only way in which it does anything that must not be repeated."""

    workflow_id: str

    def run(self, name: str, step: Callable[..., str], *ids: str) -> str:
        """Run `step(*ids)` unless its result is kept from before; its result is kept.

        A step is run at least once: killed before its result is kept, it runs again.

        Raises:
            StepFailed: It raised, or gave something that is no id, count, digest or code. This is kept, too.
        """


Workflow = Callable[..., str]
"""`workflow(steps, *ids) -> outcome`: deterministic apart from its steps; the outcome is a code."""

OnFailure = Callable[[str, StepFailed], None]
"""`on_failure(workflow_id, failure)`: makes a failed workflow a hold or a new attempt, idempotently."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A step's result as DBOS keeps it."""

    text: str

    @classmethod
    def of(cls, name: str, step: Callable[..., str], ids: tuple[str, ...]) -> "Outcome":
        """Run a step; whatever it raises becomes a code here and goes no further."""
        try:
            value = plain(step(*ids))
        except LockgateError as error:
            code, kind = code_of(error), type(error).__name__
            _log.warning("step failed", step=name, code=code, error=kind, at=place_of(error))
        except Exception as error:  # noqa: BLE001 - the boundary: one study
            code, kind = str(ReasonCode.INTERNAL), type(error).__name__
            _log.error("step failed", step=name, code=code, error=kind, at=place_of(error))
        else:
            return cls(_OK + value)
        return cls(f"{_FAILED}{code},{kind}")

    @property
    def failed(self) -> bool:
        """Whether the step raised."""
        return not self.text.startswith(_OK)

    def value(self, name: str) -> str:
        """The result, or the failure.

        Raises:
            StepFailed: The step had failed.
        """
        if not self.failed:
            return self.text.removeprefix(_OK)
        code, _, kind = self.text.removeprefix(_FAILED).partition(",")
        raise StepFailed(name, code, kind)


def plain(value: object) -> str:
    """The value, if it is plain enough to be kept by the engine.

    Raises:
        ValueError: It is not; the value is not shown.
    """
    if not isinstance(value, str) or not _PLAIN.match(value):
        raise ValueError("cannot hand this to the engine: only ids, counts, digests and codes are kept there")
    return value


def code_of(error: LockgateError) -> str:
    """The published code of an error; `internal` when it has none."""
    code = getattr(error, "code", ReasonCode.INTERNAL)
    return str(code) if code in _REASON_CODES else str(ReasonCode.INTERNAL)


def place_of(error: BaseException) -> str:
    """Where it was raised, `file.py:line`; never the message, which may quote a study."""
    frames = extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
