"""What the figures were measured on."""

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

from tests.support import dcmtk, orthanc


def describe(folder: Path) -> list[str]:
    """Lines for the head of a result file; no names and no paths of this machine."""
    packages = ("pynetdicom", "pydicom", "httpx", "dicomweb-client", "requests")
    box, load = hardware(folder)
    return [
        box,
        f"# {_version(str(orthanc.BINARY))}; {_version(dcmtk.tool('storescu'))}",
        "# " + ", ".join(f"{name} {_package(name)}" for name in packages),
        load,
    ]


def hardware(folder: Path) -> list[str]:
    """The machine and its load, without the peers on it."""
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", text)
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024 // 1024
    return [
        f"# {model[1] if model else platform.machine()}, {os.cpu_count()} cores, {memory} GiB, "
        f"Linux {platform.release().split('-')[0]}, {_filesystem(folder)}, "
        f"Python {platform.python_version()}",
        f"# load {' '.join(Path('/proc/loadavg').read_text().split()[:3])}",
    ]


def _filesystem(folder: Path) -> str:
    found = subprocess.run(
        ["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown file system"


def _version(program: str) -> str:
    found = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return (found.stdout.splitlines() or [program])[0].strip(" $")


def _package(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
