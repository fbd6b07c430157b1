"""What the study checks need of one instance: a kilobyte, so that a study of 5,000 instances stays small.

Identifying values are kept as digests only: the checks ask whether they are equal, never what they are.
"""

import math
import re
from dataclasses import dataclass, field
from hashlib import blake2b

from pydicom.charset import python_encoding
from pydicom.dataset import Dataset

from exchange.dicomio.getters import integer, text, texts, uid

IDENTITY_KEYWORDS = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyInstanceUID",
)
REQUIRED_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
# What may vary inside a series without being a fault, and tells its stacks apart (phases, echoes, b-values,
# ...).
STACK_KEYWORDS = (
    "TemporalPositionIdentifier",
    "TriggerTime",
    "EchoNumbers",
    "EchoTime",
    "InversionTime",
    "DiffusionBValue",
    "DiffusionGradientOrientation",
    "ComplexImageComponent",
    "NominalPercentageOfCardiacPhase",
)
_DESCRIPTIVE = (
    "PatientName",
    "StudyDescription",
    "SeriesDescription",
    "InstitutionName",
    "ReferringPhysicianName",
)
_LOCALIZER = re.compile(r"locali[sz]er|scout|topogram|surview|survey|\bloc\b", re.IGNORECASE)

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class InstanceSummary:
    """One instance, as far as the checks go.

    Attributes:
        identity: Keyword to digest of the normalised value, "" where it is absent or empty.
        content: Digest of the instance's bytes, or of its header where the caller gave none.
        position: ImagePositionPatient in mm, None where absent or unreadable.
        row: First half of ImageOrientationPatient (PS3.3 C.7.6.2.1.1).
        column: Its second half.
        spacing: PixelSpacing in mm as (row, column), or ().
        thickness: SliceThickness in mm, None where absent.
        kernel: ConvolutionKernel.
        image_type: ImageType.
        stack: What tells this instance's stack from others in the series.
        acquisition: AcquisitionNumber, None where absent.
        localizer: Whether this is a localizer, by ImageType or description.
        charset_fault: Why the declared character set does not fit, "" when it does.
    """

    identity: dict[str, str]
    missing_uids: tuple[str, ...]
    sop_class_uid: str
    sop_instance: str
    series: str
    content: str
    instance_number: int | None = None
    position: Vector | None = None
    row: Vector | None = None
    column: Vector | None = None
    rows: int = 0
    columns: int = 0
    frames: int = 1
    spacing: tuple[float, ...] = ()
    thickness: float | None = None
    kernel: str = ""
    frame_of_reference: str = ""
    image_type: tuple[str, ...] = ()
    stack: tuple[str, ...] = field(default=(), repr=False)
    acquisition: int | None = None
    localizer: bool = False
    charset_fault: str = ""

    @property
    def normal(self) -> Vector | None:
        """Unit vector across the slice, None without a usable orientation."""
        if self.row is None or self.column is None:
            return None
        a, b = self.row, self.column
        cross = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
        length = math.hypot(*cross)
        return (cross[0] / length, cross[1] / length, cross[2] / length) if length > 0.5 else None


def summarise(ds: Dataset, content_sha256: str = "") -> InstanceSummary:
    """Extract the summary of one header.

    Args:
        ds: As `exchange.dicomio.read_header` gives it.
        content_sha256: Digest of the data set bytes; without it the header stands for the content.
    """
    orientation = _floats(ds, "ImageOrientationPatient")
    position = _floats(ds, "ImagePositionPatient")
    thickness = _floats(ds, "SliceThickness")
    return InstanceSummary(
        identity={keyword: _digest(_normalised(ds, keyword)) for keyword in IDENTITY_KEYWORDS},
        missing_uids=tuple(keyword for keyword in REQUIRED_UIDS if not uid(ds, keyword)),
        sop_class_uid=uid(ds, "SOPClassUID"),
        sop_instance=_digest(uid(ds, "SOPInstanceUID")),
        series=_digest(uid(ds, "SeriesInstanceUID")),
        content=content_sha256 or _header_digest(ds),
        instance_number=_number(ds, "InstanceNumber"),
        position=_vector(position) if len(position) == 3 else None,
        row=_vector(orientation[:3]) if len(orientation) == 6 else None,
        column=_vector(orientation[3:]) if len(orientation) == 6 else None,
        rows=integer(ds, "Rows", 0),
        columns=integer(ds, "Columns", 0),
        frames=integer(ds, "NumberOfFrames", 1),
        spacing=tuple(_floats(ds, "PixelSpacing")),
        thickness=thickness[0] if thickness else None,
        kernel=text(ds, "ConvolutionKernel").strip(),
        frame_of_reference=_digest(uid(ds, "FrameOfReferenceUID")),
        image_type=tuple(value.strip().upper() for value in texts(ds, "ImageType")),
        stack=tuple(text(ds, keyword) for keyword in STACK_KEYWORDS),
        acquisition=_number(ds, "AcquisitionNumber"),
        localizer=_is_localizer(ds),
        charset_fault=_charset_fault(ds),
    )


def _normalised(ds: Dataset, keyword: str) -> str:
    """A value without what does not make it another: case, padding, empty name components."""
    value = " ".join(text(ds, keyword).replace("\0", " ").split()).casefold()
    if keyword == "PatientName":
        # The alphabetic group alone: some senders add the ideographic one to part of a study (PS3.5 6.2.1.1).
        groups = [group.strip(" ^") for group in value.split("=")]
        return next((group for group in groups if group), "")
    return value


def _digest(value: str) -> str:
    return blake2b(value.encode("utf-8", "replace"), digest_size=16).hexdigest() if value else ""


def _header_digest(ds: Dataset) -> str:
    state = blake2b(digest_size=16)
    for element in ds:
        value = (
            element.value
            if isinstance(element.value, bytes)
            else str(element.value).encode("utf-8", "replace")
        )
        state.update(int(element.tag).to_bytes(4, "big") + len(value).to_bytes(8, "big") + value)
    return state.hexdigest()


def _floats(ds: Dataset, keyword: str) -> list[float]:
    """Numeric values; empty where any is no finite number."""
    try:
        values = [float(value) for value in texts(ds, keyword)]
    except ValueError:
        return []
    return values if all(math.isfinite(value) for value in values) else []


def _vector(values: list[float]) -> Vector:
    return (values[0], values[1], values[2])


def _number(ds: Dataset, keyword: str) -> int | None:
    return integer(ds, keyword, 0) if text(ds, keyword).strip() else None


def _is_localizer(ds: Dataset) -> bool:
    if any(value.strip().upper() in {"LOCALIZER", "LOCALISER", "SCOUT"} for value in texts(ds, "ImageType")):
        return True
    described = " ".join(text(ds, keyword) for keyword in ("SeriesDescription", "ProtocolName"))
    return _LOCALIZER.search(described) is not None


def _charset_fault(ds: Dataset) -> str:
    """Compare the declared character set with what decoding it gave (PS3.3 C.12.1.1.2)."""
    declared = [term.strip() for term in texts(ds, "SpecificCharacterSet")]
    if any(term not in python_encoding for term in declared):
        return "a term of SpecificCharacterSet is unknown"
    for keyword in _DESCRIPTIVE:
        value = text(ds, keyword)
        if value.isascii():
            continue
        if "\ufffd" in value:
            return f"{keyword} is not encoded as declared"
        if not any(declared):
            return f"{keyword} holds more than ASCII and no character set is declared"
        if declared == ["ISO_IR 100"] and _is_utf8_read_as_latin(value):
            return f"{keyword} looks like UTF-8 and ISO_IR 100 is declared"
    return ""


def _is_utf8_read_as_latin(value: str) -> bool:
    try:
        value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return False
    return True
