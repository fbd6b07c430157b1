"""Putting the parts of an appliance together, in the order in which they depend on each other."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib import metadata
from pathlib import Path

from agent.config.firmware import FirmwareProfile, detect_machine, firmware_profile
from agent.config.load import load_site
from agent.config.models import Site
from agent.config.shipped import shipped
from agent.custody.database import open_database
from agent.engine.port import Engine, EngineSettings
from agent.inference.readers import open_store
from agent.pipeline.appliance import Appliance, Folders
from agent.pipeline.configuration import Configuration
from agent.pipeline.deliver import deliver, delivery_failed
from agent.pipeline.kernel_clock import clock_source
from agent.pipeline.opening import open_log
from agent.pipeline.process import failed, process
from agent.pipeline.schedule import DELIVER, DELIVERIES, MOST_DELIVERIES, PROCESS, STUDIES
from agent.pipeline.work import START, WorkerFacts
from agent.policy.lookup import load_routes
from agent.workers.pool import Pool
from exchange.crosswalk.store import Crosswalk
from exchange.domain.errors import ModelError
from exchange.durable import make_folder
from exchange.keys.domains import DomainKeys
from exchange.keys.signing import FileKeyStore, read_private_file
from exchange.keys.site import CROSSWALK_KEY
from exchange.keys.storage import STORAGE_KEY, FileKeyEncryption, make_storage_key
from exchange.receipts.facts import AgentFacts
from exchange.receipts.issuer import ReceiptIssuer
from exchange.spool.store import Spool
from redact.headers.profile import NameRecognition, Option

MODEL_CATALOGUE = "config/models.yaml"
_MIB = 1024 * 1024


@dataclass(slots=True)
class Parts:
    """What a daemon runs."""

    appliance: Appliance
    engine: Engine
    firmware: FirmwareProfile


def utc_now() -> datetime:
    """The clock of the appliance."""
    return datetime.now(UTC)


def read_configuration(file: Path) -> Configuration:
    """The site file with its routes resolved.

    Raises:
        ConfigurationError: Every mistake in it, each at its place.
    """
    loaded = load_site(file)
    return Configuration(loaded, load_routes(loaded))


def build(configuration: Configuration, stack: ExitStack, clock: Callable[[], datetime] = utc_now) -> Parts:
    """Open every store and start nothing yet; `stack` closes what was opened, last first.

    Raises:
        LockgateError: A store, a key or a model cannot be used; the message says what to do.
    """
    site = configuration.site
    require_models(configuration)
    folders = Folders(site.state)
    for folder in (folders.state, folders.frozen, folders.scratch, folders.receipts):
        make_folder(folder)
    # The log's lock comes first: it is what keeps a second daemon off this state folder.
    log = stack.enter_context(open_log(site, clock))
    shutil.rmtree(folders.scratch, ignore_errors=True)
    make_folder(folders.scratch)
    firmware = firmware_profile(site.firmware_profile)
    custody = open_database(site.database_url)
    stack.callback(custody.close)
    crosswalk = Crosswalk.open(site.crosswalk_file, read_private_file(site.keys / CROSSWALK_KEY))
    stack.enter_context(crosswalk)
    slots = worker_slots(site, firmware)
    pool = Pool(slots, START, worker_facts(firmware, configuration.site.proof.dciodvfy))
    stack.callback(pool.close, 2.0)
    facts = agent_facts(configuration, firmware)
    issuer = ReceiptIssuer(FileKeyStore(site.keys).signing(), facts, clock, clock_source=clock_source)
    appliance = Appliance(
        configuration=configuration,
        folders=folders,
        custody=custody,
        spool=open_spool(site, stack),
        log=log,
        domain_keys=DomainKeys.from_folder(site.keys),
        crosswalk=crosswalk,
        issuer=issuer,
        pool=pool,
        slots=slots,
        firmware_profile=firmware.profile,
        clock=clock,
    )
    return Parts(appliance, build_engine(appliance), firmware)


def open_spool(site: Site, stack: ExitStack) -> Spool:
    """The spool with its storage key; a site that was set up before there was one gets it now.

    Raises:
        KeysError: The key is missing though the spool was sealed with one, or cannot be used.
        SpoolError: Another daemon has the spool, or it was sealed with another key.
    """
    if not (site.keys / STORAGE_KEY).exists() and not Spool.is_sealed(site.spool_folder):
        make_storage_key(site.keys)
    kek = FileKeyEncryption.from_folder(site.keys)
    spool = Spool(site.spool_folder, site.limits.spool_reserve_mib * _MIB, kek=kek)
    stack.callback(spool.close)
    return spool


def cleans_pixels(configuration: Configuration) -> bool:
    """Whether any route reads pixels."""
    profiles = (route.profile for route in configuration.routes.routes)
    return any(profile and Option.CLEAN_PIXEL_DATA in profile.options for profile in profiles)


def name_recognitions(configuration: Configuration) -> tuple[NameRecognition, ...]:
    """What the routes' profiles let look for names, each once."""
    profiles = (route.profile for route in configuration.routes.routes)
    return tuple(dict.fromkeys(one.names for one in profiles if one is not None and one.names is not None))


def require_models(configuration: Configuration) -> None:
    """Refuse to start where a route cleans pixels and the weights for it are not there.

    Raises:
        ModelError: A file is missing or is not the pinned one.
    """
    if not cleans_pixels(configuration):
        return
    for model_id, problem in open_store(shipped(MODEL_CATALOGUE)).check().items():
        if problem:
            raise ModelError(f"cannot clean pixels with {model_id}: {problem}", "run lockgate models fetch")


def build_engine(appliance: Appliance) -> Engine:
    """The engine with both workflows registered; launch it when the rest is ready."""
    site = appliance.configuration.site
    queues = {STUDIES: 2, DELIVERIES: MOST_DELIVERIES}
    engine = Engine(
        EngineSettings(site.database_url, site.appliance, queues, on_end=lambda: appliance.wake())
    )
    engine.register(
        PROCESS,
        lambda steps, *ids: process(appliance, steps, *ids),
        lambda workflow_id, failure: failed(appliance, workflow_id, failure),
        STUDIES,
    )
    engine.register(
        DELIVER,
        lambda steps, *ids: deliver(appliance, steps, *ids),
        lambda workflow_id, _failure: delivery_failed(appliance, workflow_id),
        DELIVERIES,
    )
    return engine


def worker_slots(site: Site, firmware: FirmwareProfile) -> int:
    """As the site says, else as the firmware profile derives from cores and memory."""
    machine = detect_machine()
    return site.limits.workers or firmware.worker_count(machine.cores, machine.memory_mib)


def worker_facts(firmware: FirmwareProfile, dciodvfy: Path | None) -> WorkerFacts:
    """What each worker is started with; one thread a model, because the slots share the cores."""
    return WorkerFacts(shipped(MODEL_CATALOGUE), None, firmware.inference.execution_providers, 1, dciodvfy)


def agent_facts(configuration: Configuration, firmware: FirmwareProfile) -> AgentFacts:
    """Who signs, for the receipts."""
    site = configuration.site
    return AgentFacts(
        id=site.appliance,
        site=site.site,
        version=metadata.version("lockgate"),
        sbom_sha256=installed_sha256(),
        config_sha256=configuration.loaded.sha256,
        firmware_profile=firmware.profile,
    )


def installed_sha256() -> str:
    """Digest of what is installed: sorted `name==version` lines, as `pip freeze` prints them."""
    lines = {f"{one.name}=={one.version}" for one in metadata.distributions()}
    return sha256("\n".join(sorted(lines)).encode()).hexdigest()
