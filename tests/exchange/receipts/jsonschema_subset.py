"""Enough of JSON Schema to hold our own schemas against what the program writes."""

import re
from typing import Any

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_KNOWN = {
    "$schema",
    "$id",
    "$ref",
    "$defs",
    "title",
    "description",
    "type",
    "required",
    "properties",
    "items",
    "enum",
    "additionalProperties",
    "const",
    "pattern",
    "minimum",
    "minItems",
    "maxItems",
    "anyOf",
    "oneOf",
    "contentEncoding",
    "default",
    "format",
    "minLength",
    "maxLength",
    "maximum",
}


def conforms(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, at: str = "$") -> str:
    """What does not fit, "" when all does; a keyword that this does not know is an error."""
    root = schema if root is None else root
    assert set(schema) <= _KNOWN, set(schema) - _KNOWN
    if "$ref" in schema:
        return conforms(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root, at)
    problems = [
        _plain(value, schema, at),
        _choices(value, schema, root, at),
        _members(value, schema, root, at),
    ]
    if isinstance(value, list):
        problems += [
            conforms(item, schema.get("items", {}), root, f"{at}[{i}]") for i, item in enumerate(value)
        ]
    return next(filter(None, problems), "")


def _plain(value: Any, schema: dict[str, Any], at: str) -> str:
    names = schema.get("type", [])
    kinds = tuple(_TYPES[name] for name in ([names] if isinstance(names, str) else names))
    if kinds and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
        return f"{at} is no {names}"
    if "const" in schema and value != schema["const"]:
        return f"{at} is not {schema['const']}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{at} is none of {schema['enum']}"
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        return f"{at} does not match"
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return f"{at} is out of range"
    if isinstance(value, str) and not (
        schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**9)
    ):
        return f"{at} has {len(value)} characters"
    if isinstance(value, list) and not schema.get("minItems", 0) <= len(value) <= schema.get(
        "maxItems", 10**9
    ):
        return f"{at} has {len(value)} items"
    return ""


def _choices(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str) -> str:
    for name, allowed in (("anyOf", range(1, 99)), ("oneOf", range(1, 2))):
        fitting = [not conforms(value, option, root, at) for option in schema.get(name, [])]
        if fitting and sum(fitting) not in allowed:
            return f"{at} fits {sum(fitting)} of {name}"
    return ""


def _members(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str) -> str:
    if not isinstance(value, dict):
        return ""
    missing = [name for name in schema.get("required", []) if name not in value]
    if missing:
        return f"{at} lacks {missing}"
    extra = schema.get("additionalProperties", True)
    for name, item in value.items():
        inner = schema.get("properties", {}).get(name, extra)
        if inner is False:
            return f"{at}.{name} is not known"
        problem = conforms(item, inner, root, f"{at}.{name}") if isinstance(inner, dict) else ""
        if problem:
            return problem
    return ""
