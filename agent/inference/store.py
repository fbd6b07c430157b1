"""Where model files lie, and proof that they are the pinned ones."""

import hashlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.inference.catalogue import Catalogue, ModelFile
from exchange.domain.errors import ModelError

MODELS_VARIABLE = "LOCKGATE_MODELS"


def default_search_paths() -> tuple[Path, ...]:
    """`$LOCKGATE_MODELS`, the source tree's `.models`, and the installed share folder, in this order."""
    named = os.environ.get(MODELS_VARIABLE)
    tree = Path(__file__).resolve().parents[2] / ".models"
    installed = Path(sys.prefix) / "share" / "lockgate" / "models"
    return (*((Path(named),) if named else ()), tree, installed)


class ModelStore:
    """Finds model files and gives out their bytes only when the digest is the pinned one.

    The folders are not trusted: who can write there can at most make a model refuse to load.
    """

    def __init__(self, catalogue: Catalogue, search_paths: Sequence[Path] | None = None) -> None:
        self.catalogue = catalogue
        self._search_paths = tuple(default_search_paths() if search_paths is None else search_paths)

    def path(self, model_id: str) -> Path:
        """Where the file lies; its digest is not yet checked.

        Raises:
            ModelError: It is nowhere.
        """
        entry = self.catalogue.file(model_id)
        for path in self._candidates(entry):
            if path.is_file():
                return path
        hint = (
            "run lockgate models fetch, or set $LOCKGATE_MODELS to the folder that holds it"
            if entry.source == "wheel"
            else f"install {entry.package}=={entry.version}"
        )
        raise ModelError(f"cannot find the model file {model_id} ({entry.package} {entry.version})", hint)

    def load(self, model_id: str) -> bytes:
        """The file's bytes, read once and checked, so that what is checked is what runs.

        Raises:
            ModelError: It is nowhere, unreadable, or not the pinned one.
        """
        entry = self.catalogue.file(model_id)
        path = self.path(model_id)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(
                f"cannot read the model file {model_id}: {error.strerror}", "check its permissions"
            ) from error
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise ModelError(
                f"cannot use the model file {model_id}: its SHA-256 is not the pinned one",
                f"delete it and run lockgate models fetch, or install {entry.package}=={entry.version}",
            )
        return data

    def check(self) -> dict[str, str]:
        """Model id → "" when present with the pinned digest, else what is wrong (for `doctor`)."""
        found: dict[str, str] = {}
        for model_id in self.catalogue.files:
            try:
                self.load(model_id)
                found[model_id] = ""
            except ModelError as error:
                found[model_id] = str(error)
        return found

    def _candidates(self, entry: ModelFile) -> list[Path]:
        if entry.source == "wheel":
            return [folder / entry.stored_as for folder in self._search_paths]
        # The package is found, never imported: importing it would configure logging and open its own models.
        spec = importlib.util.find_spec(entry.package)
        roots = spec.submodule_search_locations if spec else None
        return [Path(root).parent / entry.file for root in roots or ()]
