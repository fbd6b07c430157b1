"""Reading a receipt's predicate for showing it: whatever is not of the expected kind counts as absent.

A page may be made of a receipt whose signer nobody knows; nothing but that it is JSON is taken for granted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Group:
    """One object of the predicate; empty where there is none."""

    content: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.content)

    def text(self, name: str) -> str:
        """A text, or an integer as text; "" for anything else."""
        value = self.content.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int):
            return ""
        return str(value)

    def number(self, name: str) -> int:
        """An integer; 0 for anything else."""
        value = self.content.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    def group(self, name: str) -> "Group":
        """An object."""
        value = self.content.get(name)
        return Group(value if isinstance(value, dict) else {})

    def groups(self, name: str) -> tuple["Group", ...]:
        """The objects of a list."""
        value = self.content.get(name)
        return tuple(Group(one) for one in value if isinstance(one, dict)) if isinstance(value, list) else ()

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts of a list."""
        value = self.content.get(name)
        return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)
