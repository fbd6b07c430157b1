"""The store response's data set (PS3.18 table I.1-1), as DICOM JSON or in the native DICOM model.

Retrieve URLs are of type 2 and empty: what is stored here goes on, it is not served from here.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from exchange.intake.stow_multipart import media_type
from exchange.intake.stow_reception import STORED, PartOutcome

JSON_TYPE = "application/dicom+json"
XML_TYPE = "application/dicom+xml"
_JSON_TYPES = frozenset({JSON_TYPE, "application/json", "application/*", "*/*"})

RETRIEVE_URL = ("00081190", "RetrieveURL", "UR")
FAILED_SOPS = ("00081198", "FailedSOPSequence", "SQ")
REFERENCED_SOPS = ("00081199", "ReferencedSOPSequence", "SQ")
OTHER_FAILURES = ("0008119A", "OtherFailuresSequence", "SQ")
_SOP_CLASS = ("00081150", "ReferencedSOPClassUID", "UI")
_SOP_INSTANCE = ("00081155", "ReferencedSOPInstanceUID", "UI")
_REASON = ("00081197", "FailureReason", "US")

# Tag, keyword, VR.
_Key = tuple[str, str, str]
_Value = str | int | list["_Item"]
_Item = dict[_Key, list[_Value]]


def wanted_type(accept: str) -> str:
    """Which of the two to answer with: the one that an Accept field prefers, JSON where it does not say.

    A field that names neither is passed over (RFC 9110 12.4.1): the instances are stored by then, and their
    sender must learn of it.
    """
    weights = {JSON_TYPE: 0.0, XML_TYPE: 0.0}
    for element in accept.split(","):
        kind, parameters = media_type(element)
        weight = _weight(parameters.get("q", "1"))
        if kind in _JSON_TYPES:
            weights[JSON_TYPE] = max(weights[JSON_TYPE], weight)
        elif kind == XML_TYPE:
            weights[XML_TYPE] = max(weights[XML_TYPE], weight)
    return XML_TYPE if weights[XML_TYPE] > weights[JSON_TYPE] else JSON_TYPE


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0


def encode_answer(outcomes: Sequence[PartOutcome], content_type: str) -> bytes:
    """The data set for these outcomes."""
    dataset: _Item = {RETRIEVE_URL: []}
    stored = [_sop(each) | {RETRIEVE_URL: []} for each in outcomes if each.reason == STORED]
    failed = [each for each in outcomes if each.reason != STORED]
    named = [_sop(each) | {_REASON: [each.reason]} for each in failed if each.sop_instance_uid]
    others: list[_Item] = [{_REASON: [each.reason]} for each in failed if not each.sop_instance_uid]
    for key, items in ((FAILED_SOPS, named), (REFERENCED_SOPS, stored), (OTHER_FAILURES, others)):
        if items:
            dataset[key] = [items]
    return _xml(dataset) if content_type == XML_TYPE else json.dumps(_json(dataset)).encode("ascii")


def _sop(outcome: PartOutcome) -> _Item:
    return {_SOP_CLASS: [outcome.sop_class_uid], _SOP_INSTANCE: [outcome.sop_instance_uid]}


def _json(item: _Item) -> dict[str, Any]:
    """PS3.18 F.2: an element without a value has no Value."""
    found: dict[str, Any] = {}
    for (tag, _, vr), values in sorted(item.items()):
        element: dict[str, Any] = {"vr": vr}
        if values:
            one = values[0]
            element["Value"] = [_json(each) for each in one] if isinstance(one, list) else [one]
        found[tag] = element
    return found


def _xml(item: _Item) -> bytes:
    """PS3.19 A.1."""
    text = "".join(_attributes(item))
    namespace = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f'{head}<NativeDicomModel xmlns="{namespace}">{text}</NativeDicomModel>\n'.encode()


def _attributes(item: _Item) -> Iterable[str]:
    for (tag, keyword, vr), values in sorted(item.items()):
        yield f"<DicomAttribute tag={quoteattr(tag)} vr={quoteattr(vr)} keyword={quoteattr(keyword)}>"
        for value in values:
            if isinstance(value, list):
                for number, each in enumerate(value, 1):
                    yield f'<Item number="{number}">{"".join(_attributes(each))}</Item>'
            else:
                yield f'<Value number="1">{escape(str(value))}</Value>'
        yield "</DicomAttribute>"
