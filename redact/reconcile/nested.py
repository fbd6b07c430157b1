"""Pseudonyms at any depth of a returned instance become what they stand for."""

from collections.abc import Mapping

from exchange.dicomio.rewrite import Value, rewrite
from exchange.dicomio.splice import element_value
from exchange.dicomio.transplant import one_text
from redact.identifiers.pseudonym_forms import exchanged, patients_in, uids_in
from redact.reconcile import attributes, restored
from redact.reconcile.instance import TEXT_VRS, Instance, cannot_restore

_LONGEST = {"LO": 64, "SH": 16, "PN": 64, "ST": 1024, "LT": 10240, "UI": 64}
"""Characters of one value (of a PN: of one group), PS3.5 table 6.2-1."""


def exchange_pseudonyms(one: Instance, raw: bytes) -> tuple[bytes, int]:
    """An element with what is known in it exchanged, and how many UIDs that were."""
    if b"2.25." not in raw and b"LG" not in raw:
        return raw, 0
    count = 0

    def change(value: Value) -> bytes | None:
        nonlocal count
        if value.vr == "UI":
            names: Mapping[str, bytes] = {}
        elif value.vr == "PN" or value.vr in TEXT_VRS:
            names = _names(one, value)
        else:
            return None
        content = value.content.rstrip(b"\0 ")  # its padding is not the original's
        new = exchanged(content, {**one.uids, **names})
        if new == content:
            return None
        count += sum(found in one.uids for found in uids_in(content))
        _require_fit(value, new)
        return new

    return rewrite(raw, one.encoding, one.charset, change), count


def _names(one: Instance, value: Value) -> dict[str, bytes]:
    """What stands for the patient's pseudonyms in a text: the PatientID, or in a name the name."""
    present = patients_in(value.content) & one.restoration.pseudonyms
    if not present:
        return {}
    if value.vr == "PN":
        made: bytes | None = None
        if one.reference is not None and restored.PATIENT_NAME in one.reference:
            made = one.transplanted(one.reference, restored.PATIENT_NAME, value.charset)
        said = element_value(made, one.encoding).strip(b" ") if made else b""
        return dict.fromkeys(present, said)
    source = one_text(attributes.PATIENT_ID, "LO", one.restoration.patient_id)
    made = one.transplanted(source, attributes.PATIENT_ID, value.charset)
    if made is None:
        raise cannot_restore("its character set cannot say whose it is", value.path)
    return dict.fromkeys(present, element_value(made, one.encoding).strip(b" "))


def _require_fit(value: Value, new: bytes) -> None:
    """Refuse a value that would become longer than its VR allows.

    Counted in bytes: no fewer than there are characters. In UTF-8 that is strict, and never wrong.
    """
    longest = _LONGEST.get(value.vr)
    parts = new.split(b"=" if value.vr == "PN" else b"\\") if value.vr not in {"ST", "LT"} else [new]
    if longest is not None and max(map(len, parts)) > max(longest, len(value.content)):
        raise cannot_restore("the original is longer than its place", value.path)
