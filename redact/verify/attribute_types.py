"""The Type of every attribute in every place of an IOD (PS3.3, PS3.5 section 7.4): the generated tables."""

import json
import re
from functools import lru_cache
from importlib.resources import files

_INDEX = re.compile(r"\[\d+\]")
_TAG = re.compile(r"\(([0-9A-F]{4}),([0-9A-F]{4})\)")
_NESTED_CONTENT = re.compile(r"(?:\(0040,A730\)\.)+")
_MOST_ASKED = 4096
_STRICTNESS = ("1", "1C", "2", "2C", "3")


@lru_cache(maxsize=1)
def _tables() -> tuple[dict[str, str], dict[str, list[int]], list[str]]:
    text = (files("redact.headers._generated") / "attribute_types.json").read_text(encoding="utf-8")
    data = json.loads(text)
    return data["sop_classes"], data["iods"], data["nodes"]


@lru_cache(maxsize=2048)
def _node(number: int) -> dict[str, tuple[str, int]]:
    """Tag (8 hex digits) to (type, child node or -1) of one node of the trie."""
    entries = {}
    for entry in _tables()[2][number].split(","):
        tag, _, rest = entry.partition(":")
        kind, _, child = rest.partition(">")
        if tag:
            entries[tag] = (kind, int(child) if child else -1)
    return entries


class AttributeTypes:
    """The Types of one SOP class's attributes, by path."""

    def __init__(self, sop_class_uid: str) -> None:
        sop_classes, iods, _ = _tables()
        self.iod = sop_classes.get(sop_class_uid, "")
        self._roots = iods.get(self.iod, [])
        self._known: dict[str, str] = {}
        self._asked: dict[str, str] = {}

    def of(self, path: str) -> str:
        """`1`, `1C`, `2`, `2C`, `3`, or "" where the standard names the attribute not in this place."""
        kind = self._asked.get(path)
        if kind is None:
            if len(self._asked) >= _MOST_ASKED:
                self._asked.clear()
            kind = self._asked[path] = self._of(path)
        return kind

    def _of(self, path: str) -> str:
        # Content items nest without end (PS3.3 C.17.3.2.4); the table unrolls their macro once.
        general = _NESTED_CONTENT.sub("(0040,A730).", _INDEX.sub("", path))
        kind = self._known.get(general)
        if kind is None:
            kind = self._known[general] = self._find(["".join(pair) for pair in _TAG.findall(general)])
        return kind

    def _find(self, tags: list[str]) -> str:
        nodes, kinds = self._roots, [""]
        for tag in tags:
            entries = [_node(number)[tag] for number in nodes if tag in _node(number)]
            kinds = [kind for kind, _ in entries]
            nodes = [child for _, child in entries if child >= 0]
        # An attribute of several modules has the strictest of their types.
        return min((kind for kind in kinds if kind in _STRICTNESS), key=_STRICTNESS.index, default="")


@lru_cache(maxsize=64)
def types_of(sop_class_uid: str) -> AttributeTypes:
    """The (memoised) types of a SOP class."""
    return AttributeTypes(sop_class_uid)
