"""One hostile instance in the making: what is planted goes into the file and into the answer key at once.

A draft is made in one of two ways: hostile, or as the *model answer*, the file that a perfect cleaner would
write. The scorer is tested with the latter, which shares no code with any cleaner.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from tests.hostile.bases import Loaded
from tests.hostile.chance import Chance
from tests.hostile.charsets import Charset
from tests.hostile.key import Action, Check, Instance, Reference, tag_path
from tests.hostile.people import Patient, Secret

UNDEFINED = 0xFFFFFFFF
_TRIMMED = " ,;:-^()"
_BINARY_PAD = frozenset({"UI", "OB", "UN"})


@dataclass(frozen=True, slots=True)
class Case:
    """Whose instance it is, and its own UIDs.

    Attributes:
        number: Of the patient's studies, from 0.
        index: Of the instance in the set.
    """

    patient: Patient
    number: int
    index: int
    study_uid: str
    series_uid: str
    sop_uid: str
    frame_of_reference: str

    @property
    def day(self) -> date:
        """The study's date."""
        return self.patient.study_day(self.number)

    @property
    def study(self) -> str:
        """The study's key within the set."""
        return f"{self.patient.key}.{self.number}"


@dataclass(frozen=True, slots=True)
class Spot:
    """A data set or item, and the path that leads to its elements."""

    ds: Dataset
    prefix: str = ""

    def path(self, tag: int) -> str:
        """An element's path."""
        return self.prefix + tag_path(tag)


@dataclass
class Draft:
    """The instance at hand.

    Attributes:
        answer: Whether the model answer is made instead of the hostile file.
        after: Bytes to be written after the data set.
    """

    loaded: Loaded
    case: Case
    charset: Charset
    chance: Chance
    answer: bool
    instance: Instance
    preamble: bytes = bytes(128)
    after: bytes = b""
    meta: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    counter: int = 0

    @property
    def ds(self) -> Dataset:
        """The data set."""
        return self.loaded.dataset

    @property
    def patient(self) -> Patient:
        """Whose it is."""
        return self.case.patient

    @property
    def top(self) -> Spot:
        """The data set itself."""
        return Spot(self.ds)

    def item(self, spot: Spot, keyword: str, *, undefined: bool = False) -> Spot:
        """A new last item of a sequence, which is made where it is missing."""
        tag = tag_of(keyword)
        if tag not in spot.ds:
            spot.ds.add(DataElement(Tag(tag), "SQ", []))
        element, item = spot.ds[Tag(tag)], Dataset()
        element.value.append(item)
        if undefined:
            element.is_undefined_length = item.is_undefined_length_sequence_item = True
        return Spot(item, f"{spot.path(tag)}[{len(element.value) - 1}].")

    def text(
        self,
        spot: Spot,
        what: str | int,
        *parts: str | Secret,
        vr: str = "",
        retain: bool = False,
        required: str = "",
    ) -> None:
        """Plant text: the secrets must go; with `retain` the rest must stay.

        Args:
            spot: Where.
            what: Keyword or tag.
            parts: Of the text, put together as they are.
            vr: The dictionary's if not given.
            retain: Whether the innocent parts must be left.
            required: A value is required here (Type 1); the model answer's.
        """
        tag = tag_of(what)
        vr = vr or dictionary_VR(tag)[:2]
        self._forget(spot.path(tag))
        self._check_words(spot.path(tag), [part for part in parts if isinstance(part, Secret)])
        innocent = [part.strip(_TRIMMED) for part in parts if isinstance(part, str)]
        kept = " ".join(part for part in innocent if part) or required
        if retain:
            self.checks.extend(
                Check(Action.TEXT_RETAINED, spot.path(tag), value=one) for one in innocent if one
            )
        if required:
            self.checks.append(Check(Action.TEXT_NOT_NULL, spot.path(tag)))
        if self.answer:
            if kept:
                put(spot.ds, tag, vr, self.charset.encode(kept))
            else:
                drop(spot.ds, tag)
            return
        whole = "".join(part.text if isinstance(part, Secret) else part for part in parts)
        put(spot.ds, tag, vr, self.charset.encode(whole))

    def data(
        self, spot: Spot, what: str | int, vr: str, data: bytes, *secrets: Secret, undefined: bool = False
    ) -> None:
        """Plant bytes that the model answer does not have."""
        tag = tag_of(what)
        self._forget(spot.path(tag))
        self._check_words(spot.path(tag), secrets)
        if self.answer:
            drop(spot.ds, tag)
        else:
            put(spot.ds, tag, vr, data, undefined=undefined)

    def region(self, place: str, *secrets: Secret) -> None:
        """Note what the caller has planted where no element is."""
        self._check_words(place, secrets)

    def uid(self, spot: Spot, what: str | int, *values: str, words: Sequence[str] = ()) -> None:
        """Plant UIDs of things, which must be mapped, one for one over the whole set."""
        tag = tag_of(what)
        place = spot.path(tag)
        self._forget(place)
        self.checks.append(Check(Action.UID_CHANGED, place, value="\\".join(values)))
        self.checks.append(Check(Action.UID_CONSISTENT, place, value="\\".join(values)))
        if words:
            self.checks.append(Check(Action.TEXT_REMOVED, place, tuple(words)))
        written = [mapped_uid(value) for value in values] if self.answer else values
        put(spot.ds, tag, "UI", "\\".join(written).encode())

    def date(self, spot: Spot, what: str | int, day: date, rest: str = "") -> None:
        """Plant a date, which must be moved; `rest` is the time and zone of a DT."""
        tag = tag_of(what)
        original = f"{day:%Y%m%d}{rest}"
        self._forget(spot.path(tag))
        self.checks.append(Check(Action.DATE_SHIFTED, spot.path(tag), value=original))
        written = f"{day - shift_of(self.patient):%Y%m%d}{rest}" if self.answer else original
        put(spot.ds, tag, "DT" if rest else "DA", written.encode())

    def reference(self, spot: Spot, target: "Instance", sop_class: str, sop_uid: str) -> None:
        """Reference another instance: SOP class and UID in the item at `spot`."""
        put(spot.ds, tag_of("ReferencedSOPClassUID"), "UI", sop_class.encode())
        self.uid(spot, "ReferencedSOPInstanceUID", sop_uid)
        place = spot.path(tag_of("ReferencedSOPInstanceUID"))
        self.instance.references.append(Reference(place, target.file))

    def new_uid(self) -> str:
        """A UID that nothing else has; it holds the patient's number and the date, as makers make them."""
        self.counter += 1
        root = f"1.2.826.0.1.3680043.10.774.{self.patient.digits}.{self.case.day:%Y%m%d}"
        return f"{root}.{self.case.index}.{self.counter}"

    @property
    def checks(self) -> list[Check]:
        """What the output must satisfy."""
        return self.instance.checks

    def _forget(self, place: str) -> None:
        """What is planted later in the same place counts."""
        self.instance.checks = [check for check in self.checks if check.place != place]

    def _check_words(self, place: str, secrets: Sequence[Secret]) -> None:
        for scan in (True, False):
            words = [word for secret in secrets if secret.scan is scan for word in secret.words]
            if words:
                self.checks.append(Check(Action.TEXT_REMOVED, place, tuple(dict.fromkeys(words)), scan=scan))


def tag_of(what: str | int) -> int:
    """The tag of a keyword."""
    if isinstance(what, int):
        return what
    tag = tag_for_keyword(what)
    assert tag is not None, what
    return tag


def put(ds: Dataset, tag: int, vr: str, data: bytes, *, undefined: bool = False) -> None:
    """Write an element's bytes as they are."""
    if len(data) % 2:
        data += b"\0" if vr in _BINARY_PAD else b" "
    length = UNDEFINED if undefined else len(data)
    # Not through __setitem__: that decodes private elements at once.
    ds._dict[Tag(tag)] = RawDataElement(Tag(tag), vr, length, data, 0, False, True)


def is_big_endian(ds: Dataset) -> bool:
    """Whether the file's numbers are in Explicit VR Big Endian."""
    return str(ds.file_meta.TransferSyntaxUID) == "1.2.840.10008.1.2.2"


def drop(ds: Dataset, tag: int) -> None:
    """Take an element out, if it is there."""
    if Tag(tag) in ds:
        del ds[Tag(tag)]


def mapped_uid(uid: str) -> str:
    """The model answer's UID."""
    return f"2.25.{int.from_bytes(sha256(uid.encode()).digest()[:15], 'big')}"


def shift_of(patient: Patient) -> timedelta:
    """How far the model answer moves a patient's dates."""
    return timedelta(700 + 13 * int(patient.key[1:]))


def pseudonym_of(patient: Patient) -> str:
    """The model answer's PatientID and PatientName."""
    return f"SUBJECT{patient.key[1:]}"
