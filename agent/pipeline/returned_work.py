"""What runs in worker processes for a returned study: what stands in it, and each instance restored."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.pipeline.reconcile_work import ReconcileResult, write_sealed
from agent.pipeline.work import HeldInstance
from agent.workers.child import WorkerContext
from exchange.dicomio.getters import text, uid
from exchange.dicomio.header import read_header
from exchange.domain.errors import InputError
from exchange.domain.source import Source
from redact.reconcile.quarantine import ForeignPatient, stripped
from redact.reconcile.returned import Restoration, Returned, survey_returned
from redact.reconcile.stage import ReconciledInstance, Store, restore_instance

SURVEY_RETURNED = "agent.pipeline.returned_work:survey_files"
RESTORE = "agent.pipeline.returned_work:restore_files"
READ_PATIENT = "agent.pipeline.returned_work:read_patient"


@dataclass(frozen=True, slots=True)
class SurveyedReturn:
    """What stands in a part of a study, in the order of its files."""

    returned: tuple[tuple[str, Returned], ...]
    held: tuple[HeldInstance, ...]


@dataclass(frozen=True, slots=True)
class RestoreTask:
    """A part of a study; `files` are (identity, source), written sealed to `folder/<identity>.sealed`."""

    files: tuple[tuple[str, Source], ...]
    folder: Path
    restoration: Restoration = field(repr=False)
    reference: Source | None


def survey_files(files: Sequence[tuple[str, Source]], context: WorkerContext) -> SurveyedReturn:
    """Collect what has the form of a pseudonym; one that cannot be read does not stop the others."""
    found, held = [], []
    for identity, source in files:
        try:
            found.append((identity, survey_returned(source)))
        except InputError as error:
            held.append(HeldInstance.of(identity, error))
        context.progress(1)
    return SurveyedReturn(tuple(found), tuple(held))


def read_patient(source: Source, context: WorkerContext) -> ForeignPatient:  # noqa: ARG001 - as a worker is called
    """Whose an original is, in the words that the crosswalk has: PatientID and IssuerOfPatientID alone.

    Raises:
        InputError: It cannot be read.
    """
    ds = read_header(source)
    said = stripped(text(ds, "PatientID")), stripped(text(ds, "IssuerOfPatientID"))
    return ForeignPatient(*said, uid(ds, "StudyInstanceUID"))


def restore_files(task: RestoreTask, context: WorkerContext) -> ReconcileResult:
    """Write and check each file as the original patient's."""

    def write(source: Source, store: Store) -> ReconciledInstance:
        return restore_instance(source, task.restoration, task.reference, store)

    return write_sealed(task.files, task.folder, write, context)
