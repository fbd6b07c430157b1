"""Typed getters: what an attribute holds, as the type that callers need, absent or not."""

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence


def texts(ds: Dataset, keyword: str) -> list[str]:
    """All values of an attribute as text; empty when it is absent, empty or a sequence."""
    value = ds.get(keyword)
    if value is None or isinstance(value, Sequence | bytes):
        return []
    if isinstance(value, MultiValue | list | tuple):
        return ["" if each is None else str(each) for each in value]
    text_value = str(value)
    return [text_value] if text_value else []


def text(ds: Dataset, keyword: str) -> str:
    """The value of an attribute as text, several joined by a backslash; "" when absent."""
    return "\\".join(texts(ds, keyword))


def uid(ds: Dataset, keyword: str) -> str:
    """The first value of a UID attribute without padding; "" when absent."""
    return (texts(ds, keyword) or [""])[0].strip("\0 ")


def integer(ds: Dataset, keyword: str, default: int) -> int:
    """The first value of a numeric attribute as an integer; `default` when absent or no number."""
    value = (texts(ds, keyword) or [""])[0].strip()
    try:
        return int(value) if value.lstrip("+-").isdigit() else int(float(value))
    except (ValueError, OverflowError):
        return default


def items(ds: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; empty when it is absent or no sequence."""
    value = ds.get(keyword)
    return list(value) if isinstance(value, Sequence) else []
