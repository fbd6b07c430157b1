"""What goes into the cleaning of a header and what comes out of it."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

from exchange.domain.errors import ModelError
from exchange.domain.findings import Finding
from exchange.domain.identifiers import HarvestedIdentifiers, IdentifierKind
from redact.headers.profile import Profile
from redact.headers.text import FREE_TEXT
from redact.identifiers.matcher import Matcher
from redact.identifiers.names import FoundNames, NameRecogniser
from redact.identifiers.pseudonymiser import PatientPseudonym, Pseudonymiser
from redact.identifiers.readings import ascii_words, readable, utf8_reading
from redact.identifiers.telling import has_title

_CACHE_LIMIT = 50_000
_FIRST_WORD = re.compile(r"[\W_]*[^\W_]+")
_MOST_PATIENTS = 16  # of one study: more than one is a mislabelled instance
_PATIENTS_OWN = (
    IdentifierKind.PATIENT_NAME,
    IdentifierKind.PATIENT_ID,
    IdentifierKind.ADDRESS,
    IdentifierKind.PHONE,
)


@dataclass(frozen=True)
class HeaderContext:
    """Everything that cleaning the headers of one study needs; make it once a study, not once an instance.

    Attributes:
        profile: What to remove, keep and clean.
        pseudonymiser: Keys of the route's domain.
        identifiers: Harvested over the whole study and the patient's earlier exchanges.
        recogniser: Of names in free text; must be there where the profile asks for it.

    Raises:
        ModelError: The profile asks for a recogniser of names, and there is none.
    """

    profile: Profile
    pseudonymiser: Pseudonymiser
    identifiers: HarvestedIdentifiers = field(repr=False)
    recogniser: NameRecogniser | None = field(default=None, repr=False, compare=False)
    matcher: Matcher = field(init=False, repr=False, compare=False)
    _patient_matcher: Matcher = field(init=False, repr=False, compare=False)
    _of_patients: dict[HarvestedIdentifiers, "HeaderContext"] = field(init=False, repr=False, compare=False)
    _texts: dict[tuple[Callable[[str, Matcher], str], str], str] = field(
        init=False, repr=False, compare=False
    )
    _found: FoundNames | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "matcher", Matcher(self.identifiers))
        own = HarvestedIdentifiers(frozenset(self.identifiers.of(*_PATIENTS_OWN)))
        object.__setattr__(self, "_patient_matcher", Matcher(own))
        object.__setattr__(self, "_of_patients", {})
        object.__setattr__(self, "_texts", {})
        object.__setattr__(self, "_found", self._found_names())

    def _found_names(self) -> FoundNames | None:
        """What looks for names; None where the profile does not want it."""
        wanted = self.profile.names
        if wanted is None:
            return None
        if self.recogniser is None:
            raise ModelError(f"cannot clean texts: the recogniser of names {wanted.recogniser} is not loaded")
        return FoundNames(self.recogniser, wanted.threshold)

    def less(self, own: HarvestedIdentifiers) -> "HeaderContext":
        """The same study's without what is a patient's own, which need not go."""
        known = self._of_patients.get(own)
        if known is None:
            if len(self._of_patients) >= _MOST_PATIENTS:
                self._of_patients.clear()
            others = self.identifiers.without(own)
            known = self._of_patients[own] = HeaderContext(
                self.profile, self.pseudonymiser, others, self.recogniser
            )
        return known

    @property
    def without_patient(self) -> Callable[[str, Matcher], str]:
        """A text rule that strikes out the patient's own identifiers only."""
        return self._strike_patient

    @property
    def from_maker(self) -> Callable[[str, Matcher], str]:
        """A text rule for the name of a maker: it may begin like somebody's, and names nobody further.

        «Philips» and «Philips Labs» may be makers whatever the physician is called; «Dr. Philips»,
        «ref Philips» and «Karl Philips» are none.
        """
        return self._strike_from_maker

    def cleaned_text(self, rule: Callable[[str, Matcher], str], text: str, path: str = "") -> str:
        """A text under a rule; slices of a series repeat their texts, so answers are remembered.

        Words that cannot be decoded go. Of a text that is UTF-8 though another character set is declared,
        what stays is what the rule leaves of it and what reads the same in both. In free text names are
        looked for where the profile says so.

        Raises:
            HeldError: `names`, at `path`; names could not be looked for.
        """
        key = (rule, text)
        known = self._texts.get(key)
        if known is None:
            if len(self._texts) >= _CACHE_LIMIT:
                self._texts.clear()
            known = self._texts[key] = self._cleaned(self._with_names(rule, path), text)
        return known

    def _with_names(self, rule: Callable[[str, Matcher], str], path: str) -> Callable[[str, Matcher], str]:
        found = self._found
        if found is None or rule not in FREE_TEXT:
            return rule
        return lambda text, matcher: found.cleaned(rule, text, matcher, path)

    def _cleaned(self, rule: Callable[[str, Matcher], str], text: str) -> str:
        meant = utf8_reading(text)
        if not meant:
            return rule(readable(text), self.matcher)
        return rule(ascii_words(rule(meant, self.matcher)), self.matcher)

    def finds_names(self, text: str, path: str) -> bool:
        """Whether the recogniser of names finds one in a piece of free text; never where there is none.

        Raises:
            HeldError: `names`, at `path`; it gave no answer.
        """
        return self._found is not None and self._found.in_text(text, path)

    def names_somebody(self, text: str) -> bool:
        """Whether an identifier stands in the text, or may: a part of it cannot be decoded."""
        return readable(text) != text or any(map(self.matcher.found, {text, utf8_reading(text)}))

    def _strike_patient(self, text: str, _matcher: Matcher) -> str:
        return self._patient_matcher.clean(text).text

    def _strike_from_maker(self, text: str, matcher: Matcher) -> str:
        if not matcher.found(text):
            return text
        tells = has_title(text) or matcher.found(_FIRST_WORD.sub("", text, count=1))
        return (matcher if tells else self._maker_matcher).clean(text).text

    @cached_property
    def _maker_matcher(self) -> Matcher:
        return Matcher(self.identifiers, lone_names=False)

    @classmethod
    def of(
        cls,
        profile: Profile,
        pseudonymiser: Pseudonymiser,
        harvests: Iterable[HarvestedIdentifiers],
        recogniser: NameRecogniser | None = None,
    ) -> "HeaderContext":
        """The context of a study whose instances gave these harvests."""
        return cls(profile, pseudonymiser, HarvestedIdentifiers().union(harvests), recogniser)


@dataclass(slots=True)
class ActionCounts:
    """How many elements were treated how (the `actions` of the `lockgate.clean/1` report)."""

    removed: int = 0
    emptied: int = 0
    replaced: int = 0
    shifted: int = 0
    uids: int = 0
    kept: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts under their published names."""
        return {
            "removed": self.removed,
            "emptied": self.emptied,
            "replaced": self.replaced,
            "shifted": self.shifted,
            "uids": self.uids,
            "kept": self.kept,
        }


@dataclass(frozen=True, slots=True)
class HeaderOutcome:
    """What was done to one header.

    Attributes:
        actions: Counts by action, over all nesting levels.
        uid_map: Original to new UID, for the crosswalk; never logged.
        patient: The patient's pseudonym; applied unless the profile retains identity.
        method_codes: Codes of CID 7050 of what was really done, already written into the data set, unless
            identity is retained: then nothing there claims a de-identification. Pixel codes
            are added by the caller through `redact.headers.record.add_method_codes`.
        findings: What a person should know; no values.
        embedded_overlay_bits: Bit positions of PixelData cells that held overlay planes whose elements were
            removed; the pixel room must clear these bits.
    """

    actions: ActionCounts
    uid_map: dict[str, str] = field(repr=False)
    patient: PatientPseudonym
    method_codes: tuple[str, ...]
    findings: tuple[Finding, ...]
    embedded_overlay_bits: tuple[int, ...]
