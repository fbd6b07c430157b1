"""What runs in worker processes for an inbound study: each instance under its quarantine identity."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from agent.pipeline.scratch import sealed_file, store_sealed
from agent.pipeline.work import HeldInstance
from agent.workers.child import WorkerContext
from exchange.domain.errors import HeldError, InputError
from exchange.domain.source import Source
from exchange.spool.sealed import new_data_key
from redact.reconcile.quarantine import Quarantine
from redact.reconcile.stage import ReconciledInstance, Store, reconcile_instance

RECONCILE = "agent.pipeline.reconcile_work:reconcile_files"


@dataclass(frozen=True, slots=True)
class ReconcileTask:
    """A part of a study; `files` are (identity, source), written sealed to `folder/<identity>.sealed`."""

    files: tuple[tuple[str, Source], ...]
    folder: Path
    quarantine: Quarantine
    issuers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """What became of a part of a study, in the order of its files; `keys` open the written ones."""

    reconciled: tuple[tuple[str, ReconciledInstance], ...]
    held: tuple[HeldInstance, ...]
    keys: Mapping[str, bytes] = field(repr=False)


def reconcile_files(task: ReconcileTask, context: WorkerContext) -> ReconcileResult:
    """Write and check each file under the quarantine identity."""

    def write(source: Source, store: Store) -> ReconciledInstance:
        return reconcile_instance(source, task.quarantine, task.issuers, store)

    return write_sealed(task.files, task.folder, write, context)


def write_sealed(
    files: Iterable[tuple[str, Source]],
    folder: Path,
    write: Callable[[Source, Store], ReconciledInstance],
    context: WorkerContext,
) -> ReconcileResult:
    """Write and check each file, sealed under a key of its own; one that is held does not stop the others."""
    done, held, keys = [], [], {}
    for identity, source in files:
        keys[identity] = new_data_key()
        store = partial(store_sealed, sealed_file(folder, identity), keys[identity])
        try:
            done.append((identity, write(source, store)))
        except (HeldError, InputError) as error:
            held.append(HeldInstance.of(identity, error))
        context.progress(1)
    return ReconcileResult(tuple(done), tuple(held), keys)
