"""What `check --json` and `plan --json` answer; the published schemas are generated from here."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.config.problems import Problem


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProblemAnswer(_Answer):
    """One mistake and its place; line and column count from 1."""

    file: str
    line: int
    column: int
    severity: Literal["error", "warning"]
    message: str
    instead: str

    @classmethod
    def of(cls, problem: Problem) -> "ProblemAnswer":
        """The answer's form of a problem."""
        return cls(
            file=problem.file,
            line=problem.line,
            column=problem.column,
            severity=problem.severity,
            message=problem.message,
            instead=problem.instead,
        )


class CheckAnswer(_Answer):
    """`lockgate check --json`."""

    ok: bool
    file: str
    sha256: str = Field(description="Of the site file; empty when it has errors.")
    problems: tuple[ProblemAnswer, ...]


Planned = Literal["removed", "emptied", "replaced", "uid", "shifted", "kept", "added"]


class PlannedElement(_Answer):
    """What would happen to one element, wherever it stands in the study; no values."""

    path: str = Field(description="Tags from the root; [] stands for every item of a sequence.")
    keyword: str = Field(description="Empty for private and unknown elements.")
    action: Planned
    count: int = Field(description="How many times in the study.")


class PlannedRoute(_Answer):
    """One exchange that would be opened."""

    route: str
    identity: Literal["removed", "retained", "quarantined"]
    profile: str | None
    pseudonymDomain: str | None  # noqa: N815 - a JSON name
    conditions: dict[str, str] = Field(description="The route's match, as written.")
    deliver: tuple[str, ...]
    pixels: str
    elements: tuple[PlannedElement, ...]
    held: dict[str, int] = Field(description="Instances that would be held, by reason code.")


class PlannedStudy(_Answer):
    """What would happen to a study."""

    files: int
    modalities: tuple[str, ...]
    routes: tuple[PlannedRoute, ...] = Field(description="None: the study would be held as unrouted.")


class PlanAnswer(_Answer):
    """`lockgate plan --json`."""

    file: str
    sha256: str
    firmwareProfile: str  # noqa: N815
    workers: int
    aeTitles: tuple[str, ...] = Field(description="That may be called.")  # noqa: N815
    configuration: dict[str, Any] = Field(
        description="The site file with defaults filled in, paths absolute."
    )
    profiles: dict[str, str] = Field(description="SHA-256 of each profile that a route names.")
    studies: tuple[PlannedStudy, ...] | None = Field(description="Null without --study.")
    refused: dict[str, int] = Field(description="Files that are no usable DICOM, by reason code.")
