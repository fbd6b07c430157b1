"""The cleaner's and the prover's text readers, built and tried in the worker that uses them."""

from collections.abc import Sequence
from pathlib import Path

from agent.config.shipped import shipped
from agent.inference.catalogue import load_catalogue
from agent.inference.session import ModelFacts, OnnxSession, model_facts, open_session
from agent.inference.store import ModelStore
from exchange.domain.errors import ModelError
from redact.ocr.golden import not_golden
from redact.ocr.reader import TextReader
from redact.ocr.settings import ReaderSettings

CATALOGUE = "config/models.yaml"


def open_store(catalogue: Path | None = None, search_paths: Sequence[Path] | None = None) -> ModelStore:
    """A store over a catalogue file, by default the shipped `config/models.yaml`.

    Raises:
        ModelError: The catalogue is missing or broken.
        ConfigurationError: The shipped catalogue is not installed.
    """
    return ModelStore(load_catalogue(catalogue or shipped(CATALOGUE)), search_paths)


def open_reader(
    store: ModelStore, set_name: str, providers: Sequence[str] = ("cpu",), threads: int = 1
) -> tuple[TextReader, tuple[ModelFacts, ...]]:
    """Build the reader `cleaner` or `prover`, and have it read the golden pictures.

    Returns:
        The reader, and what the receipt says of its two models.

    Raises:
        ModelError: A file is missing or not the pinned one, nothing can run it, or it does not read here what
            it must.
    """
    models = store.catalogue.reader(set_name)
    sessions: list[OnnxSession] = [
        open_session(store, model_id, providers, threads) for model_id in (models.detector, models.recogniser)
    ]
    reader = TextReader(sessions[0], sessions[1], ReaderSettings())
    wrong = tuple(not_golden(reader))
    if wrong:
        raise ModelError(
            f"cannot read with {models.detector} on {sessions[0].provider} and {models.recogniser} on"
            f" {sessions[1].provider}: of the golden pictures they fail at {', '.join(wrong)}",
            "see `lockgate doctor`; choose a firmware profile with the provider cpu",
        )
    return reader, model_facts(*sessions)
