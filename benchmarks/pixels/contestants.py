"""Who takes part: child processes that answer one picture at a time, so that they take turns on each."""

import json
import os
import selectors
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import environments

ROOT = Path(__file__).parents[2]
CHILDREN = Path(__file__).parent / "children"
PINS = Path(__file__).parent / "peers"

LOCKGATE, READER, PROVER = "lockgate", "lockgate reader", "lockgate prover"
RAPIDOCR, RAPIDOCR_4 = "rapidocr", "rapidocr PP-v4"
TESSERACT, PRESIDIO = "tesseract", "presidio"
_PACKAGES = {RAPIDOCR_4: "rapidocr-onnxruntime", PRESIDIO: "presidio-image-redactor"}  # of their own pins
_START_SECONDS = 300.0

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Answer:
    """What a contestant did with a picture.

    Attributes:
        status: `out`, `held` or `crashed`.
        boxes: What it removed: x0, y0, x1, y1, half-open.
        texts: What it read.
        removed: How many boxes in all frames; `boxes` are those of the first.
        output: The cleaned file, where it wrote one.
        peak_mib: Its process's peak memory, where it says so.
    """

    status: str
    reason: str = ""
    boxes: tuple[Box, ...] = ()
    texts: tuple[str, ...] = ()
    milliseconds: float = 0.0
    removed: int = 0
    output: Path | None = None
    peak_mib: float = 0.0


@dataclass
class Contestant:
    """A child process that is started when it is first asked, and anew after it died.

    Attributes:
        label: How it is called in the tables.
        command: Script in `children/` and its arguments.
        python: Of its own environment; ours for Lockgate and rapidocr, which we have as a dependency.
        seconds: For an answer.
    """

    label: str
    command: tuple[str, ...]
    python: Path = Path(sys.executable)
    seconds: float = 300.0
    _child: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def ask(self, **question: object) -> Answer:
        """Its answer; a child that dies or does not answer in time has crashed on this picture."""
        child = self._child or self._start()
        if child is None or child.stdin is None:
            return Answer("crashed", "does not start")
        child.stdin.write((json.dumps(question, default=str) + "\n").encode())
        child.stdin.flush()
        line = _line(child, self.seconds)
        if not line:
            self.stop()
            return Answer("crashed", "died or did not answer")
        told = json.loads(line)
        return Answer(
            status=told["status"],
            reason=told["reason"],
            boxes=tuple((box[0], box[1], box[2], box[3]) for box in told["boxes"]),
            texts=tuple(told["texts"]),
            milliseconds=told["milliseconds"],
            removed=told.get("removed", len(told["boxes"])),
            output=Path(told["output"]) if told["output"] else None,
            peak_mib=told.get("peakMiB", 0.0),
        )

    def _start(self) -> "subprocess.Popen[bytes] | None":
        ours = self.python == Path(sys.executable)
        found = {key: value for key, value in os.environ.items() if ours or key != "PYTHONPATH"}
        child = subprocess.Popen(
            [str(self.python), str(CHILDREN / self.command[0]), *self.command[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**found, "PYTHONPATH": str(ROOT)} if ours else found,
            cwd=CHILDREN,
        )
        if _line(child, _START_SECONDS) != b"ready\n":
            child.kill()
            child.wait()
            return None
        self._child = child
        return child

    def stop(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


def _line(child: "subprocess.Popen[bytes]", seconds: float) -> bytes:
    """The next line of its output; nothing when it ended or the time is over."""
    if child.stdout is None:
        return b""
    with selectors.DefaultSelector() as ready:
        ready.register(child.stdout, selectors.EVENT_READ)
        return child.stdout.readline() if ready.select(seconds) else b""


def ours(threads: int = 1) -> list[Contestant]:
    """The whole of Lockgate, and its reader alone."""
    return [
        Contestant(LOCKGATE, ("with_lockgate.py", "whole", str(threads))),
        Contestant(READER, ("with_lockgate.py", "cleaner", str(threads))),
    ]


def prover(threads: int = 1) -> Contestant:
    """The reader of the proof."""
    return Contestant(PROVER, ("with_lockgate.py", "prover", str(threads)))


def peer(name: str, cache: Path, threads: int = 1) -> Contestant | None:
    """A peer by name; None, and a word about it, where it cannot be had here."""
    if name == RAPIDOCR:
        return Contestant(RAPIDOCR, ("with_rapidocr.py", "rapidocr", str(threads)))
    if name == TESSERACT:
        return _there(Contestant(TESSERACT, ("with_tesseract.py", str(threads))), shutil.which("tesseract"))
    python = environments.python_of(_pins(name), cache)
    if name == RAPIDOCR_4:
        command: tuple[str, ...] = ("with_rapidocr.py", "rapidocr_onnxruntime", str(threads))
    else:
        command = ("with_presidio.py",)
    return _there(Contestant(name, command, python or Path()), python)


def _pins(name: str) -> Path:
    return PINS / f"{_PACKAGES[name]}.txt"


def _there(one: Contestant, found: object) -> Contestant | None:
    if not found:
        print(f"({one.label} is not to be had here and is left out)", file=sys.stderr)
        return None
    return one


def version(name: str) -> str:
    """Of a peer, as a word for the head."""
    if name == TESSERACT:
        ran = subprocess.run(["tesseract", "--version"], capture_output=True, text=True, check=False)
        return (ran.stdout.splitlines() or [name])[0]
    if name == RAPIDOCR:
        from importlib import metadata

        return f"{name} {metadata.version(name)}"
    return f"{_PACKAGES[name]} {environments.version_of(_pins(name))}"


def stop(everyone: Sequence[Contestant]) -> None:
    """End their children."""
    for one in everyone:
        one.stop()
