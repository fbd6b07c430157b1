"""Which epoch of the pseudonym keys a study belongs to: a rotation touches new patients only.

What was pseudonymised once stays so: a late instance keeps to its study, a new study to its patient. The
crosswalk is asked whether it knows the pseudonym that an epoch would give; no original is opened for that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from exchange.crosswalk.rows import RowKind
from exchange.crosswalk.store import Crosswalk
from exchange.keys.domains import DomainKeys
from redact.identifiers.pseudonymiser import Pseudonymiser

RETAINED = "identity-retained"
"""In the place of a domain where identity is retained: keys references on receipts; no pseudonym is made."""


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """The pseudonyms of a study, and the key epoch that they are of."""

    pseudonymiser: Pseudonymiser
    epoch: int


@dataclass(frozen=True, slots=True)
class KeyEpochs:
    """The epochs of one pseudonym domain.

    Attributes:
        issuer: Stands for IssuerOfPatientID where it is absent.
        crosswalk: None where nothing is remembered: everybody is new.
    """

    keys: DomainKeys = field(repr=False)
    domain: str
    issuer: str
    crosswalk: Crosswalk | None = field(default=None, repr=False)

    def of(
        self, patients: Sequence[tuple[str, str]], study_uids: Iterable[str], revision: int = 0
    ) -> Pseudonyms:
        """The pseudonyms of studies of the same patient.

        Args:
            patients: IssuerOfPatientID and PatientID as they stand in the instances.
            study_uids: Original StudyInstanceUIDs; they pin studies whose patient is a placeholder.
            revision: Of the cleaning.

        Raises:
            CustodyError: The crosswalk cannot be asked.
        """
        uids = tuple(study_uids)
        for epoch in range(self.keys.epoch):
            older = self._pseudonyms(epoch, revision)
            if self._is_known(older.pseudonymiser, patients, uids):
                return older
        return self._pseudonyms(self.keys.epoch, revision)

    def _pseudonyms(self, epoch: int, revision: int) -> Pseudonyms:
        return Pseudonyms(Pseudonymiser(self.keys.key(self.domain, epoch), self.issuer, revision), epoch)

    def _is_known(
        self, pseudonymiser: Pseudonymiser, patients: Sequence[tuple[str, str]], uids: Sequence[str]
    ) -> bool:
        if self.crosswalk is None:
            return False
        first = Pseudonymiser(
            pseudonymiser.domain_key, self.issuer
        )  # whatever was cleaned anew was cleaned once
        if any(self.crosswalk.knows(self.domain, RowKind.UID, first.uid(uid)) for uid in uids if uid):
            return True
        names = (first.patient(issuer, patient_id, "").patient_id for issuer, patient_id in patients)
        return any(self.crosswalk.knows(self.domain, RowKind.PATIENT, name) for name in names)
