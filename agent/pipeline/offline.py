"""`lockgate clean`: a folder cleaned without a daemon, by the same stages, in two phases: index, then write.

Phase 1 walks IN (symlinks are not followed), refuses what is no DICOM, finds duplicates and UID conflicts,
and harvests identifiers patient by patient. Phase 2 cleans and proves each instance in worker slots; only
what is proved is moved to its place in OUT. A file over which a worker dies fails by itself (`halving`).
"""

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Literal, cast

from agent.pipeline.epochs import KeyEpochs
from agent.pipeline.gathered import box_rows
from agent.pipeline.halving import in_halves
from agent.pipeline.report import (
    CleanReport,
    ReportedActions,
    ReportedBox,
    ReportedFile,
    ReportedReason,
    ReportedRecogniser,
    Totals,
)
from agent.pipeline.work import (
    CLEAN,
    SURVEY,
    WARM,
    CleanResult,
    CleanTask,
    HeldInstance,
    SurveyedFile,
    WarmTask,
)
from agent.workers.pool import Pool
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import ConfigurationError
from exchange.domain.identifiers import HarvestedIdentifiers
from exchange.domain.source import Source
from exchange.durable import fsync_folder, make_folder
from redact.headers.profile import Profile
from redact.identifiers.pseudonymiser import Pseudonymiser, is_placeholder
from redact.stage import CleanedInstance

_SMALLEST_PART, _LARGEST_PART, _PARTS_PER_SLOT = 4, 64, 4
_SURVEY_CHUNK = 64
_SECONDS = 3600.0
_PARTIAL = ".lockgate-partial"

_Surveyed = tuple[Sequence[SurveyedFile], Sequence[HeldInstance]]


@dataclass(frozen=True, slots=True)
class CleanJob:
    """What to clean, how, and with which keys.

    Attributes:
        source: A file or a folder.
        target: An empty or absent folder, not inside `source`.
        on_progress: Told the number of files done and in all.
    """

    source: Path
    target: Path
    profile: Profile
    epochs: KeyEpochs
    on_progress: Callable[[int, int], None] = lambda _done, _total: None


@dataclass(slots=True)
class _Outcomes:
    """What became of each input, by its path relative to IN."""

    cleaned: dict[str, CleanedInstance] = field(default_factory=dict)
    reasons: dict[str, HeldInstance] = field(default_factory=dict)
    duplicate_of: dict[str, str] = field(default_factory=dict)


def clean_offline(job: CleanJob, pool: Pool, slots: int) -> CleanReport:
    """Clean `source` into `target`.

    Returns:
        The report, one entry per input file.

    Raises:
        ConfigurationError: IN or OUT cannot be used as asked.
        LockgateError: A worker or a model failed.
    """
    _check_places(job)
    names = _names(job.profile, pool)
    files = dict(_inputs(job.source))
    make_folder(job.target)
    partial = job.target / _PARTIAL
    make_folder(partial)
    try:
        outcomes = _Outcomes()
        patients = _survey(job, files, pool, slots, outcomes)
        _clean_all(job, files, patients, _Workers(pool, slots, partial), outcomes)
        _place(job.target, outcomes)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return _report(job, files, outcomes, names)


def _names(profile: Profile, pool: Pool) -> ReportedRecogniser | None:
    """What will look for names; whether it can be opened is known before the first file is read."""
    if profile.names is None:
        return None
    (found,) = pool.submit(WARM, WarmTask(pixels=False, names=(profile.names,)), seconds=_SECONDS)
    return ReportedRecogniser(
        name=found.name, version=found.version, sha256=found.sha256, threshold=profile.names.threshold
    )


@dataclass(frozen=True, slots=True)
class _Workers:
    pool: Pool
    slots: int
    folder: Path


def _check_places(job: CleanJob) -> None:
    source, target = job.source.resolve(), job.target.resolve()
    if not source.exists():
        raise ConfigurationError("cannot clean: IN does not exist", "name a file or a folder")
    if target == source or source in target.parents:
        raise ConfigurationError("cannot clean: OUT is inside IN", "name a folder elsewhere")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigurationError("cannot clean: OUT is not empty", "name a new or an empty folder")


def _inputs(source: Path) -> Iterator[tuple[str, Path]]:
    """Every regular file below IN by relative path, in a stable order; a single file by its name."""
    if source.is_file():
        yield source.name, source
        return
    for folder, folders, names in os.walk(source, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                yield str(path.relative_to(source)), path


def _survey(
    job: CleanJob, files: dict[str, Path], pool: Pool, slots: int, outcomes: _Outcomes
) -> dict[tuple[str, str], list[SurveyedFile]]:
    """Phase 1: what can be read, by patient; the rest has its reason in `outcomes`."""

    def work(chunk: Sequence[tuple[str, Path]]) -> _Surveyed:
        found: _Surveyed = pool.submit(SURVEY, tuple(chunk), seconds=_SECONDS)
        return found

    def survive(chunk: Sequence[tuple[str, Path]]) -> list[_Surveyed]:
        return [*in_halves(chunk, work, lambda one: ((), (_deadly(one[0]),)))]

    surveyed: list[SurveyedFile] = []
    listed = list(files.items())
    chunks = [listed[start : start + _SURVEY_CHUNK] for start in range(0, len(listed), _SURVEY_CHUNK)]
    with ThreadPoolExecutor(slots, thread_name_prefix="survey") as threads:
        for some, refused in chain.from_iterable(threads.map(survive, chunks)):
            surveyed += some
            outcomes.reasons.update({one.key: one for one in refused})
    by_uid: dict[str, dict[str, list[SurveyedFile]]] = defaultdict(lambda: defaultdict(list))
    for one in surveyed:
        by_uid[one.sop_instance_uid][one.identity].append(one)
    patients: dict[tuple[str, str], list[SurveyedFile]] = defaultdict(list)
    for contents in by_uid.values():
        for same in contents.values():
            if len(contents) > 1:
                outcomes.reasons.update({one.key: _conflict(one.key) for one in same})
                continue
            outcomes.duplicate_of.update({other.key: same[0].key for other in same[1:]})
            patients[_patient(job, same[0])].append(same[0])
    return patients


def _deadly(key: str) -> HeldInstance:
    """A file over which a worker dies or hangs: nothing more can be said of it, and nothing is written."""
    return HeldInstance(
        key, ReasonCode.POISON, "", "cannot clean the file: its worker died over it", failed=True
    )


def _patient(job: CleanJob, one: SurveyedFile) -> tuple[str, str]:
    """Whose file it is; a placeholder id names nobody, so then it is the study's."""
    if is_placeholder(one.patient_id):
        return "study", one.study_instance_uid
    return one.issuer or job.epochs.issuer, one.patient_id


def _pseudonymiser(job: CleanJob, members: Sequence[SurveyedFile]) -> Pseudonymiser:
    patients = {(one.issuer, one.patient_id): None for one in members}
    return job.epochs.of(tuple(patients), {one.study_instance_uid for one in members}).pseudonymiser


def _conflict(key: str) -> HeldInstance:
    return HeldInstance(
        key, ReasonCode.UID_CONFLICT, "(0008,0018)", "one SOP Instance UID, different contents"
    )


def _clean_all(
    job: CleanJob,
    files: dict[str, Path],
    patients: dict[tuple[str, str], list[SurveyedFile]],
    workers: _Workers,
    outcomes: _Outcomes,
) -> None:
    """Phase 2: every patient's files with that patient's identifiers."""
    numbers = {key: f"{number:08d}" for number, key in enumerate(files)}
    names = {number: key for key, number in numbers.items()}
    tasks: list[CleanTask] = []
    for members in patients.values():
        whole = CleanTask(
            files=tuple((numbers[one.key], files[one.key]) for one in members),
            folder=workers.folder,
            profile=job.profile,
            pseudonymiser=_pseudonymiser(job, members),
            identifiers=HarvestedIdentifiers().union(one.identifiers for one in members),
            canary_seed=job.epochs.domain.encode(),
        )
        tasks += _parts(whole, workers.slots)
    done, total = len(outcomes.reasons), len(files)

    def clean(task: CleanTask) -> list[CleanResult]:
        def work(files: Sequence[tuple[str, Source]]) -> CleanResult:
            part = replace(task, files=tuple(files))
            result: CleanResult = workers.pool.submit(CLEAN, part, seconds=_SECONDS)
            return result

        return [*in_halves(task.files, work, lambda one: CleanResult((), (_deadly(one[0]),), (), ()))]

    with ThreadPoolExecutor(workers.slots, thread_name_prefix="clean") as threads:
        for result in chain.from_iterable(threads.map(clean, tasks)):
            outcomes.cleaned.update({names[number]: one for number, one in result.cleaned})
            outcomes.reasons.update({names[one.key]: one.renamed(names[one.key]) for one in result.held})
            done += len(result.cleaned) + len(result.held)
            job.on_progress(done, total)


def _parts(whole: CleanTask, slots: int) -> Iterator[CleanTask]:
    """A patient's task in parts for the slots: each part compiles the identifiers and reads a canary anew."""
    size = min(_LARGEST_PART, max(_SMALLEST_PART, -(-len(whole.files) // (slots * _PARTS_PER_SLOT))))
    for start in range(0, len(whole.files), size):
        yield replace(whole, files=whole.files[start : start + size])


def _place(target: Path, outcomes: _Outcomes) -> None:
    """Move what is proved to `<study>/<series>/<instance>.dcm` under the new UIDs."""
    folders = set()
    for one in outcomes.cleaned.values():
        place = target / output_of(one)
        make_folder(place.parent)
        os.replace(one.path, place)
        folders.add(place.parent)
    for folder in folders:
        fsync_folder(folder)


def output_of(one: CleanedInstance) -> Path:
    """Where a cleaned instance lies, relative to OUT; made of its UIDs as cleaned only."""
    return Path(one.study_instance_uid) / one.series_instance_uid / f"{one.sop_instance_uid}.dcm"


def _report(
    job: CleanJob, files: dict[str, Path], outcomes: _Outcomes, names: ReportedRecogniser | None
) -> CleanReport:
    entries = tuple(_entry(name, outcomes) for name in files)
    counted = {status: sum(one.status == status for one in entries) for status in ("clean", "held", "failed")}
    return CleanReport(
        version=metadata.version("lockgate"),
        profile=job.profile.profile_id,
        profileSha256=job.profile.sha256,
        identity="retained" if job.profile.retains_identity else None,
        reason=job.profile.reason or None,
        names=names,
        key=cast("Literal['site', 'file', 'ephemeral']", job.epochs.keys.source),
        totals=Totals(**counted),
        files=entries,
    )


def _entry(name: str, outcomes: _Outcomes) -> ReportedFile:
    first = outcomes.duplicate_of.get(name, name)
    held = outcomes.reasons.get(first)
    if held is not None:
        return ReportedFile(
            input=name,
            status="failed" if held.failed else "held",
            output=None,
            sopInstanceUID=None,
            reasons=(ReportedReason(code=held.code, path=held.path),),
        )
    one = outcomes.cleaned[first]
    return ReportedFile(
        input=name,
        status="clean",
        output=str(output_of(one)),
        sopInstanceUID=one.sop_instance_uid,
        boxes=tuple(ReportedBox(**box) for box in box_rows(one)),
        actions=ReportedActions(**one.header.actions.as_dict()),
    )
