"""The IOD must be no worse than before: attribute Types (PS3.5 section 7.4) against the original.

Whatever Type 1 the original filled must still be filled, whatever Type 2 it had must still be there. Defects
that came in are not ours; new ones are. Attributes of an item that is gone are judged by their sequence.
"""

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.verify.attribute_types import types_of
from redact.verify.inventory import Inventory

SOP_CLASS_UID = 0x00080016


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
