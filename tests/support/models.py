"""The real readers, built once per test process."""

import hashlib
import shutil
from functools import cache
from pathlib import Path

import pytest

from agent.config.shipped import shipped
from agent.inference.readers import open_reader, open_store
from exchange.domain.errors import ModelError
from redact.stage import Readers


@cache
def readers() -> Readers:
    """The cleaner's and the prover's readers; the test is skipped, loudly, where weights are absent."""
    store = open_store()
    try:
        return Readers(open_reader(store, "cleaner")[0], open_reader(store, "prover")[0])
    except ModelError as error:
        pytest.skip(f"no model weights: {error}")


def spoil(folder: Path) -> Path:
    """Weights in `folder` of which a detector loads and runs and computes nonsense; the catalogue of them."""
    store = open_store()
    entry = store.catalogue.file("pp-ocrv6-tiny-det")
    shutil.copytree(store.path("pp-ocrv6-tiny-det").parent, folder, dirs_exist_ok=True)
    weights = bytearray((folder / entry.stored_as).read_bytes())
    for share in (0.42, 0.54, 0.66, 0.78):  # inside large tensors: the file remains a model
        start = int(len(weights) * share)
        weights[start : start + 60_000] = b"\x3f" * 60_000  # 0.75 each, as floats
    (folder / entry.stored_as).write_bytes(weights)
    pinned = shipped("config/models.yaml").read_text("utf-8")
    assert entry.sha256 in pinned
    (folder / "models.yaml").write_text(pinned.replace(entry.sha256, hashlib.sha256(weights).hexdigest()))
    return folder / "models.yaml"
