"""What the checks look at."""

from dataclasses import dataclass
from datetime import datetime

from agent.config.firmware import FirmwareProfile, Machine
from agent.config.load import LoadedSite
from agent.config.models import Site
from agent.config.problems import Problem
from agent.doctor.results import Finish, Status


@dataclass(frozen=True)
class Surroundings:
    """The box as doctor finds it.

    Attributes:
        loaded: The site file; None when it has errors or there is none.
        problems: Its mistakes, or those that kept it from being read.
        machine: What was detected.
        profile: Firmware profile; None when none fits.
        profile_problem: Why there is none.
        now: Timezone-aware.
        probe_seconds: How long a peer may take to answer.
    """

    loaded: LoadedSite | None
    problems: tuple[Problem, ...]
    machine: Machine
    profile: FirmwareProfile | None
    profile_problem: str
    now: datetime
    probe_seconds: float = 3.0

    @property
    def site(self) -> Site:
        """The site; ends the check as skipped when there is no valid one."""
        if self.loaded is None:
            raise Finish(Status.SKIP, "needs a valid site file")
        return self.loaded.site
