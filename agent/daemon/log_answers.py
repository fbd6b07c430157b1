"""The JSON answers of `lockgate log`."""

from pydantic import BaseModel, ConfigDict, Field, RootModel


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class LogLeafAnswer(_Answer):
    """One line of `lockgate log show --json`."""

    generation: int = Field(description="1, and one more after each loss of the log.")
    seq: int = Field(description="The leaf's index in the tree.")
    t: str = Field(description="RFC 3339, UTC, by the appliance's clock.")
    kind: str
    outcome: str
    actor: str = Field(description="Keyed reference of a person; empty for the appliance itself.")
    obj: dict[str, str | int] = Field(description="Ids, codes, digests and counts; never a name.")
    people: dict[str, str] | None = Field(
        None, description="With --people: the private part; null where it was erased or there is none."
    )


class LogExportAnswer(_Answer):
    """`lockgate log export`."""

    origin: str
    leaves: int
    files: int


class LogCheckAnswer(_Answer):
    """One generation, as `lockgate log fsck` found it."""

    generation: int
    leaves: int = Field(description="How many hold from the first on.")
    root: str
    ok: bool
    place: str = Field(description="Where the first wrong thing is; empty when nothing is wrong.")
    problem: str


class LogChecksAnswer(RootModel[tuple[LogCheckAnswer, ...]]):
    """`lockgate log fsck`."""


class LogKeysAnswer(_Answer):
    """`lockgate log vkey`."""

    origin: str
    vkeys: tuple[str, ...] = Field(description="C2SP signed-note verifier keys: the log's, its cosigner's.")
