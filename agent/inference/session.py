"""Model sessions on onnxruntime: provider order with recorded fallback, fixed threads, silent logger."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.inference.catalogue import EMBEDDED
from agent.inference.store import ModelStore
from exchange.domain.errors import ModelError

CPU = "CPUExecutionProvider"
_SHORT_NAMES = {
    "cpu": CPU,
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
_FATAL_ONLY = 4  # onnxruntime's severities run from 0 (verbose) to 4 (fatal)

Tensor = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a receipt says of a model.

    Attributes:
        name: Model id in the catalogue.
        version: `package-version` that the weights come from.
        sha256: Digest of the weights.
        provider: Execution provider in use.
        fallback: Providers that were asked for first and are not available, in order; empty when the
            first choice runs.
    """

    name: str
    version: str
    sha256: str
    provider: str
    fallback: tuple[str, ...]


class OnnxSession:
    """A `ModelSession` of the domain on onnxruntime. Lives in one process; cannot be pickled."""

    def __init__(self, session: Any, facts: ModelFacts, characters: tuple[str, ...]) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._output = session.get_outputs()[0].name
        self.facts = facts
        self.name = facts.name
        self.version = facts.version
        self.sha256 = facts.sha256
        self.provider = facts.provider
        self.characters = characters

    def infer(self, batch: Tensor) -> Tensor:
        """Run the model once: float32 NCHW in, the first output out.

        Raises:
            ModelError: The runtime failed (out of memory, an operator the provider lacks).
        """
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

        try:
            (result,) = self._session.run([self._output], {self._input: batch})
        except (Fail, InvalidArgument, RuntimeException) as error:
            raise ModelError(
                f"cannot run {self.name} on {self.provider}: {type(error).__name__}",
                "check free memory with `lockgate doctor`",
            ) from error
        return np.asarray(result, dtype=np.float32)

    def __reduce__(self) -> Any:
        raise ModelError("cannot pickle a model session", "build it in the worker that uses it")


def open_session(
    store: ModelStore, model_id: str, providers: Sequence[str] = ("cpu",), threads: int = 1
) -> OnnxSession:
    """Load a checked model on the first provider that works.

    Args:
        store: Where the files are.
        model_id: Name in the catalogue.
        providers: In order of wish, as in the firmware profile (`tensorrt`, `cuda`, `cpu`) or by
            onnxruntime's own names. The CPU is always the last resort.
        threads: Threads inside one operator; part of what makes results repeatable on one box.

    Raises:
        ModelError: File missing or not the pinned one, onnxruntime missing, or no provider loads it.
    """
    entry = store.catalogue.file(model_id)
    session, provider, fallback = load_weights(store.load(model_id), providers, threads)
    facts = ModelFacts(model_id, f"{entry.package}-{entry.version}", entry.sha256, provider, fallback)
    return OnnxSession(session, facts, _characters(store, model_id, session))


def load_weights(weights: bytes, providers: Sequence[str], threads: int) -> tuple[Any, str, tuple[str, ...]]:
    """A session of onnxruntime over checked weights.

    Returns:
        The session, its provider, and the providers that were asked for first and are not available.

    Raises:
        ModelError: onnxruntime is missing, or no provider loads it.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(
            "cannot load models: onnxruntime is not installed", "install lockgate[cpu] or lockgate[gpu]"
        ) from error
    onnxruntime.set_default_logger_severity(_FATAL_ONLY)
    return _first_that_loads(onnxruntime, weights, _order(providers), threads)


def model_facts(*sessions: OnnxSession) -> tuple[ModelFacts, ...]:
    """What the receipt says of these sessions, in the order given."""
    return tuple(session.facts for session in sessions)


def _order(providers: Sequence[str]) -> list[str]:
    wanted = [_SHORT_NAMES.get(name.casefold(), name) for name in providers]
    return list(dict.fromkeys([*wanted, CPU]))


def _first_that_loads(
    onnxruntime: Any, weights: bytes, wanted: list[str], threads: int
) -> tuple[Any, str, tuple[str, ...]]:
    """Try one provider at a time: given a list, onnxruntime falls back silently and operator by operator."""
    available = set(onnxruntime.get_available_providers())
    refused: list[str] = []
    for provider in wanted:
        if provider in available:
            session = _load(onnxruntime, weights, provider, threads)
            if session is not None and session.get_providers()[0] == provider:
                return session, provider, tuple(refused)
        refused.append(provider)
    raise ModelError(f"cannot load the model on any of: {', '.join(wanted)}", "run `lockgate doctor`")


def _load(onnxruntime: Any, weights: bytes, provider: str, threads: int) -> Any | None:
    from onnxruntime.capi.onnxruntime_pybind11_state import (
        EPFail,
        Fail,
        InvalidArgument,
        InvalidGraph,
        InvalidProtobuf,
        RuntimeException,
    )

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    options.use_deterministic_compute = True
    providers = [provider] if provider == CPU else [provider, CPU]  # CPU for operators it does not know
    try:
        return onnxruntime.InferenceSession(weights, options, providers=providers)
    except (EPFail, Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, RuntimeException):
        return None


def _characters(store: ModelStore, model_id: str, session: Any) -> tuple[str, ...]:
    """The character of each class after the CTC blank; PP-OCR adds the space as the last class."""
    where = store.catalogue.file(model_id).characters
    if not where:
        return ()
    if where == EMBEDDED:
        text = session.get_modelmeta().custom_metadata_map.get("character", "")
    else:
        text = store.load(where).decode("utf-8")
    # Not splitlines(): U+0085 and U+2028 are characters of the dictionary, not line ends.
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    characters = (*lines, " ")
    classes = session.get_outputs()[0].shape[-1]
    if len(characters) + 1 != classes:
        raise ModelError(
            f"cannot use {model_id}: {classes} classes but {len(characters)} characters",
            "the dictionary in config/models.yaml does not belong to this model",
        )
    return characters
