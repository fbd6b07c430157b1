"""Firmware profiles: what board this is, and therefore which providers, workers, limits and key store apply.

A profile is data (`firmware-profiles/*.yaml`). It is chosen by detection at start, or named by
`firmware_profile:` in the site file, printed by `doctor` and recorded on receipts.
"""

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError

from agent.config.problems import did_you_mean
from agent.config.shipped import shipped
from agent.config.types import Count, Name, Pattern, Text
from exchange.domain.errors import ConfigurationError

FOLDER = "firmware-profiles"
_DEVICE_TREE = "proc/device-tree/model"
_NVIDIA_DRIVER = "proc/driver/nvidia/version"
_DEVICE_FILES = ("/dev/nvidia0", "/dev/nvhost-gpu", "/dev/nvmap", "/dev/tpmrm0", "/dev/watchdog")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Detection(_Part):
    """Conditions that the machine must meet, all of them."""

    machine: tuple[Text, ...] = Field(min_length=1, description="As `uname -m` says it.")
    device_tree: Pattern | None = Field(None, description="Found in /proc/device-tree/model.")
    device_files: tuple[Text, ...] = Field((), description="All of these exist.")


class Software(_Part):
    """Versions that the profile is meant for, as text; "" where there is none."""

    python: Text = ">=3.11"
    jetpack: Text = ""
    driver: Text = ""
    cuda: Text = ""
    tensorrt: Text = ""


class Inference(_Part):
    """How models run."""

    execution_providers: tuple[
        Literal["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"], ...
    ] = Field(min_length=1, description="In the order that they are tried.")
    precision: Literal["fp32", "fp16"] = "fp32"
    engine_cache: Text | None = Field(None, description="Folder of built engines, inside the state folder.")


class Workers(_Part):
    """How many worker processes: a share of cores and memory, whichever is less."""

    reserved_cores: Annotated[int, Strict(), Field(ge=0)] = 1
    most: Count
    mib_per_worker: Count


class Memory(_Part):
    """Main memory, in MiB."""

    least_mib: Count


class Spool(_Part):
    """The spool's disk, in MiB."""

    least_free_mib: Count
    reserve_mib: Count


class Watchdog(_Part):
    """How soon a hung daemon is restarted."""

    seconds: Count
    hardware: Text | None = Field(None, description="Device that systemd's RuntimeWatchdogSec may use.")


class FirmwareProfile(_Part):
    """One appliance board."""

    profile: Name
    title: Text
    status: Literal["supported", "untested"]
    detect: Detection
    software: Software = Software()
    inference: Inference
    workers: Workers
    memory: Memory
    spool: Spool
    key_backends: tuple[Literal["tpm2", "ftpm", "pkcs11", "file"], ...] = Field(
        min_length=1, description="In order of preference; this version has file only."
    )
    watchdog: Watchdog
    thermal: Text = ""
    power: Text = ""

    def worker_count(self, cores: int, memory_mib: int) -> int:
        """Worker processes for this machine: at least one.

        Args:
            cores: That this process may use.
            memory_mib: Of the machine.
        """
        by_memory = memory_mib // self.workers.mib_per_worker
        return max(1, min(cores - self.workers.reserved_cores, by_memory, self.workers.most))


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found.

    Attributes:
        machine: As `uname -m` says it.
        device_tree: Board name of the device tree, "" where there is none.
        device_files: Those of interest that exist.
        driver: First line of the NVIDIA driver's version file, "" where there is none.
        cores: That this process may use.
        memory_mib: Main memory, or the control group's limit where that is less.
    """

    machine: str
    device_tree: str
    device_files: frozenset[str]
    driver: str
    cores: int
    memory_mib: int


def detect_machine(root: Path = Path("/"), machine: str | None = None) -> Machine:
    """Look at the machine; `root` and `machine` are for tests."""
    return Machine(
        machine=platform.machine() if machine is None else machine,
        device_tree=_first_line(root / _DEVICE_TREE),
        device_files=frozenset(name for name in _DEVICE_FILES if (root / name.lstrip("/")).exists()),
        driver=_first_line(root / _NVIDIA_DRIVER),
        cores=len(os.sched_getaffinity(0)),
        memory_mib=memory_mib(root),
    )


def memory_mib(root: Path = Path("/")) -> int:
    """Main memory in MiB, or the control group's limit where that is less."""
    total = re.search(r"MemTotal:\s+(\d+) kB", _text(root / "proc/meminfo"))
    mib = int(total[1]) // 1024 if total else 0
    limit = _first_line(root / "sys/fs/cgroup/memory.max")
    return min(mib, int(limit) >> 20) if limit.isdigit() else mib


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _first_line(path: Path) -> str:
    return _text(path).partition("\n")[0].strip("\0 \t")


def load_firmware_profiles(folder: Path | None = None) -> tuple[FirmwareProfile, ...]:
    """All shipped profiles, by name.

    Raises:
        ConfigurationError: A file has a mistake.
    """
    paths = sorted((folder or shipped(FOLDER)).glob("*.yaml"))
    return tuple(_load(path) for path in paths)


def _load(path: Path) -> FirmwareProfile:
    try:
        profile = FirmwareProfile.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise ConfigurationError(
            f"cannot use the firmware profile {path.name}: {type(error).__name__}",
            "compare it with config/schemas/firmware-profile.schema.json",
        ) from error
    if profile.profile != path.stem:
        raise ConfigurationError(
            f"cannot use the firmware profile {path.name}: it names itself {profile.profile}"
        )
    return profile


def choose_profile(
    machine: Machine, profiles: Sequence[FirmwareProfile], override: str | None = None
) -> FirmwareProfile:
    """The named profile, or the most specific one that fits the machine.

    Raises:
        ConfigurationError: The named one does not exist, or none fits.
    """
    if override is not None:
        for profile in profiles:
            if profile.profile == override:
                return profile
        names = [profile.profile for profile in profiles]
        raise ConfigurationError(
            f"cannot find the firmware profile {override}", did_you_mean(override, names)
        )
    fitting = [profile for profile in profiles if fits(profile.detect, machine)]
    if not fitting:
        raise ConfigurationError(
            f"cannot find a firmware profile for this {machine.machine} machine",
            "name one: firmware_profile: …",
        )
    return max(fitting, key=lambda profile: (_specificity(profile.detect), profile.profile))


def fits(detect: Detection, machine: Machine) -> bool:
    """Whether the machine meets every condition."""
    return (
        machine.machine in detect.machine
        and (detect.device_tree is None or re.search(detect.device_tree, machine.device_tree) is not None)
        and machine.device_files.issuperset(detect.device_files)
    )


def _specificity(detect: Detection) -> int:
    return 2 * (detect.device_tree is not None) + len(detect.device_files)


def firmware_profile(override: str | None = None) -> FirmwareProfile:
    """The profile of this machine, or the one that the site file names.

    Raises:
        ConfigurationError: There is none.
    """
    return choose_profile(detect_machine(), load_firmware_profiles(), override)
