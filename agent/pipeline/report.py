"""The report of `lockgate clean` (schema `lockgate.clean/1`): one entry per input file, no values."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReportedReason(_Part):
    """Why a file was held or failed: published code, and element path or box."""

    code: str
    path: str


class ReportedBox(_Part):
    """A removed text region: 0-based, half-open, in stored pixels."""

    frame: int
    x0: int
    y0: int
    x1: int
    y1: int
    rule: str
    confidence: float


class ReportedActions(_Part):
    """How many elements were treated how."""

    removed: int = 0
    emptied: int = 0
    replaced: int = 0
    shifted: int = 0
    uids: int = 0
    kept: int = 0


class ReportedFile(_Part):
    """One input file; `input` is relative to IN, `output` to OUT; `sopInstanceUID` is the new one."""

    input: str
    status: Literal["clean", "held", "failed"]
    output: str | None
    sopInstanceUID: str | None  # noqa: N815 - a JSON name
    reasons: tuple[ReportedReason, ...] = ()
    boxes: tuple[ReportedBox, ...] = ()
    actions: ReportedActions = ReportedActions()


class ReportedRecogniser(_Part):
    """What looked for names in free text, as installed."""

    name: str
    version: str
    sha256: Sha256
    threshold: float


class Totals(_Part):
    """Files by status."""

    clean: int
    held: int
    failed: int


class CleanReport(_Part):
    """What one run of `lockgate clean` did. Its input paths may be PHI: the file has mode 0600."""

    schema_: Literal["lockgate.clean/1"] = Field("lockgate.clean/1", alias="schema")
    version: str
    profile: str
    profileSha256: Sha256  # noqa: N815 - a JSON name
    identity: Literal["retained"] | None = Field(
        None, description="retained: what is clean names its patient still; absent where identity is removed."
    )
    reason: str | None = Field(None, description="Why identity is retained, of the profile; else absent.")
    names: ReportedRecogniser | None = Field(
        None, description="What looked for names in free text; absent where the profile has nothing do so."
    )
    key: Literal["site", "file", "ephemeral"]
    totals: Totals
    files: tuple[ReportedFile, ...]

    def to_json(self) -> str:
        """The report as JSON text."""
        absent = {"identity", "reason"} if self.identity is None else set()
        absent |= {"names"} if self.names is None else set()
        return self.model_dump_json(by_alias=True, indent=2, exclude=absent) + "\n"
