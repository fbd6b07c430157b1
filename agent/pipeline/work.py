"""What runs in worker processes: indexing a study, and cleaning with proof. Files in, facts out.

Payloads and results cross a pipe to our own processes only; they carry keys and identifiers and are never
logged. Model sessions are built once per worker, at the first study that needs them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from agent.config.logs import configure_logs
from agent.inference.names import open_names
from agent.inference.readers import open_reader, open_store
from agent.inference.session import ModelFacts
from agent.pipeline.scratch import clean_to
from agent.workers.child import WorkerContext
from exchange.dicomio.digest import file_identity
from exchange.dicomio.elements import KnownElements
from exchange.dicomio.examine import examine
from exchange.dicomio.getters import text, uid
from exchange.dicomio.header import read_header, read_header_at
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError, InputError, ModelError
from exchange.domain.identifiers import HarvestedIdentifiers, Identifier
from exchange.domain.source import Source
from exchange.durable import fsync_files
from exchange.spool.sealed import new_data_key
from redact.headers.profile import NameRecognition, Profile
from redact.identifiers.harvest import Harvester
from redact.identifiers.names import NameRecogniser
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.ocr.reader import TextReader
from redact.pixels.spot_check import SpotRule
from redact.reconcile.coerce import patient_of
from redact.reconcile.quarantine import ForeignPatient
from redact.stage import (
    CleanedInstance,
    CleaningPlan,
    InstanceCleaner,
    Readers,
)
from redact.verify.dciodvfy import Dciodvfy
from triage.quality.summary import InstanceSummary, summarise

START = "agent.pipeline.work:start"
WARM = "agent.pipeline.work:warm"
INDEX = "agent.pipeline.work:index_files"
SURVEY = "agent.pipeline.work:survey_files"
CLEAN = "agent.pipeline.work:clean_files"


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker is started with.

    Attributes:
        catalogue: `config/models.yaml`.
        model_folders: Where weights are looked for; None for the usual places.
        providers: Execution providers in order, from the firmware profile.
        threads: Threads of one model.
        dciodvfy: The program that the proof asks for its opinion on the IOD; None where none is configured.
    """

    catalogue: Path
    model_folders: tuple[Path, ...] | None
    providers: tuple[str, ...]
    threads: int
    dciodvfy: Path | None = None


@dataclass
class Models:
    """A worker's readers, each built when it is first needed."""

    facts: WorkerFacts
    _names: dict[NameRecognition, tuple[NameRecogniser, ModelFacts]] = field(default_factory=dict)

    @cached_property
    def cleaner(self) -> tuple[TextReader, tuple[ModelFacts, ...]]:
        """The cleaner's reader."""
        return self._open("cleaner")

    @cached_property
    def prover(self) -> tuple[TextReader, tuple[ModelFacts, ...]]:
        """The prover's reader, with other weights."""
        return self._open("prover")

    @cached_property
    def dciodvfy(self) -> Dciodvfy | None:
        """The second opinion on the IOD; None where it is not configured."""
        return Dciodvfy(self.facts.dciodvfy) if self.facts.dciodvfy else None

    def names(self, wanted: NameRecognition) -> tuple[NameRecogniser, ModelFacts]:
        """The recogniser of names that a profile asks for."""
        if wanted not in self._names:
            self._names[wanted] = open_names(wanted, self.facts.providers, self.facts.threads)
        return self._names[wanted]

    def _open(self, name: str) -> tuple[TextReader, tuple[ModelFacts, ...]]:
        store = open_store(self.facts.catalogue, self.facts.model_folders)
        return open_reader(store, name, self.facts.providers, self.facts.threads)


def start(facts: WorkerFacts) -> Models:
    """Initialise a worker: logs that carry no PHI, readers on demand."""
    configure_logs()
    return Models(facts)


@dataclass(frozen=True, slots=True)
class HeldInstance:
    """An instance that may not pass, or cannot be read: published code and element path or box; no value."""

    key: str
    code: ReasonCode
    path: str
    detail: str
    failed: bool = False

    @classmethod
    def of(cls, key: str, error: HeldError | InputError) -> "HeldInstance":
        """Why a stage did not let it pass, or could not read it."""
        if isinstance(error, HeldError):
            return cls(key, error.code, error.path, error.message)
        return cls(key, error.code, "", error.message, failed=True)

    def renamed(self, key: str) -> "HeldInstance":
        """The same under another key."""
        return replace(self, key=key)


@dataclass(frozen=True, slots=True)
class SurveyedFile:
    """What the offline survey learns of a file: what it is, whose it is, and what must not survive."""

    key: str
    identity: str
    sop_instance_uid: str = field(repr=False)
    study_instance_uid: str = field(repr=False)
    issuer: str = field(repr=False)
    patient_id: str = field(repr=False)
    identifiers: HarvestedIdentifiers = field(repr=False)


@dataclass(frozen=True, slots=True)
class IndexedPart:
    """What the first phase learns of a part of a study; what its instances have in common is told once.

    Attributes:
        summaries: In the order of the files.
        identifiers: Harvested over all of them.
        patients: Whose they are, in the sender's words.
        unreadable: Those that cannot be read.
    """

    summaries: tuple[InstanceSummary, ...]
    identifiers: HarvestedIdentifiers = field(repr=False)
    patients: frozenset[ForeignPatient]
    unreadable: tuple[HeldInstance, ...]


@dataclass(frozen=True, slots=True)
class CleanTask:
    """A part of a study to be cleaned; `files` are (key, source).

    Attributes:
        iod_required: Whether what dciodvfy has not checked is held.
        sealed: Whether the cleaned files still carry an identity.
        spot_checks: The route's.
    """

    files: tuple[tuple[str, Source], ...]
    folder: Path
    profile: Profile
    pseudonymiser: Pseudonymiser
    identifiers: HarvestedIdentifiers = field(repr=False)
    released: frozenset[ReasonCode] = frozenset()
    redacted: frozenset[ReasonCode] = frozenset()
    canary_seed: bytes = field(default=b"", repr=False)
    iod_required: bool = False
    sealed: bool = False
    spot_checks: tuple[SpotRule, ...] = ()


@dataclass(frozen=True, slots=True)
class CleanResult:
    """What became of a part of a study, in the order of its files.

    Attributes:
        cleaner, prover: Facts of the models that read the pixels.
        names: Of what looked for names in texts.
        keys: Open the sealed files.
    """

    cleaned: tuple[tuple[str, CleanedInstance], ...]
    held: tuple[HeldInstance, ...]
    cleaner: tuple[ModelFacts, ...]
    prover: tuple[ModelFacts, ...]
    names: tuple[ModelFacts, ...] = ()
    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class WarmTask:
    """Which models will be needed."""

    pixels: bool
    names: tuple[NameRecognition, ...] = ()


def warm(task: WarmTask, context: WorkerContext) -> tuple[ModelFacts, ...]:
    """Build the models before the first study needs them.

    Returns:
        What looks for names, in the order of the task.

    Raises:
        ModelError: One cannot be built.
    """
    models: Models = context.state
    names = tuple(models.names(wanted)[1] for wanted in task.names)
    if task.pixels:
        _ = models.cleaner, models.prover
    return names


def index_files(files: Sequence[tuple[str, Source]], context: WorkerContext) -> IndexedPart:
    """First phase: read every header once, harvest identifiers, summarise for the quality checks.

    The keys are the instances' identities: different contents have different ones.
    """
    summaries, unreadable, known, harvester = [], [], KnownElements(), Harvester()
    identifiers: set[Identifier] = set()
    patients: set[ForeignPatient] = set()
    for key, path in files:
        try:
            ds = read_header(path, known=known)
        except InputError as error:
            unreadable.append(HeldInstance.of(key, error))
            continue
        summaries.append(summarise(ds, key))
        identifiers |= harvester.harvest(ds).items
        patients.add(patient_of(ds))
        context.progress(1)
    return IndexedPart(
        tuple(summaries), HarvestedIdentifiers(frozenset(identifiers)), frozenset(patients), tuple(unreadable)
    )


def survey_files(
    files: Sequence[tuple[str, Path]], context: WorkerContext
) -> tuple[tuple[SurveyedFile, ...], tuple[HeldInstance, ...]]:
    """First phase of `lockgate clean`: as `index_files`, with each file's identity and patient."""
    surveyed, refused, known, harvester = [], [], KnownElements(), Harvester()
    for key, path in files:
        try:
            surveyed.append(_survey(key, path, known, harvester))
        except InputError as error:
            refused.append(HeldInstance.of(key, error))
        context.progress(1)
    return tuple(surveyed), tuple(refused)


def _survey(key: str, path: Path, known: KnownElements, harvester: Harvester) -> SurveyedFile:
    layout = examine(path)
    ds = read_header_at(layout, known=known)
    return SurveyedFile(
        key=key,
        identity=file_identity(layout),
        sop_instance_uid=layout.sop_instance_uid,
        study_instance_uid=uid(ds, "StudyInstanceUID"),
        issuer=text(ds, "IssuerOfPatientID"),
        patient_id=text(ds, "PatientID"),
        identifiers=harvester.harvest(ds),
    )


def clean_files(task: CleanTask, context: WorkerContext) -> CleanResult:
    """Second phase: clean and prove each file; one that is held does not stop the others.

    What was cleaned is durable when this returns, but for its names, which belong to the attempt.
    """
    models: Models = context.state
    plan = CleaningPlan(
        profile=task.profile,
        pseudonymiser=task.pseudonymiser,
        identifiers=task.identifiers,
        readers=Readers(),
        released=task.released,
        redacted=task.redacted,
        canary_seed=task.canary_seed,
        dciodvfy=models.dciodvfy,
        iod_required=task.iod_required,
        spot_checks=task.spot_checks,
    )
    facts: tuple[tuple[ModelFacts, ...], tuple[ModelFacts, ...]] = ((), ())
    names: tuple[ModelFacts, ...] = ()
    if plan.cleans_pixels:
        plan = plan.reading_with(Readers(models.cleaner[0], models.prover[0]))
        facts = (models.cleaner[1], models.prover[1])
    if task.profile.names is not None:
        try:
            recogniser, said = models.names(task.profile.names)
        except ModelError as error:
            held_all = tuple(HeldInstance(key, ReasonCode.NAMES, "", error.message) for key, _ in task.files)
            return CleanResult((), held_all, *facts)
        names = (said,)
        plan = plan.reading_with(replace(plan.readers, names=recogniser))
    cleaner = InstanceCleaner(plan)
    cleaned, held = [], []
    keys = {key: new_data_key() for key, _ in task.files} if task.sealed else {}
    for key, source in task.files:
        try:
            cleaned.append((key, clean_to(task.folder, key, cleaner, source, keys.get(key))))
        except (HeldError, InputError) as error:
            held.append(HeldInstance.of(key, error))
        context.progress(1)
    if not task.sealed:  # those are durable already
        fsync_files(one.path for _, one in cleaned)
    return CleanResult(tuple(cleaned), tuple(held), *facts, names, keys)
