"""Tasks that run inside real workers in these tests."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from agent.workers.child import WorkerContext
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError, LockgateError, SpoolFullError


class OwnError(LockgateError):
    """An error with arguments of its own, as stages have them."""

    def __init__(self, message: str, *, weight: int) -> None:
        super().__init__(message, "weigh it again")
        self.weight = weight


def make_state(argument: Any) -> dict[str, Any]:
    return {"argument": argument, "pid": os.getpid(), "tasks": 0}


def refuse_to_start(argument: Any) -> None:
    raise SpoolFullError("cannot start: no space")


def fall_over(argument: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def add(payload: tuple[int, int], context: WorkerContext) -> int:
    return payload[0] + payload[1]


def count(payload: None, context: WorkerContext) -> tuple[int, int, Any]:
    context.state["tasks"] += 1
    return context.state["pid"], context.state["tasks"], context.state["argument"]


def die(payload: int, context: WorkerContext) -> None:
    os.kill(os.getpid(), payload)


def hang(payload: str, context: WorkerContext) -> None:
    """Hang deaf to everything but SIGKILL, having said so in a file."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    if payload:
        Path(payload).write_text(str(os.getpid()), "ascii")
    context.progress("hanging")
    while True:
        time.sleep(60)


def wait_for_file(payload: str, context: WorkerContext) -> str:
    context.progress("waiting")
    while not Path(payload).exists():
        time.sleep(0.01)
    return "seen"


def hold(payload: None, context: WorkerContext) -> None:
    raise HeldError(ReasonCode.VIDEO, "cannot clean a video", path="(7FE0,0010)", hint="release it by hand")


def own_error(payload: None, context: WorkerContext) -> None:
    raise OwnError("cannot lift", weight=12)


def spill(payload: str, context: WorkerContext) -> None:
    raise ValueError(f"the name is {payload}")


def shout(payload: str, context: WorkerContext) -> None:
    import logging
    import warnings

    print(payload)  # noqa: T201
    warnings.warn(payload, stacklevel=1)
    logging.getLogger("pydicom").warning(payload)  # noqa: TID251


def unpicklable(payload: None, context: WorkerContext) -> Any:
    return lambda: None


def progress(payload: int, context: WorkerContext) -> str:
    for number in range(payload):
        context.progress({"done": number})
    return "done"


def surroundings(payload: str, context: WorkerContext) -> dict[str, Any]:
    return {
        "nice": os.nice(0),
        "oom": int(Path("/proc/self/oom_score_adj").read_text("ascii")),
        "variable": os.environ.get(payload, ""),
        "pynetdicom": "pynetdicom" in sys.modules,
    }


def allocate(payload: int, context: WorkerContext) -> int:
    return len(bytearray(payload))


def spawn_nothing(payload: None, context: WorkerContext) -> int:
    return subprocess.run([sys.executable, "-c", ""], check=True).returncode
