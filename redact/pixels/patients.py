"""The patients whom the headers of one study name, where the profile retains identity."""

from pydicom.dataset import Dataset

from exchange.dicomio.getters import text
from exchange.domain.identifiers import HarvestedIdentifiers, IdentifierKind
from redact.headers.identity import own_identifiers
from redact.headers.profile import Option, Profile
from redact.pixels.own import OwnText

_MOST_PATIENTS = 16


class OwnTexts:
    """The judges of one study: one for each patient whom its headers name, which is one as a rule.

    Args:
        profile: What retains the identity.
        study: Identifiers of the whole study.
        hold: As of `OwnText`.
    """

    def __init__(self, profile: Profile, study: HarvestedIdentifiers, *, hold: bool) -> None:
        self._study = study
        self._hold = hold
        self._keeps_days = Option.RETAIN_FULL_DATES in profile.options
        self._known: dict[tuple[HarvestedIdentifiers, str], OwnText] = {}

    def of(self, header: Dataset) -> OwnText:
        """The judge of the lines in an instance, by its original's header."""
        own, born = own_identifiers(header), text(header, "PatientBirthDate").strip()
        known = self._known.get((own, born))
        if known is None:
            if len(self._known) >= _MOST_PATIENTS:
                self._known.clear()
            known = self._known[own, born] = self._make(own, born)
        return known

    def _make(self, own: HarvestedIdentifiers, born: str) -> OwnText:
        others, days = self._study.without(own), frozenset[str]()
        if self._keeps_days:
            days = frozenset(one.value for one in others.of(IdentifierKind.DATE))
            left = (one for one in others.items if one.kind is not IdentifierKind.DATE)
            others = HarvestedIdentifiers(frozenset(left))
        return OwnText(own, born, others, days, hold=self._hold)
