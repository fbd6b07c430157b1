"""Recognisers of names in free text: the one place where a plug-in is loaded.

A plug-in is a distribution with an entry point in the group `lockgate.names`, which names a function that
takes a `RecogniserSetup` and gives a `redact.identifiers.names.NameRecogniser`. It runs in the worker, with
the rights of the appliance: who installs it trusts it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from agent.config.recognisers import distribution_of, installed_recognisers
from agent.inference.session import ModelFacts
from exchange.domain.errors import ModelError
from redact.headers.profile import NameRecognition
from redact.identifiers.names import NameRecogniser

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RecogniserSetup:
    """What a recogniser is opened with.

    Attributes:
        model: Folder of the model that the profile names; None where it names none.
        sha256: What the profile pins, lower-case hex; "" where it pins nothing.
        providers: Execution providers in order of wish, as in the firmware profile.
        threads: Threads that it may use.
    """

    model: Path | None
    sha256: str
    providers: tuple[str, ...]
    threads: int


def open_names(
    wanted: NameRecognition, providers: Sequence[str] = ("cpu",), threads: int = 1
) -> tuple[NameRecogniser, ModelFacts]:
    """Load the recogniser that a profile asks for.

    Returns:
        The recogniser, and what receipts say of it.

    Raises:
        ModelError: It is not installed, or two are; it cannot be opened; it is not the pinned one.
    """
    offers = installed_recognisers().get(wanted.recogniser, ())
    if len(offers) != 1:
        why = "two packages offer it" if offers else "it is not installed"
        raise _unusable(wanted, why, "run lockgate check; it tells what is installed")
    setup = RecogniserSetup(
        Path(wanted.model) if wanted.model else None, wanted.sha256, tuple(providers), threads
    )
    try:
        factory: Callable[[RecogniserSetup], NameRecogniser] = offers[0].load()
        recogniser = factory(setup)
        digest, callable_ = recogniser.sha256, callable(recogniser.recognise)
    except ModelError:
        raise
    except Exception as error:
        hint = "see the plug-in's own documentation"
        raise _unusable(wanted, f"opening it failed with {type(error).__name__}", hint) from error
    if not (callable_ and isinstance(digest, str) and _HEX.fullmatch(digest)):
        raise _unusable(wanted, "it does not say by a SHA-256 what decides its answers", "ask its maker")
    if wanted.sha256 not in {"", digest}:
        raise _unusable(wanted, "its SHA-256 is not the one in the profile", "install the pinned one")
    package, version = distribution_of(offers[0])
    shown = f"{package}-{version or metadata.version(package)}"
    provider = getattr(recogniser, "provider", "")
    return recogniser, ModelFacts(wanted.recogniser, shown, digest, str(provider), ())


def _unusable(wanted: NameRecognition, why: str, hint: str) -> ModelError:
    return ModelError(f"cannot use the recogniser of names {wanted.recogniser}: {why}", hint)
