"""A virtual environment for each peer, made once in a cache folder from its pinned versions, `PEER.txt`."""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path


def cache_folder() -> Path:
    """Where environments are kept unless another folder is named."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "lockgate" / "peers"


def python_of(pins: Path, cache: Path) -> Path | None:
    """The peer's own interpreter, its environment made if need be; None where it does not install."""
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()[:12]
    folder = cache / f"{pins.stem}-{digest}"
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    print(f"(installing {pins.stem} into its own environment)", file=sys.stderr, flush=True)
    venv.create(folder, with_pip=True, clear=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(pins)]
    if subprocess.run(install, check=False, stdout=sys.stderr).returncode:
        return None
    (folder / "complete").touch()
    return python


def version_of(pins: Path) -> str:
    """The pinned version of the peer itself."""
    for line in pins.read_text().splitlines():
        package, _, version = line.partition("==")
        if package.replace("_", "-") == pins.stem:
            return version
    return "?"
