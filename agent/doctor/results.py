"""What a check says, and the answer of `lockgate doctor`."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Status(StrEnum):
    """How a check ended."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class CheckResult(BaseModel):
    """One named result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Stable; scripts may rely on it. Peers are peer:NAME.")
    status: Status
    detail: str
    fix: str = Field("", description="What to do; empty when there is nothing to do.")


class DoctorAnswer(BaseModel):
    """`lockgate doctor --json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Status = Field(description="The worst of the checks; skip counts as pass.")
    firmwareProfile: str = Field(description="In use on this box; empty when none fits.")  # noqa: N815
    seconds: float
    checks: tuple[CheckResult, ...]

    @property
    def exit_code(self) -> int:
        """0 well, 1 warnings, 2 failures."""
        return {Status.WARN: 1, Status.FAIL: 2}.get(self.status, 0)


class Finish(Exception):  # noqa: N818 - control flow of one check, not an error
    """Ends a check early with this result."""

    def __init__(self, status: Status, detail: str, fix: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.fix = fix


def worst(results: tuple[CheckResult, ...]) -> Status:
    """The worst status among results; skip counts as pass."""
    for status in (Status.FAIL, Status.WARN):
        if any(result.status is status for result in results):
            return status
    return Status.PASS
