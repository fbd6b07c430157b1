"""A strict JSON reader: what two readers could understand differently is refused."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from exchange.receipts.verify.errors import VerificationError

MAX_SAFE_INTEGER = (1 << 53) - 1
_MAX_DIGITS = 17  # of an integer token, sign included: longer ones are out of range anyway


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """Read one JSON object of strings, integers, arrays and objects.

    Refused: other encodings than UTF-8, a byte order mark, duplicate keys, floats, NaN, booleans, null,
    integers beyond 2^53 - 1, unpaired surrogates, nesting that exhausts the parser.

    Raises:
        VerificationError: `json`.
    """
    return parse_canonical(data, what)[0]


def parse_canonical(data: bytes, what: str) -> tuple[dict[str, Any], bool]:
    """As `parse_object`, and whether the bytes are the object's canonical form (RFC 8785).

    Raises:
        VerificationError: `json`.
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_refuse,
            parse_constant=_refuse,
            parse_int=_integer,
        )
        form = canonical(value)
    except VerificationError as error:
        raise VerificationError(error.code, f"{what}: {error.message}") from error
    except (ValueError, RecursionError) as error:
        raise VerificationError("json", f"{what} is not strict JSON") from error
    if not isinstance(value, dict):
        raise VerificationError("json", f"{what} is not a JSON object")
    return value, form == data


def canonical(value: object) -> bytes:
    """The RFC 8785 form of a value of strings, integers, lists and dicts.

    Raises:
        VerificationError: `json`: another type is inside.
        RecursionError: It is nested too deeply.
        UnicodeEncodeError: A string has an unpaired surrogate.
    """
    # RFC 8785, 3.2.3, sorts by UTF-16 code units; up to U+FFFF that is how Python sorts.
    ordered = value if _plain(value) else _ordered(value)
    text = json.dumps(ordered, ensure_ascii=False, separators=(",", ":"), sort_keys=ordered is value)
    return text.encode("utf-8")


def _plain(value: object) -> bool:
    """Whether all keys are ASCII; refuses what is neither text, integer, list nor object."""
    if isinstance(value, dict):
        return all(map(str.isascii, value)) & all(list(map(_plain, value.values())))
    if isinstance(value, list):
        return all(list(map(_plain, value)))
    if isinstance(value, str) or type(value) is int:
        return True
    raise VerificationError("json", "a value is neither text nor an integer")


def _ordered(value: object) -> object:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value, key=_utf16)}
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    return value


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise VerificationError("json", "a key stands twice in one object")
    return result


def _refuse(_: str) -> NoReturn:
    raise VerificationError("json", "a number is not an integer")


def _integer(token: str) -> int:
    value = int(token) if len(token) <= _MAX_DIGITS else MAX_SAFE_INTEGER + 1
    if abs(value) > MAX_SAFE_INTEGER or token == "-0":
        raise VerificationError("json", "an integer is beyond 2^53 - 1")
    return value


def text_of(group: Mapping[str, Any], name: str, where: str) -> str:
    """A required string member.

    Raises:
        VerificationError: `statement`.
    """
    value = group.get(name)
    if not isinstance(value, str):
        raise VerificationError("statement", f"{where}.{name} is missing or no text")
    return value


def object_of(group: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    """A required object member.

    Raises:
        VerificationError: `statement`.
    """
    value = group.get(name)
    if not isinstance(value, dict):
        raise VerificationError("statement", f"{where}.{name} is missing or no object")
    return value


def list_of(group: Mapping[str, Any], name: str, where: str) -> list[Any]:
    """A required array member.

    Raises:
        VerificationError: `statement`.
    """
    value = group.get(name)
    if not isinstance(value, list):
        raise VerificationError("statement", f"{where}.{name} is missing or no list")
    return value
