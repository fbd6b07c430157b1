"""Checks of the installed software: who owns our names, the one runtime, the pinned models, the codecs."""

import importlib.util
from importlib import metadata
from pathlib import Path

from agent.config.shipped import shipped
from agent.doctor.results import Status
from agent.doctor.runner import Answer
from agent.doctor.surroundings import Surroundings

ROOMS = ("agent", "exchange", "redact", "triage")
_RUNTIMES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-training",
)
_COMPRESSED = {  # PS3.5 A.4, PS3.6 table A-1
    "JPEG": "1.2.840.10008.1.2.4.50",
    "JPEG Lossless": "1.2.840.10008.1.2.4.70",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG 2000": "1.2.840.10008.1.2.4.90",
    "HTJ2K": "1.2.840.10008.1.2.4.201",
    "RLE": "1.2.840.10008.1.2.5",
}
_SHIPPED = ("config/profiles/default.yaml", "config/models.yaml", "config/schemas/site.schema.json")


def package_ownership(_: Surroundings) -> Answer:
    """No other distribution installs a top-level package of our names, and all four lie together.

    PyPI has unrelated distributions with the packages `agent`, `exchange`, `redact` and `triage`; one of them
    in the same environment would overwrite ours.
    """
    owners = metadata.packages_distributions()
    strangers = sorted(
        {owner for room in ROOMS for owner in owners.get(room, ()) if owner.lower() != "lockgate"}
    )
    if strangers:
        return (
            Status.FAIL,
            f"{', '.join(strangers)} installs packages of our names",
            (f"pip uninstall {' '.join(strangers)}, then reinstall lockgate in an environment of its own"),
        )
    places = {_folder_of(room) for room in ROOMS}
    if len(places) != 1:
        return (
            Status.FAIL,
            "our packages lie in different places",
            "reinstall lockgate in an environment of its own",
        )
    return Status.PASS, "agent, exchange, redact and triage are ours"


def _folder_of(room: str) -> Path | None:
    spec = importlib.util.find_spec(room)
    return Path(spec.origin).resolve().parents[1] if spec and spec.origin else None


def one_runtime(_: Surroundings) -> Answer:
    """Exactly one ONNX runtime is installed: two share a folder and overwrite each other."""
    found = []
    for name in _RUNTIMES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    if not found:
        return (
            Status.FAIL,
            "no ONNX runtime",
            "pip install 'lockgate[cpu]', or [gpu] on a box with an accelerator",
        )
    if len(found) > 1:
        return Status.FAIL, f"{' and '.join(found)}", "make the environment anew with one extra, cpu or gpu"
    return Status.PASS, found[0]


def models(_: Surroundings) -> Answer:
    """Every pinned model file is there with its digest."""
    from agent.inference.catalogue import load_catalogue
    from agent.inference.store import ModelStore

    found = ModelStore(load_catalogue(shipped("config/models.yaml"))).check()
    wrong = {name: problem for name, problem in found.items() if problem}
    if wrong:
        first = next(iter(wrong.values()))
        what, _separator, fix = first.partition("; ")
        return Status.FAIL, f"{len(wrong)} of {len(found)} not usable, first: {what}", fix
    return Status.PASS, f"{len(found)} files with the pinned digests"


def reading(surroundings: Surroundings) -> Answer:
    """Both readers of text in pixels read the golden pictures, on the providers of this box."""
    from agent.inference.readers import open_reader, open_store

    if surroundings.profile is None:
        return Status.SKIP, "needs a firmware profile"
    store, wanted = open_store(), surroundings.profile.inference.execution_providers
    facts = [one for name in ("cleaner", "prover") for one in open_reader(store, name, wanted)[1]]
    providers = ", ".join(dict.fromkeys(one.provider for one in facts))
    return Status.PASS, f"cleaner and prover read the golden pictures on {providers}"


def names(surroundings: Surroundings) -> Answer:
    """Every recogniser of names that a route's profile asks for can be opened, and is the pinned one."""
    from agent.inference.names import open_names
    from agent.policy.lookup import load_routes

    if surroundings.loaded is None:
        return Status.SKIP, "needs a valid site file"
    routes = load_routes(surroundings.loaded).routes
    wanted = dict.fromkeys(one.profile.names for one in routes if one.profile and one.profile.names)
    found = [open_names(one)[1] for one in wanted]
    if not found:
        return Status.PASS, "no route lets names be looked for in free text"
    return Status.PASS, ", ".join(f"{one.name} ({one.version}, {one.sha256[:16]})" for one in found)


def codecs(_: Surroundings) -> Answer:
    """The decoders of the common compressed transfer syntaxes are there."""
    from pydicom.pixels.decoders.base import get_decoder

    missing = [name for name, syntax in _COMPRESSED.items() if not get_decoder(syntax).is_available]
    if missing:
        return Status.WARN, f"no decoder for {', '.join(missing)}: such images are held", "reinstall lockgate"
    return Status.PASS, ", ".join(_COMPRESSED)


def shipped_data(_: Surroundings) -> Answer:
    """Profiles, schemas and the model catalogue are found."""
    root = {shipped(name).parents[len(Path(name).parts) - 1] for name in _SHIPPED}
    return Status.PASS, f"in {', '.join(sorted(str(folder) for folder in root))}"
