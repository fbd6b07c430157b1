"""An appliance in this process: real stores, real workers, no daemon; its workflows run step by step.

Pixels are not cleaned here (a profile without 113101), so that the tests are quick; others do that.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

from pydicom import Dataset
from pydicom.filebase import DicomIO
from pydicom.filewriter import write_dataset

from agent.custody.listings import list_exchanges
from agent.custody.records import ExchangeRecord
from agent.daemon.build import build, read_configuration
from agent.pipeline.appliance import Appliance
from agent.pipeline.deliver import deliver
from agent.pipeline.indexing import index
from agent.pipeline.process import process
from agent.pipeline.settle import settle_due
from exchange.domain.exchange import ExchangeState
from exchange.domain.instance import SpooledInstance
from exchange.keys.site import init_site_keys
from exchange.spool.records import ArrivalContext
from tests.agent.custody.world import World
from tests.support.small_studies import EXPLICIT

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

PROFILE = "profile: headers\noptions: ['113107', '113103', '113104', '113105']\n"

SITE = """\
site: general-hospital
appliance: edge-01
listen: {dicom: {ae_titles: [LOCKGATE], port: 11112}}
peers:
  outgoing: {folder: {path: outgoing/}}
  PEERS
routes:
  - name: outgoing
    direction: outbound
    match: {called_ae: OUTGOING}
    settle: SETTLE
    deidentify: {profile: headers, pseudonym_domain: outgoing}
    deliver: [outgoing]
    ROUTE
people:
  sam: {roles: [technologist, privacy]}
  jo: {roles: [technologist]}
limits: {retention_days: 30, spool_reserve_mib: 1}
"""


class DirectSteps:
    """Runs a workflow's steps at once and keeps nothing: what the engine adds is tested with the engine."""

    workflow_id = "direct"

    def run(self, name: str, step: Callable[..., str], *ids: str) -> str:  # noqa: ARG002
        return step(*ids)


class House:
    """A site folder with its appliance and a clock that is set by hand."""

    def __init__(
        self,
        folder: Path,
        stack: ExitStack,
        route: str = "",
        *,
        settle: str = "{quiet_seconds: 5.0}",
        peers: str = "",
        folders: Sequence[str] = (),
        profiles: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.folder = folder
        self.now = START
        for name in ("outgoing", *folders):
            (folder / name).mkdir(parents=True)
        (folder / "profiles").mkdir()
        for name, text in {"headers": PROFILE, **profiles}.items():
            (folder / "profiles" / f"{name}.yaml").write_text(text)
        init_site_keys(folder / "keys", "general-hospital", "edge-01", START, folder / "trust")
        text = SITE.replace("ROUTE", route).replace("SETTLE", settle).replace("PEERS", peers)
        (folder / "site.yaml").write_text(text)
        configuration = read_configuration(folder / "site.yaml")
        self.appliance: Appliance = build(configuration, stack, lambda: self.now).appliance

    def wait(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)

    def arrive(self, instances: Sequence[Dataset], called_ae: str = "OUTGOING") -> None:
        """Accept instances as the intake does, and index them."""
        index(self.appliance, [self.spooled(ds, called_ae) for ds in instances])

    def settle(self) -> tuple[ExchangeRecord, ...]:
        """Let the quiet timer run out."""
        self.wait(seconds=6)
        return settle_due(self.appliance)

    def process(self) -> list[str]:
        """One attempt at every settled exchange; the outcomes."""
        return [
            process(self.appliance, DirectSteps(), one.exchange_id, str(one.attempt_count + 1))
            for one in list_exchanges(self.appliance.custody, {ExchangeState.SETTLED})
        ]

    def deliver(self) -> list[str]:
        """One attempt at every delivery that is due; the outcomes."""
        return [
            deliver(self.appliance, DirectSteps(), one.delivery_id, str(one.attempt))
            for one in World(self.appliance.custody).due(self.now)
        ]

    def through(self, instances: Sequence[Dataset]) -> ExchangeRecord:
        """A study from arrival to the end of what can be done; the newest exchange."""
        self.arrive(instances)
        self.settle()
        self.process()
        self.deliver()
        return self.exchanges()[0]

    def again(self) -> ExchangeRecord:
        """What a restart does with the newest exchange after a kill: the same attempt, and what follows."""
        one = self.exchanges()[0]
        if one.state is not ExchangeState.DELIVERING:
            process(self.appliance, DirectSteps(), one.exchange_id, str(one.attempt_count))
        self.deliver()
        return self.exchanges()[0]

    def reload(self) -> None:
        """Read the site file again."""
        self.appliance.configuration = read_configuration(self.folder / "site.yaml")

    def exchanges(self) -> tuple[ExchangeRecord, ...]:
        """All exchanges, newest first."""
        return list_exchanges(self.appliance.custody)

    def delivered(self) -> dict[str, bytes]:
        """What lies in the folder destination: file name to content."""
        return {path.name: path.read_bytes() for path in (self.folder / "outgoing").rglob("*.dcm")}

    def spooled(self, ds: Dataset, called_ae: str = "OUTGOING") -> SpooledInstance:
        """Accept an instance as the intake does."""
        arrival = ArrivalContext(uuid4().hex, "dimse", called_ae, "PACS", "", "127.0.0.1")
        with self.appliance.spool.begin(
            str(ds.SOPClassUID), str(ds.SOPInstanceUID), EXPLICIT, arrival
        ) as writer:
            writer.write(encoded(ds))
            return writer.commit(self.now)


def encoded(ds: Dataset) -> bytes:
    """The data set in Explicit VR Little Endian, as C-STORE carries it."""
    raw = BytesIO()
    buffer = DicomIO(raw)
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_dataset(buffer, ds)
    return raw.getvalue()
