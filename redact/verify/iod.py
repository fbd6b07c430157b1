"""The IOD must be no worse than before: attribute Types (PS3.5 section 7.4) against the original.

Whatever Type 1 the original filled must still be filled, whatever Type 2 it had must still be there. Defects
that came in are not ours; new ones are. Attributes of an item that is gone are judged by their sequence.
"""

import json
import re
from functools import lru_cache
from importlib.resources import files

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.verify.inventory import Inventory

SOP_CLASS_UID = 0x00080016
_INDEX = re.compile(r"\[\d+\]")
_TAG = re.compile(r"\(([0-9A-F]{4}),([0-9A-F]{4})\)")
_NESTED_CONTENT = re.compile(r"(?:\(0040,A730\)\.)+")
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

    def of(self, path: str) -> str:
        """`1`, `1C`, `2`, `2C`, `3`, or "" where the standard names the attribute not in this place."""
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


def check_iod(original: Inventory, cleaned: Inventory) -> str:
    """Compare before and after.

    Returns:
        `no worse`, or `unknown SOP class` where the standard's tables do not name it (private SOP classes).

    Raises:
        HeldError: PROOF_IOD with the path of the first attribute that became worse.
    """
    sop_class = original.values.get(SOP_CLASS_UID, "")
    if cleaned.values.get(SOP_CLASS_UID, "") != sop_class:
        raise _worse("(0008,0016)", "the SOP class is not the original's")
    types = types_of(sop_class)
    if not types.iod:
        return "unknown SOP class"
    for path, filled in original.present.items():
        kind = types.of(path)
        if kind in {"1", "1C", "2"}:
            _compare(path, kind, filled=filled, cleaned=cleaned)
    return "no worse"


def _compare(path: str, kind: str, *, filled: bool, cleaned: Inventory) -> None:
    after = cleaned.present.get(path)
    if after is None:
        container = path[: path.rindex("]") + 1] if "]" in path else ""
        if kind != "1C" and (kind == "2" or filled) and _exists(container, cleaned):
            raise _worse(path, f"an attribute of Type {kind} is gone")
    elif filled and not after and kind != "2":
        raise _worse(path, f"an attribute of Type {kind} is empty now")


def _exists(container: str, cleaned: Inventory) -> bool:
    """Whether the item is still there: some element of it is."""
    return not container or container in cleaned.items


def _worse(path: str, why: str) -> HeldError:
    return HeldError(
        ReasonCode.PROOF_IOD,
        f"cannot prove that the object is no worse than before: {why}",
        path,
        "hold the instance and report the defect; a person may release it",
    )
