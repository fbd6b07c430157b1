"""What runs inside a worker process. Imports nothing heavy itself: tasks and initializers do."""

import importlib
import logging
import os
import resource
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from traceback import extract_tb
from typing import Any

from exchange.domain.errors import LockgateError

READY, TAKEN, PROGRESS, RESULT = "ready", "taken", "progress", "result"
REFUSED, FAILED = "refused", "failed"
"""What a worker may say: started, at it, under way, done; a LockgateError, any other exception."""

_ORPHANED = 3


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker process runs.

    Attributes:
        nice: Added to the niceness, so that intake stays quick.
        oom_score_adj: -1000..1000; above 0 the kernel takes a worker before the daemon.
        memory_bytes: Address space (RLIMIT_AS) of one worker; 0 = no limit.
        environment: Set before anything is imported, e.g. OMP_NUM_THREADS.
        start_seconds: How long a start with its initializer may take.
    """

    nice: int = 5
    oom_score_adj: int = 500
    memory_bytes: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """Handed to every task beside its payload.

    Attributes:
        state: What the initializer returned (model sessions); None without one.
        progress: Sends a small message to the submitter's callback.
    """

    state: Any
    progress: Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A LockgateError on its way to the submitter: exceptions with arguments of their own do not unpickle."""

    type_name: str  # module:qualname
    arguments: tuple[Any, ...]
    attributes: dict[str, Any]

    @classmethod
    def of(cls, error: LockgateError) -> "Refusal":
        """Take an error apart."""
        kind = type(error)
        attributes = {key: value for key, value in vars(error).items() if not key.startswith("__")}
        return cls(f"{kind.__module__}:{kind.__qualname__}", error.args, attributes)

    def error(self) -> LockgateError:
        """Put it together again, type and attributes as they were; its traceback stays in the worker."""
        kind = load(self.type_name)
        error = kind.__new__(kind, *self.arguments)
        if not isinstance(error, LockgateError):
            raise TypeError("cannot rebuild an error that is not Lockgate's")
        vars(error).update(self.attributes)
        return error


def load(spec: str) -> Any:
    """The object named by `module:name`; its module is imported once a process."""
    module, _, name = spec.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def serve(pipe: Connection, initializer: str, argument: Any, settings: WorkerSettings) -> None:
    """The worker's main loop: one task at a time until the pipe closes."""
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    _become_worker(settings)
    try:
        state = load(initializer)(argument) if initializer else None
    except BaseException as error:  # noqa: BLE001 - the boundary: whatever it is, the submitter must hear
        _answer(pipe, *_packed(error))
        return
    _answer(pipe, READY, None)
    context = WorkerContext(state, lambda message: pipe.send((PROGRESS, message)))
    while True:
        try:
            task, payload = pipe.recv()
        except EOFError:
            return
        _answer(pipe, TAKEN, None)
        _answer(pipe, *_run(task, payload, context))


def _run(task: str, payload: Any, context: WorkerContext) -> tuple[str, Any]:
    try:
        return RESULT, load(task)(payload, context)
    except Exception as error:  # noqa: BLE001 - the boundary: one task
        return _packed(error)


def _packed(error: BaseException) -> tuple[str, Any]:
    if isinstance(error, LockgateError):
        return REFUSED, Refusal.of(error)
    frames = extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    return FAILED, (type(error).__name__, place)


def _answer(pipe: Connection, kind: str, content: Any) -> None:
    try:
        pipe.send((kind, content))
    except OSError:
        os._exit(_ORPHANED)  # nobody listens any more
    except Exception as error:  # noqa: BLE001 - a result that cannot be pickled, of whatever kind
        pipe.send((FAILED, _packed(error)[1] if kind == RESULT else ("PicklingError", kind)))


def _exit_with_parent() -> None:
    """End this process when the daemon ends, however it ends: kill -9 must leave no orphan."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(_ORPHANED)


def _become_worker(settings: WorkerSettings) -> None:
    os.environ.update(settings.environment)
    # The daemon stops its workers; a signal to the whole group (Ctrl-C, systemd) must not do it first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _keep_quiet()
    os.nice(settings.nice)
    if settings.oom_score_adj:
        Path("/proc/self/oom_score_adj").write_text(str(settings.oom_score_adj), "ascii")
    if settings.memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (settings.memory_bytes, settings.memory_bytes))


def _keep_quiet() -> None:
    """Libraries warn with the values that they dislike, and print: neither may reach a log or stdout."""
    sys.stdout.flush()
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    logging.lastResort = None
    threading.excepthook = lambda _arguments: None
    sys.excepthook = lambda _kind, _error, _traceback: None
