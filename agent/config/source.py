"""YAML with positions: what a file says, and at which line and column it says each thing.

Stricter than YAML 1.1 where people get hurt: duplicate keys, keys that are read as something else than text
(`on:`, `no:`), merge keys, and unquoted words that turn into booleans, dates or octal numbers are explained.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]

_MOST_NODES = 100_000  # aliases multiply: a few lines can mean billions of values
_MOST_DEPTH = 40
_STRING = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """1-based line and column."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something that cannot be read, at its position."""

    position: Position
    message: str
    instead: str


@dataclass(slots=True)
class Source:
    """A YAML file's content with positions.

    Attributes:
        value: Plain dicts, lists, strings, numbers, booleans, None.
        values: Where each value begins, by its path from the root.
        keys: Where each mapping key stands.
        plain: The text of unquoted scalars as written, by path.
        mistakes: What could not be read; `value` leaves it out.
    """

    value: Any = None
    values: dict[Path, Position] = field(default_factory=dict)
    keys: dict[Path, Position] = field(default_factory=dict)
    plain: dict[Path, str] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def at(self, path: Path) -> Position:
        """Where the value of this path begins; of the nearest enclosing thing when it is not there."""
        for length in range(len(path), -1, -1):
            found = self.values.get(path[:length])
            if found is not None:
                return self.keys.get(path[:length], found) if length < len(path) else found
        return Position(1, 1)

    def key_at(self, path: Path) -> Position:
        """Where the key of this path stands; where its value begins when it is an item of a list."""
        return self.keys.get(path) or self.at(path)


def read_source(text: str) -> Source:
    """Read one YAML document; never raises, mistakes are listed in the result."""
    source = Source()
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        source.mistakes.append(_syntax_mistake(error))
        return source
    except yaml.YAMLError as error:  # a character that YAML does not allow
        source.mistakes.append(
            Mistake(Position(1, 1), f"this is not YAML: {_one_line(error)}", "write UTF-8 text")
        )
        return source
    except RecursionError:
        source.mistakes.append(
            Mistake(Position(1, 1), "this is nested too deeply", "a site file has few levels")
        )
        return source
    if root is None:
        source.values[()] = Position(1, 1)
        return source
    source.value = _Reader(source).read(root, ())
    return source


def _syntax_mistake(error: yaml.MarkedYAMLError) -> Mistake:
    mark = error.problem_mark or error.context_mark
    position = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
    what = " ".join(part for part in (error.context, error.problem) if part)
    if "\\t" in what or "token '\t'" in what:
        return Mistake(position, "a tab cannot indent YAML", "use spaces")
    if "undefined alias" in what:
        return Mistake(position, what, "define it with & before it is used")
    return Mistake(position, f"this is not YAML: {what}", "check indentation, quotes and colons near here")


def _one_line(error: Exception) -> str:
    return str(error).splitlines()[0]


class _Reader:
    """Turns nodes into values, noting where each stands."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._constructor = yaml.constructor.SafeConstructor()
        self._count = 0

    def read(self, node: yaml.Node, path: Path) -> Any:
        position = _position(node)
        self._source.values[path] = position
        self._count += 1
        if self._count > _MOST_NODES or len(path) > _MOST_DEPTH:
            if self._count <= _MOST_NODES + 1:
                self._mistake(
                    position, "this is too large or too deep for a configuration", "use fewer aliases"
                )
            self._count = max(self._count, _MOST_NODES + 1)
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in self._entries(node):
            name = str(key.value)
            if name in result:
                first = self._source.keys[*path, name]
                self._mistake(
                    _position(key), f"{name} is given twice, first in line {first.line}", "leave one"
                )
                continue
            self._source.keys[*path, name] = _position(key)
            result[name] = self.read(value, (*path, name))
        return result

    def _entries(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        for key, value in node.value:
            if key.tag == _MERGE:
                self._mistake(_position(key), "merge keys (<<) are not supported", "write the keys out")
            elif not isinstance(key, yaml.ScalarNode):
                self._mistake(_position(key), "a key must be a word", "write name: value")
            elif key.tag != _STRING:
                kind = key.tag.rpartition(":")[2]
                self._mistake(
                    _position(key),
                    f"YAML reads the key {key.value} as a {kind}",
                    f'put it in quotes: "{key.value}"',
                )
            else:
                yield key, value

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        if getattr(node, "style", None) is None:
            self._source.plain[path] = str(node.value)
        try:
            return self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError):
            self._mistake(
                _position(node), f"YAML cannot read {node.value}", f'put it in quotes: "{node.value}"'
            )
            return str(node.value)

    def _mistake(self, position: Position, message: str, instead: str) -> None:
        self._source.mistakes.append(Mistake(position, message, instead))


def _position(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)
