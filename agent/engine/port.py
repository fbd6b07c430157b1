"""The thin port to DBOS. Custody is the only truth: a workflow may be deleted and enqueued anew at any time.

DBOS is imported when the engine is launched (0.45 s), so that the command line stays quick. Its MIT core
only: Conductor, auto-upgrade and sharding are proprietary and never configured; nothing here calls its
`reset` functions, which empty the file that custody shares.
"""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import structlog

from agent.engine import logs
from agent.engine.flight import Flight
from agent.engine.steps import EngineClosing, OnFailure, Outcome, StepFailed, Workflow, place_of, plain
from agent.engine.store import dbos_engine, dbos_url
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import CustodyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbos import DBOS, DBOSConfig

_log = structlog.get_logger()

WORKFLOW_SCHEMA = 2
"""Raise it whenever a workflow's steps change: what is open under another number is cancelled by `stale`."""

_ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
_ACTIVE = ("PENDING", "ENQUEUED", "DELAYED")
_POLL_SECONDS = 1.0  # for what found no room; each look costs 5 ms
_STRANDED_SECONDS = 5.0  # DBOS writes the end of a workflow at once, or (disk full) not at all
_MANY = 10_000
_RECOUNT_SECONDS = 30.0  # how often what is believed to be in flight is compared with the database


class WorkflowState(StrEnum):
    """What the engine knows of a workflow; it never decides what a study's state is."""

    ABSENT = "absent"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"  # its output is the outcome code
    FAILED = "failed"  # ended by an error that was not a step's
    CANCELLED = "cancelled"


_STATES = {
    "PENDING": WorkflowState.RUNNING,
    "ENQUEUED": WorkflowState.QUEUED,
    "DELAYED": WorkflowState.QUEUED,
    "SUCCESS": WorkflowState.DONE,
    "ERROR": WorkflowState.FAILED,
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": WorkflowState.FAILED,
    "CANCELLED": WorkflowState.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine runs.

    Attributes:
        url: The one database URL.
        node: This node's name; workflows that it left unfinished are its own to recover.
        queues: Queue name to how many workflows of it may run at once on this node.
        threads: Upper bound of DBOS's thread pool; 0 = what the queues need, and a few.
        schema: Number of the workflows' schema.
        on_end: Called when a workflow has ended in this process, in its thread: a slot is free.
    """

    url: str
    node: str
    queues: Mapping[str, int] = field(default_factory=lambda: {"study": 2, "delivery": 4})
    threads: int = 0
    schema: int = WORKFLOW_SCHEMA
    on_end: "Callable[[], None]" = lambda: None

    @property
    def version(self) -> str:
        """The application version that is pinned."""
        return f"lockgate-workflows-{self.schema}"


class Engine:
    """Durable workflows. One per process; all methods block, none may be called on an event loop."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._workflows: dict[str, tuple[Workflow, OnFailure | None]] = {}
        self._homes: dict[str, str] = {}
        self._entries: dict[str, Callable[..., str]] = {}
        self._dbos: type[DBOS] | None = None
        self._closing = threading.Event()
        self._ended: dict[str, float] = {}
        self._flight = Flight()

    def register(
        self, name: str, workflow: Workflow, on_failure: OnFailure | None = None, queue: str = ""
    ) -> None:
        """Make a workflow known, before `launch`.

        Args:
            name: Kept in the database; never rename it.
            workflow: `workflow(steps, *ids) -> outcome code`; ids as they were given to `enqueue`.
            on_failure: Called as a step when a step failed and the workflow let it pass.
            queue: The one queue that all runs of it go to. What is enqueued while the queue has room begins
                at once; the rest waits until DBOS looks into the queue, which then keeps its limit for what
                it finds there alone: hand over no more than there is room for.
        """
        self._require(launched=False)
        self._workflows[plain(name)] = (workflow, on_failure)
        self._homes[name] = queue

    def launch(self) -> None:
        """Open the database and take up what this node left unfinished (same schema number only).

        Raises:
            CustodyError: Another engine lives in this process, or the database cannot be used.
        """
        self._require(launched=False)
        logs.attach()
        # Its environment could switch on what is proprietary or talks to the internet.
        for name in [one for one in os.environ if one.startswith("DBOS_")]:
            del os.environ[name]
        from dbos import DBOS

        try:
            DBOS(config=self._config())
            for name in self._workflows:
                self._entries[name] = self._entry(name)
            DBOS.launch()
            DBOS.set_latest_application_version(self._settings.version)
            for name, limit in self._settings.queues.items():
                DBOS.register_queue(
                    name,
                    worker_concurrency=limit,
                    polling_interval_sec=_POLL_SECONDS,
                    on_conflict="always_update",
                )
        except Exception as error:  # noqa: BLE001 - its own types, the driver's and the server's
            DBOS.destroy(destroy_registry=True)
            _log.error("engine not launched", error=type(error).__name__, at=place_of(error))
            raise CustodyError(
                f"cannot launch the workflow engine ({type(error).__name__})", "check `database:`"
            ) from None
        self._dbos = DBOS
        self._flight.replace(self._active())

    def limit(self, queue: str) -> int:
        """How many workflows of a queue may run at once."""
        return self._settings.queues[queue]

    def in_flight(self, queue: str) -> frozenset[str]:
        """The workflows of a queue that were handed over and have not ended in this process."""
        if self._flight.age() > _RECOUNT_SECONDS:
            self._flight.replace(self._active())
        return self._flight.of(queue)

    def _active(self) -> dict[str, str]:
        """What the database says has not ended, workflow to queue; what has ended here is left out."""
        listed = self._require().list_workflows(
            status=list(_ACTIVE), app_version=self._settings.version, load_input=False, load_output=False
        )
        return {
            # what DBOS takes up after a start lies in a queue of its own
            one.workflow_id: self._homes.get(one.name) or one.queue_name or ""
            for one in listed
            if one.workflow_id not in self._ended
            and (one.status != "PENDING" or one.executor_id == self._settings.node)
        }

    def enqueue(
        self, name: str, workflow_id: str, ids: tuple[str, ...], queue: str, *, again: bool = False
    ) -> bool:
        """Have a workflow run, once: a second call with the same id changes nothing.

        Args:
            name: As registered.
            workflow_id: `exchange/attempt` or `delivery/attempt`.
            ids: Its arguments: ids, counts, digests.
            queue: One of the settings' queues.
            again: If a workflow of this id has *ended*, forget it and run it anew, because custody says that
                the work is not done. One whose end DBOS could not write has ended, too.

        Returns:
            True when it was enqueued by this call (a race between two callers may tell both so).

        Raises:
            ValueError: An id is not plain, or name or queue is unknown.
        """
        dbos = self._require()
        if name not in self._entries or queue not in self._settings.queues:
            raise ValueError("cannot enqueue: this workflow or queue is not registered")
        state = self.state(plain(workflow_id))
        if again and state is WorkflowState.RUNNING and self._is_stranded(workflow_id):
            dbos.cancel_workflow(workflow_id)
            dbos.delete_workflow(workflow_id)
        elif again and state in {WorkflowState.DONE, WorkflowState.FAILED, WorkflowState.CANCELLED}:
            dbos.delete_workflow(workflow_id)
        elif state is not WorkflowState.ABSENT:
            return False
        from dbos import SetWorkflowID

        checked = [plain(one) for one in ids]
        has_room = len(self._flight.of(queue)) < self._settings.queues[queue]
        self._flight.add(workflow_id, queue)
        try:
            with SetWorkflowID(workflow_id):
                if has_room and self._homes[name] == queue:
                    dbos.start_workflow(self._entries[name], *checked)
                else:
                    dbos.enqueue_workflow(queue, self._entries[name], *checked)
        except BaseException:
            self._flight.end(workflow_id)
            raise
        return True

    def _is_stranded(self, workflow_id: str) -> bool:
        """Whether it has ended in this process, and the database still says that it runs."""
        ended_at = self._ended.get(workflow_id)
        return ended_at is not None and time.monotonic() - ended_at > _STRANDED_SECONDS

    def state(self, workflow_id: str) -> WorkflowState:
        """What the engine knows of a workflow."""
        status = self._require().get_workflow_status(workflow_id)
        return WorkflowState.ABSENT if status is None else _STATES[status.status]

    def outcome(self, workflow_id: str) -> str:
        """The outcome code of a workflow that is DONE; "" otherwise."""
        status = self._require().get_workflow_status(workflow_id)
        return str(status.output) if status is not None and status.status == "SUCCESS" else ""

    def cancel(self, workflow_id: str) -> None:
        """Have a workflow stop before its next step; the running one is stopped by its attempt token only."""
        self._require().cancel_workflow(workflow_id)
        self._flight.end(workflow_id)

    def stale(self) -> tuple[str, ...]:
        """Cancel and forget what is open under other schema numbers; DBOS would leave it stranded.

        Returns:
            The ids of those workflows; the caller enqueues them afresh from custody.
        """
        dbos = self._require()
        listed = dbos.list_workflows(status=list(_ACTIVE), load_input=False, load_output=False)
        old = tuple(one.workflow_id for one in listed if one.app_version != self._settings.version)
        if old:
            dbos.cancel_workflows(list(old))
            dbos.delete_workflows(list(old))
        return old

    def take_over(self, node: str, queue: str) -> tuple[str, ...]:
        """Take up what a dead node left unfinished; whether it is dead is decided by the caller's lease.

        Args:
            node: The dead node's name.
            queue: Where its workflows go on; without a queue they would leave our limit.
        """
        dbos = self._require()
        left = dbos.list_workflows(
            status="PENDING",
            executor_id=node,
            app_version=self._settings.version,
            load_input=False,
            load_output=False,
        )
        for one in left:
            dbos.resume_workflow(one.workflow_id, queue_name=one.queue_name or queue)
        return tuple(one.workflow_id for one in left)

    def forget(self, ended_before: datetime) -> int:
        """Delete workflows that ended before a time; how many. Custody keeps what matters of them."""
        dbos = self._require()
        ended = dbos.list_workflows(
            status=list(_ENDED),
            completed_before=ended_before.isoformat(),
            load_input=False,
            load_output=False,
            limit=_MANY,
        )
        if ended:
            dbos.delete_workflows([one.workflow_id for one in ended])
        return len(ended)

    def close(self, grace_seconds: int) -> None:
        """Begin no further step, let running ones end within the grace, and let go of the database.

        Workflows that were stopped between two steps go on after the next start. What runs on after the grace
        can neither send nor write: custody refuses its token once the next start has begun another attempt,
        and the process should `os._exit` next.
        """
        if self._dbos is not None:
            self._closing.set()
            self._dbos.destroy(workflow_completion_timeout_sec=grace_seconds, destroy_registry=True)
            self._dbos = None
            self._entries.clear()

    def _require(self, *, launched: bool = True) -> "type[DBOS]":
        if launched != (self._dbos is not None):
            raise CustodyError(f"cannot do this: the workflow engine is {'not ' * launched}launched")
        return self._dbos  # type: ignore[return-value] # None only where the caller asked for it

    def _config(self) -> "DBOSConfig":
        from dbos import DBOSPortableJSONSerializer

        settings = self._settings
        config: DBOSConfig = {
            "name": "lockgate",
            "system_database_url": dbos_url(settings.url),
            "application_version": settings.version,
            "executor_id": settings.node,
            "serializer": DBOSPortableJSONSerializer(),
            "max_executor_threads": settings.threads or sum(settings.queues.values()) + 4,
            "enable_otlp": False,
            "log_level": "WARNING",
            "console_log_level": "WARNING",
        }
        engine = dbos_engine(settings.url)
        if engine is not None:
            config["system_database_engine"] = engine
        return config

    def _entry(self, name: str) -> "Callable[..., str]":
        """The function that DBOS knows: plain, synchronous, closing over ours."""
        from dbos import DBOS

        workflow, on_failure = self._workflows[name]

        def entry(*ids: str) -> str:
            workflow_id = str(DBOS.workflow_id)
            self._ended.pop(workflow_id, None)
            try:
                return _run(_Steps(workflow_id, DBOS, self._closing), workflow, on_failure, ids)
            finally:
                self._note_end(workflow_id)

        # Recoveries are counted in custody, where a poison study is held; DBOS's own limit would strand it.
        decorate: Any = DBOS.workflow(name=name, max_recovery_attempts=None)
        registered: Callable[..., str] = decorate(entry)
        return registered

    def _note_end(self, workflow_id: str) -> None:
        self._flight.end(workflow_id)
        while len(self._ended) > _MANY:
            self._ended.pop(next(iter(self._ended)), None)
        self._ended[workflow_id] = time.monotonic()
        if not self._closing.is_set():
            self._settings.on_end()


def _run(steps: "_Steps", workflow: Workflow, on_failure: OnFailure | None, ids: tuple[str, ...]) -> str:
    """The workflow, with every failure made an outcome."""
    try:
        return plain(workflow(steps, *ids))
    except StepFailed as failure:
        return _failed(steps, failure, on_failure)
    except Exception as error:  # noqa: BLE001 - the boundary: one workflow; its text must not be kept
        kind, at = type(error).__name__, place_of(error)
        _log.error("workflow failed", workflow=steps.workflow_id, error=kind, at=at)
        internal = StepFailed("workflow", str(ReasonCode.INTERNAL), kind)
        return _failed(steps, internal, on_failure)


class _Steps:
    """A workflow's steps, as DBOS runs and keeps them."""

    def __init__(self, workflow_id: str, dbos: "type[DBOS]", closing: threading.Event) -> None:
        self.workflow_id = workflow_id
        self._dbos = dbos
        self._closing = closing

    def run(self, name: str, step: "Callable[..., str]", *ids: str) -> str:
        """See StepRunner."""
        checked = tuple(plain(one) for one in ids)
        if self._closing.is_set():
            raise EngineClosing

        def edge() -> str:
            outcome = Outcome.of(name, step, checked)
            if outcome.failed and self._closing.is_set():
                raise EngineClosing  # it may have failed because all is going down: not to be kept
            return outcome.text

        return Outcome(self._dbos.run_step({"name": name}, edge)).value(name)


def _failed(steps: _Steps, failure: StepFailed, on_failure: OnFailure | None) -> str:
    """Let the owner of the workflow make it a hold or a new attempt; the workflow itself ends in peace."""
    if on_failure is None:
        return f"failed:{failure.code}"

    def told() -> str:
        on_failure(steps.workflow_id, failure)
        return "told"

    try:
        steps.run("on-failure", told)
    except StepFailed:
        return f"unhandled:{failure.code}"  # custody still says that it is under way: start-up takes it up
    return f"failed:{failure.code}"
