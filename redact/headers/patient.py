"""The patient's own elements: PatientID, PatientName, and the pseudonym that the whole object is under.

Under a profile that retains identity there is no pseudonym in the object, and its own values count instead.
"""

from collections.abc import Hashable

from pydicom.dataset import Dataset

from redact.headers.elements import put_ascii, strings
from redact.headers.profile import IDENTITY
from redact.identifiers.pseudonymiser import PatientPseudonym, Pseudonymiser

PATIENT_NAME = 0x00100010
PATIENT_ID = 0x00100020
_ISSUER = 0x00100021
_STUDY = 0x0020000D


class PatientElements:
    """Gives PatientID and PatientName their pseudonyms, at every level.

    Attributes:
        pseudonym: Of the patient that the object is about.
    """

    def __init__(self, ds: Dataset, pseudonymiser: Pseudonymiser) -> None:
        self._pseudonymiser = pseudonymiser
        self._study = _first(ds, _STUDY, "UI")
        self.pseudonym = self._of(ds)
        self._own = {tag: _plain(ds, tag, vr) for tag, vr in IDENTITY.items()}

    @property
    def facts(self) -> tuple[Hashable, ...]:
        """All that decides what becomes of an element on account of whose it is."""
        return self.pseudonym, self._study, *self._own.items()

    def owns(self, ds: Dataset, tag: int, own: int, vr: str) -> bool:
        """Whether an element of an item repeats a value of the object's own identity.

        Args:
            ds: The item.
            tag: Of its element.
            own: Tag of the element of `IDENTITY` that it may repeat.
            vr: Of both.
        """
        value = _plain(ds, tag, vr)
        return bool(value) and value == self._own[own]

    def names(self, ds: Dataset) -> PatientPseudonym:
        """The pseudonym of whoever a nested item is about; the object's patient where it gives no id."""
        if PATIENT_ID in ds and _first(ds, PATIENT_ID, "LO"):
            return self._of(ds)
        return self.pseudonym

    @staticmethod
    def replace(ds: Dataset, tag: int, pseudonym: PatientPseudonym) -> None:
        """Put the pseudonym into an item's PatientName or PatientID."""
        if tag == PATIENT_NAME:
            put_ascii(ds, PATIENT_NAME, "PN", [pseudonym.patient_name])
        else:
            put_ascii(ds, PATIENT_ID, "LO", [pseudonym.patient_id])

    @staticmethod
    def write(ds: Dataset, pseudonym: PatientPseudonym) -> None:
        """Put the pseudonym in, replacing what stood there."""
        PatientElements.replace(ds, PATIENT_NAME, pseudonym)
        PatientElements.replace(ds, PATIENT_ID, pseudonym)

    def _of(self, ds: Dataset) -> PatientPseudonym:
        return self._pseudonymiser.patient(
            _first(ds, _ISSUER, "LO"), _first(ds, PATIENT_ID, "LO"), self._study
        )


def _plain(ds: Dataset, tag: int, vr: str) -> str:
    return _first(ds, tag, vr).strip(" ^=\0")


def _first(ds: Dataset, tag: int, vr: str) -> str:
    # PatientID has one value (VM 1); a backslash in it is an error that must not make two patients one.
    return "\\".join(strings(ds, tag, vr)) if tag in ds else ""
