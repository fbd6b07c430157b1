"""`clean_files`: what a worker gives back lies on the disk."""

import os
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from agent.config.profiles import load_profile
from agent.pipeline.work import CleanTask, Models, WorkerFacts, clean_files
from agent.workers.child import WorkerContext
from exchange.dicomio.header import read_header
from exchange.domain.identifiers import HarvestedIdentifiers
from redact.headers.profile import Profile
from redact.identifiers.harvest import harvest
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.stage import InstanceCleaner
from tests.support.ct_files import CtFiles


def task(tmp_path: Path, count: int) -> CleanTask:
    files = CtFiles(16).study(tmp_path / "in", count)
    folder = tmp_path / "out"
    folder.mkdir()
    return CleanTask(
        files=tuple((f"{number}", path) for number, path in enumerate(files)),
        folder=folder,
        profile=Profile("headers", load_profile("hipaa-safe-harbor").options - {"113101"}),
        pseudonymiser=Pseudonymiser(bytes(32), "here"),
        identifiers=HarvestedIdentifiers().union(harvest(read_header(path)) for path in files),
    )


def context() -> WorkerContext:
    return WorkerContext(Models(WorkerFacts(Path("none"), (), (), 1)), lambda _message: None)


def test_what_was_cleaned_is_synced_before_it_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.readlink(f"/proc/self/fd/{number}")))
    result = clean_files(task(tmp_path, 3), context())
    assert len(result.cleaned) == 3
    assert set(synced) >= {str(one.path) for _, one in result.cleaned}


def test_what_fails_on_the_way_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk ends the part; a held instance does not."""
    wanted = task(tmp_path, 3)
    real, asked = InstanceCleaner._prove, 0

    def failing(self: InstanceCleaner, *arguments: Dataset) -> object:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise OSError(28, "No space left on device")
        return real(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(InstanceCleaner, "_prove", failing)
    with pytest.raises(OSError, match="No space"):
        clean_files(wanted, context())
    assert [path.name for path in wanted.folder.iterdir()] == ["0.dcm"]
