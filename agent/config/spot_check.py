"""One spot check as the site file writes it."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict

from agent.config.conditions import When
from agent.config.types import Count

if TYPE_CHECKING:
    from redact.pixels.spot_check import SpotRule


class SpotCheck(BaseModel):
    """Clean instances that a person looks at before they leave; all that it says must hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    when: When | None = Field(None, description="A condition on the header as it came; any if left out.")
    drawings: Annotated[bool, Strict()] = Field(
        False, description="With overlay planes or graphic annotations only."
    )
    boxes: Count | None = Field(None, description="Text regions removed from one frame, at least.")
    area: Annotated[float, Strict(), Field(gt=0, le=1)] | None = Field(
        None, description="Share of one frame's area that was removed, at least."
    )
    one_in: Count = Field(1, description="Of so many studies one, chosen by a keyed digest of the study.")

    def rule(self, number: int) -> "SpotRule":
        """What the stage asks; `number` from 1."""
        from redact.pixels.spot_check import SpotRule

        when = self.when.condition() if self.when else None
        return SpotRule(when, self.drawings, self.boxes or 0, self.area or 0.0, self.one_in, number)
