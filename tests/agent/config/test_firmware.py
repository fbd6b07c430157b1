"""Firmware profiles: which board this is, from what the kernel shows."""

from pathlib import Path

import pytest

from agent.config.firmware import (
    Machine,
    choose_profile,
    detect_machine,
    firmware_profile,
    load_firmware_profiles,
)
from exchange.domain.errors import ConfigurationError

PROFILES = load_firmware_profiles()


def board(folder: Path, machine: str, device_tree: str = "", files: tuple[str, ...] = ()) -> Machine:
    for name, content in {
        "proc/device-tree/model": device_tree,
        "proc/meminfo": "MemTotal: 8000000 kB\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    for name in files:
        (folder / name.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (folder / name.lstrip("/")).touch()
    return detect_machine(folder, machine)


BOARDS = [
    ("x86_64", "", (), "x86-cpu"),
    ("x86_64", "", ("/dev/nvidia0",), "x86-nvidia"),
    ("aarch64", "NVIDIA Jetson Orin Nano Developer Kit\0", ("/dev/nvmap",), "jetson-orin-nano"),
    ("aarch64", "NVIDIA Jetson AGX Orin\0", (), "jetson-agx-orin"),
]


@pytest.mark.parametrize(("machine", "tree", "files", "expected"), BOARDS, ids=[row[3] for row in BOARDS])
def test_a_board_is_known(
    tmp_path: Path, machine: str, tree: str, files: tuple[str, ...], expected: str
) -> None:
    assert choose_profile(board(tmp_path, machine, tree, files), PROFILES).profile == expected


def test_an_unknown_board_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot find a firmware profile"):
        choose_profile(board(tmp_path, "riscv64"), PROFILES)


def test_the_site_may_name_a_profile(tmp_path: Path) -> None:
    machine = board(tmp_path, "x86_64", "", ("/dev/nvidia0",))
    assert choose_profile(machine, PROFILES, "x86-cpu").profile == "x86-cpu"
    with pytest.raises(ConfigurationError, match="did you mean x86-cpu"):
        choose_profile(machine, PROFILES, "x86-cpus")


def test_only_what_was_tried_says_supported() -> None:
    assert {one.profile: one.status for one in PROFILES} == {
        "jetson-agx-orin": "untested",
        "jetson-orin-nano": "untested",
        "x86-cpu": "supported",
        "x86-nvidia": "untested",
    }


@pytest.mark.parametrize(
    ("cores", "memory", "workers"), [(1, 100, 1), (2, 16000, 1), (8, 16000, 7), (8, 4000, 2), (64, 500000, 8)]
)
def test_workers_follow_cores_and_memory(cores: int, memory: int, workers: int) -> None:
    profile = next(one for one in PROFILES if one.profile == "x86-cpu")
    assert profile.worker_count(cores, memory) == workers


def test_a_control_group_bounds_the_memory(tmp_path: Path) -> None:
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text(f"{512 << 20}\n")
    assert board(tmp_path, "x86_64").memory_mib == 512
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("max\n")
    assert board(tmp_path, "x86_64").memory_mib == 8000000 // 1024


def test_a_profile_with_a_mistake_is_told(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("profile: odd\n")
    with pytest.raises(ConfigurationError, match=r"odd\.yaml"):
        load_firmware_profiles(tmp_path)


def test_this_machine_has_a_profile() -> None:
    assert firmware_profile("x86-cpu").profile == "x86-cpu"
