"""Pydantic's errors in the words of a file: what is wrong, what is allowed, the nearest name."""

from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from agent.config.models import Site
from agent.config.problems import Words, did_you_mean, nearest
from agent.config.source import Path, Position, Source
from agent.config.types import REFUSED

_UNION_TAGS = frozenset({"profile", "none", "one", "many"})
_SECRETS = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "credential",
    "private_key",
)
_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "path_type": "a path",
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "is_instance_of": "keys and values",
}


def place(error: ErrorDetails, source: Source) -> tuple[Path, Position]:
    """Path and position that an error is about: the key for unknown keys, else the value."""
    path = real_path(error["loc"], source.value)
    if error["type"] in {"extra_forbidden", "missing"}:
        return path, source.key_at(path) if error["type"] == "extra_forbidden" else _missing_at(path, source)
    if source.values:
        while path and path not in source.values:
            path = path[:-1]  # what a short form stands for is not written
    return path, source.at(path)


def _missing_at(path: Path, source: Source) -> Position:
    owner = path[:-1]
    return source.key_at(owner) if owner else Position(1, 1)


def real_path(loc: tuple[str | int, ...], value: object) -> Path:
    """An error's location without the tags that pydantic puts in for the branches of a union."""
    path: list[str | int] = []
    for index, step in enumerate(loc):
        if isinstance(value, dict):
            if step == "[key]":
                continue
            if step in _UNION_TAGS and step not in value and index != len(loc) - 1:
                continue
            path.append(step)
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            path.append(step)
            value = value[step] if step < len(value) else None
        elif step not in _UNION_TAGS and step != "[key]":
            path.append(step)
    return tuple(path)


def words(
    error: ErrorDetails,
    path: Path,
    source: Source,
    model: type[BaseModel] = Site,
    see: str = "see check --schema",
) -> Words:
    """What is wrong, and what to write instead.

    Args:
        error: What pydantic says.
        path: From `place`.
        source: The file.
        model: What the file as a whole is described by.
        see: Where its description is found.
    """
    kind = error["type"]
    if kind == "extra_forbidden":
        return _unknown_key(path, model)
    if kind in _SAYINGS:
        return _SAYINGS[kind](error, path, source)
    if kind in _WANTED:
        return _wrong_type(error, path, source, see)
    context = error.get("ctx", {})
    if kind == REFUSED:
        return str(context["what"]), str(context["instead"])
    return _bounds(kind, context, path, error["input"]) or (
        f"{_last(path)}: {error['msg']}",
        see,
    )


def _last(path: Path) -> str:
    names = [step for step in path if isinstance(step, str)]
    return names[-1] if names else "the file"


def _unknown_key(path: Path, model: type[BaseModel]) -> Words:
    name = str(path[-1])
    if any(secret in name.casefold() for secret in _SECRETS) or nearest(name, _SECRETS):
        return (
            f"{name}: a secret never stands in the site file",
            "name a file with mode 0600: token_file or key",
        )
    return f"unknown key {name}", did_you_mean(name, keys_at(path[:-1], model))


def _missing(_error: ErrorDetails, path: Path, _source: Source) -> Words:
    example = {
        "deidentify": "write {profile: default} or none with a reason",
        "listen": "write listen: {dicom: {port: 11112}}",
        "match": "write match: {called_ae: …}",
    }
    owner = f"{path[-2]}: " if len(path) > 1 and isinstance(path[-2], str) else ""
    return f"{owner}{path[-1]} is missing", example.get(str(path[-1]), f"add {path[-1]}: …")


def _wrong_type(error: ErrorDetails, path: Path, source: Source, see: str) -> Words:
    wanted = _WANTED[error["type"]]
    value, written = error["input"], source.plain.get(path)
    if value is None:
        return f"{_last(path)} is empty", f"give {wanted}, or leave the key out"
    if wanted in {"text", "a path"} and written is not None and not isinstance(value, str):
        shown = "true or false" if isinstance(value, bool) else f"a {_kind(value)}"
        return f"YAML reads {written} as {shown}", f'put it in quotes: "{written}"'
    if isinstance(value, str) and wanted in {"a whole number", "a number"}:
        hint = "leave the quotes out" if path not in source.plain else "write digits only"
        return f"{_last(path)} must be {wanted}, not the text {value!r}", hint
    if wanted == "a list" and isinstance(value, str):
        return f"{_last(path)} must be a list", f"write [{value}]"
    given = str(value) if isinstance(value, int | float) else _kind(value)
    return f"{_last(path)} must be {wanted}, not {given}", see


def _kind(value: object) -> str:
    names = {
        bool: "true or false",
        int: "number",
        float: "number",
        str: "text",
        list: "list",
        dict: "mapping",
    }
    return names.get(type(value), "date")


def _choice(error: ErrorDetails, path: Path, source: Source) -> Words:
    written = source.plain.get(path)
    value = error["input"]
    if isinstance(value, bool) and written is not None:
        return f"YAML reads {written} as true or false", f'put it in quotes: "{written}"'
    allowed = [part.strip(" '") for part in str(error["ctx"]["expected"]).replace(" or ", ", ").split(",")]
    if path and path[-1] == "deidentify":
        return f"deidentify is {value!r}", "write {profile: default}, or none with a reason"
    name = _last(path).removesuffix("s") if isinstance(path[-1], int) else _last(path)
    return f"{value!r} is no {name}", did_you_mean(str(value), allowed)


def _bounds(kind: str, context: Mapping[str, Any], path: Path, value: object) -> Words | None:
    name = _last(path)
    match kind:
        case "greater_than_equal" | "less_than_equal" | "greater_than":
            low, high = (
                _PORTS if name == "port" else (context.get("ge", context.get("gt")), context.get("le"))
            )
            limits = (
                [f"at least {low}" if kind != "greater_than" else f"more than {low}"]
                if low is not None
                else []
            )
            limits += [f"at most {high}"] if high is not None else []
            return f"{name} {value} is out of range", " and ".join(limits)
        case "too_short":
            return f"{name} is empty", "name at least one"
        case "finite_number":
            return f"{name} must be finite", "write a number"
        case "int_from_float":
            return f"{name} must be a whole number", "leave the fraction out"
        case _:
            return None


_PORTS = (1, 65535)
_SAYINGS: Mapping[str, Callable[[ErrorDetails, Path, Source], Words]] = {
    "missing": _missing,
    "literal_error": _choice,
    "enum": _choice,
}


def keys_at(path: Path, model: type[BaseModel] = Site) -> tuple[str, ...]:
    """Names of the keys that the model allows at this path of its file."""
    current: Any = model
    for step in path:
        current = _step(current, step)
        if current is None:
            return ()
    here = _model_of(current)
    return tuple(one.alias or name for name, one in here.model_fields.items()) if here is not None else ()


def _step(annotation: Any, step: str | int) -> Any:
    model = _model_of(annotation)
    if model is not None and isinstance(step, str):
        names = {one.alias or name: one for name, one in model.model_fields.items()}
        extra = get_args(model.__annotations__.get("__pydantic_extra__"))
        return names[step].annotation if step in names else extra[1] if extra else None
    arguments = get_args(annotation)
    if isinstance(step, int):
        return arguments[0] if arguments else None
    return arguments[1] if len(arguments) > 1 else None  # a mapping's value


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, BaseModel) else None
    if getattr(annotation, "__origin__", None) in {dict, tuple}:
        return None
    for argument in get_args(annotation):
        found = _model_of(argument)
        if found is not None:
            return found
    return None
