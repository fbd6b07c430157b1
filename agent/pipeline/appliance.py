"""Everything that the workflows of one running appliance share."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock

from agent.custody.database import Database
from agent.pipeline.clockwatch import ClockWatch
from agent.pipeline.configuration import Configuration
from agent.pipeline.degraded import Degraded
from agent.pipeline.metrics import Metrics
from agent.pipeline.progress import Progress
from agent.pipeline.questions import Questions
from agent.pipeline.senders import Senders
from agent.pipeline.turns import Turns
from agent.workers.pool import Pool
from exchange.crosswalk.store import Crosswalk
from exchange.keys.domains import DomainKeys
from exchange.keys.signing import RevokedKey
from exchange.log.writer import Log
from exchange.receipts.issuer import ReceiptIssuer
from exchange.spool.store import Spool


@dataclass(frozen=True, slots=True)
class Folders:
    """Where things lie below the state folder.

    Attributes:
        state: The state folder itself; recorded receipt paths are relative to it.
    """

    state: Path

    @property
    def frozen(self) -> Path:
        """Cleaned files, named by the digest of their data set."""
        return self.state / "frozen"

    @property
    def scratch(self) -> Path:
        """Work in progress; emptied at start."""
        return self.state / "scratch"

    @property
    def receipts(self) -> Path:
        """Signed receipts by exchange and edition."""
        return self.state / "receipts"


@dataclass(slots=True)
class Appliance:
    """The parts of a running appliance. Only `configuration` ever changes, at a reload.

    Attributes:
        firmware_profile: Name of the profile in use, for receipts.
        slots: Worker slots; how far a study is spread.
        log: Where every event is recorded.
        clock: Timezone-aware now.
        wake: Called when new work may be due; thread-safe.
        metrics: Counters and histograms; without PHI in any label.
        progress: How far the cleaning of each exchange has come.
        turns: Whose turn it is, by resource; the schedule's own.
        questions: To archives, about studies that are still arriving.
        senders: Who has an association open with us.
        clockwatch: Notices that the clock was set; the schedule's own.
        degraded: What is out of order for now.
        unrecorded: When the first arrival came that custody has not recorded yet; None when it has all.
        attesting: Held while a receipt is issued: two deliveries of one exchange may end at the same moment.
    """

    configuration: Configuration
    folders: Folders
    custody: Database
    spool: Spool
    log: Log
    domain_keys: DomainKeys = field(repr=False)
    crosswalk: Crosswalk
    issuer: ReceiptIssuer
    pool: Pool
    slots: int
    firmware_profile: str
    clock: Callable[[], datetime]
    wake: Callable[[], None] = lambda: None
    metrics: Metrics = field(default_factory=Metrics, repr=False)
    progress: Progress = field(default_factory=Progress, repr=False)
    turns: defaultdict[str, Turns] = field(default_factory=lambda: defaultdict(Turns), repr=False)
    questions: Questions = field(default_factory=Questions, repr=False)
    senders: Senders = field(default_factory=Senders, repr=False)
    clockwatch: ClockWatch = field(default_factory=ClockWatch, repr=False)
    degraded: Degraded = field(default_factory=Degraded, repr=False)
    unrecorded: Callable[[], datetime | None] = lambda: None
    attesting: Lock = field(default_factory=Lock, repr=False)

    @property
    def can_sign(self) -> bool:
        """Whether there is a receipt key; while it is revoked, nothing is begun and nothing leaves."""
        return not isinstance(self.issuer.key, RevokedKey)
