"""Contestants: child processes that do one job each, and `lockgate clean` as a command."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.hostile.outcome import Outcome, Outcomes, Status

ROOT = Path(__file__).parents[2]
CHILDREN = Path(__file__).parent / "children"


@dataclass(frozen=True)
class Contestant:
    """Who cleans.

    Attributes:
        script: In `children/`.
        python: The interpreter of its environment; ours for Lockgate and pydicom.
        label: How it is called in the tables.
    """

    label: str
    script: str
    python: Path = Path(sys.executable)
    options: dict[str, object] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Ours; a peer does not see our packages."""
        found = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        return {**found, "PYTHONPATH": str(ROOT)} if self.python == Path(sys.executable) else found


@dataclass(frozen=True)
class Played:
    """How a job went: wall seconds from the start signal to the last answer, and what became of each file."""

    seconds: float
    outcomes: Outcomes


def play(contestant: Contestant, inputs: Path, files: Sequence[str], out: Path, processes: int = 1) -> Played:
    """Let a contestant clean files.

    Args:
        contestant: Who.
        inputs: The folder of the set.
        files: Relative to `inputs`.
        out: An empty folder for the outputs.
        processes: Children that share the files; they start together when all are ready.
    """
    out.mkdir(parents=True, exist_ok=True)
    shares = [files[start::processes] for start in range(processes)]
    children = [_start(contestant, inputs, share, out, start) for start, share in enumerate(shares)]
    ready = [child.stdout.readline() == "ready\n" for child in children]
    begun = time.perf_counter()
    for child, is_ready in zip(children, ready, strict=True):
        if is_ready:
            child.stdin.write("go\n")
            child.stdin.flush()
    answers = [child.stdout.readline() for child in children]
    seconds = time.perf_counter() - begun
    outcomes: Outcomes = {}
    for child, share, answer in zip(children, shares, answers, strict=True):
        child.stdin.close()
        child.wait()
        outcomes.update(_outcomes(inputs, share, answer))
    return Played(seconds, outcomes)


def _start(
    contestant: Contestant, inputs: Path, files: Sequence[str], out: Path, share: int
) -> "subprocess.Popen[str]":
    child = subprocess.Popen(
        [str(contestant.python), str(CHILDREN / contestant.script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=contestant.environment(),
        cwd=CHILDREN,
    )
    proposed = [(str(inputs / name), f"{share}-{number:05}.dcm") for number, name in enumerate(files)]
    child.stdin.write(json.dumps({"files": proposed, "out": str(out), "options": contestant.options}) + "\n")
    child.stdin.flush()
    return child


def _outcomes(inputs: Path, files: Sequence[str], answer: str) -> Outcomes:
    """A child that died took all its files with it."""
    if not answer:
        return {name: Outcome(Status.CRASHED, reason="process died") for name in files}
    results = json.loads(answer)["files"]
    found = {}
    for name in files:
        one = results[str(inputs / name)]
        found[name] = Outcome(Status(one["status"]), one["output"], one["reason"])
    return found
