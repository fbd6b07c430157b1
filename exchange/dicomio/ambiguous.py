"""Elements whose VR another element decides, where that one is absent or makes no sense.

In Implicit VR Little Endian, and in UN, the bytes stand whatever they are called: such an element is read as
words (PS3.5 Annex A.1: OW), or as US where no words are allowed, and written back as the same bytes.
"""

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

_VRS = {tag: entry[0] for tag, entry in DicomDictionary.items() if " or " in entry[0]}
_TAGS = frozenset(_VRS) | frozenset(
    int(mask.replace("xx", f"{number:02X}"), 16)
    for mask, entry in RepeatersDictionary.items()
    if " or " in entry[0]
    for number in range(0, 0x100, 2)
)


def give_vrs(ds: Dataset) -> dict[int, RawDataElement]:
    """Give the elements of one level that pydicom cannot name a VR.

    Returns:
        What was given one, by tag; all others of ambiguous VR are converted.
    """
    given: dict[int, RawDataElement] = {}
    for tag in _TAGS.intersection(ds.keys()):
        raw: object = ds.get_item(tag)
        if not isinstance(raw, RawDataElement) or raw.VR not in {None, "UN"}:
            continue
        try:
            ds[tag]
        except Exception:  # noqa: BLE001 - pydicom raises whatever the other element leads it to
            vr = "US" if "OW" not in _VRS.get(tag, "OB or OW") else "OW"
            ds[tag] = given[tag] = RawDataElement(*raw._replace(VR=vr))
    return given
