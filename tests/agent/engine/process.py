"""A process of its own with an engine: it is killed in mid workflow, started again, and asked what it did.

    python -m tests.agent.engine.process URL FOLDER MODE

MODE `hang` waits in the second step until killed; `finish` lets everything end and leaves; `spill` plants
names wherever an application could by mistake.
"""

import sys
import threading
from pathlib import Path

from agent.engine.port import Engine, EngineSettings, WorkflowState
from agent.engine.steps import StepFailed, StepRunner
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError

NAME = "DOE^PLANTED^JOHN"
_INTERNET: list[str] = []


def note_sockets(name: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: every socket of the internet families that is made, bound or connected."""
    if name == "socket.__new__" and arguments[1] in {2, 10}:  # AF_INET, AF_INET6
        _INTERNET.append(name)


class Recorder:
    """Workflows whose steps write a line each time that they really run."""

    def __init__(self, folder: Path, mode: str) -> None:
        self.folder = folder
        self.mode = mode
        self.done = threading.Event()

    def write(self, line: str) -> None:
        with (self.folder / "ran").open("a", encoding="ascii") as file:
            file.write(line + "\n")

    def study(self, steps: StepRunner, exchange_id: str, number: str) -> str:
        first = steps.run("first", self.first, exchange_id, number)
        steps.run("second", self.second, first)
        outcome = steps.run("third", self.third, first)
        self.done.set()
        return outcome

    def first(self, exchange_id: str, number: str) -> str:
        self.write(f"first {exchange_id} {number}")
        return f"token-{exchange_id}"

    def second(self, token: str) -> str:
        self.write(f"second {token}")
        if self.mode == "hang":
            (self.folder / "hanging").touch()
            threading.Event().wait(300)
        return "2"

    def third(self, token: str) -> str:
        self.write(f"third {token}")
        return "delivering"

    def spill(self, steps: StepRunner, how: str) -> str:
        def hold() -> str:
            raise HeldError(ReasonCode.VIDEO, f"cannot clean {NAME}", path=NAME)

        def fall() -> str:
            raise ValueError(NAME)

        def tell() -> str:
            return NAME

        if how == "workflow":
            raise ValueError(NAME)
        return steps.run(how, {"hold": hold, "fall": fall, "tell": tell}[how])

    def failed(self, workflow_id: str, failure: StepFailed) -> None:
        self.write(f"failed {workflow_id} {failure.step} {failure.code} {failure.kind}")


def main() -> None:
    url, folder, mode = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    sys.addaudithook(note_sockets)
    recorder = Recorder(folder, mode)
    engine = Engine(EngineSettings(url, "node-1", {"study": 2}))
    engine.register("study", recorder.study, recorder.failed)
    engine.register("spill", recorder.spill, recorder.failed)
    engine.launch()
    if mode == "spill":
        spill(engine)
    else:
        engine.enqueue("study", "x1/1", ("x1", "1"), "study")
        assert recorder.done.wait(60)
        wait_until_ended(engine, "x1/1")
        print(engine.state("x1/1"), engine.outcome("x1/1"))  # noqa: T201
    engine.close(5)
    print("internet sockets:", len(_INTERNET))  # noqa: T201


def spill(engine: Engine) -> None:
    for how in ("hold", "fall", "tell", "workflow"):
        engine.enqueue("spill", f"s-{how}/1", (how,), "study")
        wait_until_ended(engine, f"s-{how}/1")
        print(how, engine.outcome(f"s-{how}/1"))  # noqa: T201
    try:
        engine.enqueue("spill", "s-argument/1", (NAME,), "study")
    except ValueError:
        print("argument refused")  # noqa: T201


def wait_until_ended(engine: Engine, workflow_id: str) -> None:
    for _ in range(3000):
        if engine.state(workflow_id) not in {WorkflowState.QUEUED, WorkflowState.RUNNING}:
            return
        threading.Event().wait(0.02)
    raise TimeoutError


if __name__ == "__main__":
    main()
