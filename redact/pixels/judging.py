"""What becomes of each line of text in an instance: the cleaner, the proof and `lockgate ocr` ask here."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from exchange.domain.codes import ReasonCode
from exchange.domain.identifiers import HarvestedIdentifiers
from redact.ocr.lines import ReadLine
from redact.ocr.matching import IdentifierMatcher
from redact.pixels.boxes import BoxRule
from redact.pixels.own import OwnText, Whose
from redact.pixels.policy import PixelPolicy
from redact.pixels.rules import TextMode
from redact.pixels.verdict import Verdict, held, kept, removed

Known = HarvestedIdentifiers | OwnText
"""Identifiers that must go; or the patient's identity, which stays, apart from those."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Decides for one instance.

    Attributes:
        policy: Which lines go.
        mode: How hard the instance is read.
        matcher: Of the study's identifiers; where identity is retained it is asked before the policy.
    """

    policy: PixelPolicy
    mode: TextMode
    matcher: IdentifierMatcher | OwnText

    @classmethod
    def of(cls, policy: PixelPolicy, header: Dataset, known: Known) -> "Judge":
        """For the instance with this original header."""
        matcher = known if isinstance(known, OwnText) else IdentifierMatcher(known)
        return cls(policy, policy.mode(header), matcher)

    def verdict(self, line: ReadLine, lines: Sequence[ReadLine]) -> Verdict:
        """What becomes of a line among those of its picture."""
        if isinstance(self.matcher, IdentifierMatcher):
            if self.matcher.matches(line.text):
                return removed(BoxRule.IDENTIFIER, "reads like an identifier of the patient or the study")
            return self.policy.gate(line, self.mode)
        match self.matcher.whose(line, lines):
            case Whose.OWN:
                return kept("the patient's own, or known words: the profile retains the identity")
            case Whose.ANOTHERS if self.matcher.hold and self.policy.is_read(line):
                return held(ReasonCode.IDENTITY_MISMATCH, "names somebody else than the header")
            case Whose.ANOTHERS:
                return removed(BoxRule.IDENTIFIER, "reads like somebody else's identity")
            case Whose.IDENTIFIER:
                return removed(BoxRule.IDENTIFIER, "an identifier of the study that is not to remain")
            case _:
                return self.policy.gate(line, self.mode)
