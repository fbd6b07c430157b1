"""Which lines of text are removed. The gates are those of the specification; they were not tuned here.

- **all-text** (ultrasound, secondary capture, X-ray angiography and fluoroscopy, other, photographs; anything
  that says it carries burned-in annotation; screen captures): every line from the lower gate on goes. Nothing
  benign is kept: a marker costs less than a name.
- **strict** (originals of CT, MR, PT, NM and the rest): a line goes from the upper gate on when it has at
  least two letters or digits: single letters (L, R) mark sides and identify nobody. The band between the
  gates is counted as `uncertain` and told to the caller, because removing it costs anatomy: organs read as
  signs.
- A line that reads like one of the patient's identifiers goes at any confidence, everywhere.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from pydicom.dataset import Dataset

from exchange.dicomio.getters import text, texts, uid
from exchange.domain.codes import ReasonCode
from redact.ocr.lines import ReadLine
from redact.pixels.benign import marker_of
from redact.pixels.boxes import BoxRule
from redact.pixels.rules import PixelRules, TextMode, UncertainText
from redact.pixels.verdict import Verdict, held, kept, removed


@dataclass(frozen=True, slots=True)
class PixelPolicy:
    """What a profile says about text in pixels.

    Attributes:
        annotated_modalities: Modalities whose images carry annotations as a rule.
        annotated_classes: Prefixes of SOP classes that are captures whatever their modality says.
        reformatted_modalities: Where ImageType SECONDARY means a reformat or a map, that is anatomy, and
            not a capture.
        all_text_gate: Confidence from which any line goes in `all-text` mode.
        all_text_characters: Letters and digits that it must have there; 0 lets signs such as `***` go too.
        strict_gate: Confidence from which a line goes in `strict` mode.
        strict_characters: Letters and digits that it must have there.
        recurring_share: A box found in this share of an instance's frames (two at least) is removed from
            all of them: in `all-text` mode annotations stand still, and a reader may miss one now and then.
        rules: The profile's own.
    """

    annotated_modalities: frozenset[str] = frozenset(
        {"US", "IVUS", "SC", "XA", "RF", "OT", "XC", "ES", "GM", "DOC"}
    )
    annotated_classes: tuple[str, ...] = (
        "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture, single- and multi-frame (PS3.4 B.5)
        "1.2.840.10008.5.1.4.1.1.3.1",  # Ultrasound Multi-frame
        "1.2.840.10008.5.1.4.1.1.6.1",  # Ultrasound
        "1.2.840.10008.5.1.4.1.1.12",  # X-Ray Angiographic, Radiofluoroscopic
        "1.2.840.10008.5.1.4.1.1.77.1",  # Visible light
    )
    reformatted_modalities: frozenset[str] = frozenset({"CT", "MR", "PT", "NM"})
    all_text_gate: float = 0.5
    all_text_characters: int = 0
    strict_gate: float = 0.6
    strict_characters: int = 2
    recurring_share: float = 0.25
    rules: PixelRules = field(default_factory=PixelRules)

    def mode(self, header: Dataset) -> TextMode:
        """How this instance is read, by its original's header (PS3.3 C.7.6.1.1.2 for ImageType)."""
        asked = self.rules.mode(header)
        if asked is not None:
            return asked
        modality = text(header, "Modality").strip().upper()
        if modality in self.annotated_modalities:
            return TextMode.ALL_TEXT
        if text(header, "BurnedInAnnotation").strip().upper() == "YES":
            return TextMode.ALL_TEXT
        if _is_class(uid(header, "SOPClassUID"), self.annotated_classes):
            return TextMode.ALL_TEXT
        kinds = [value.strip().upper() for value in texts(header, "ImageType")]
        captured = any("SCREEN" in kind or "CAPTURE" in kind for kind in kinds)
        if "SECONDARY" in kinds[1:2] and modality not in self.reformatted_modalities:
            captured = True
        return TextMode.ALL_TEXT if captured or text(header, "ConversionType") else TextMode.STRICT

    def is_read(self, line: ReadLine) -> bool:
        """Whether a line is sure enough to say anything of somebody."""
        return line.confidence >= self.all_text_gate

    def gate(self, line: ReadLine, mode: TextMode) -> Verdict:
        """What becomes of a line that is no identifier."""
        if mode is TextMode.IDENTITY_ONLY:
            return kept("identity-only: matches no identifier")
        marker = marker_of(line.text, self.rules.markers)
        if marker is not None:
            return kept(f"a marker that the profile keeps: {marker}")
        if mode is TextMode.ALL_TEXT:
            return self._gate(line, BoxRule.ALL_TEXT, self.all_text_gate, self.all_text_characters)
        if self._is_uncertain(line):
            return self._uncertain(line)
        return self._gate(line, BoxRule.STRICT, self.strict_gate, self.strict_characters)

    def for_proof(self) -> "PixelPolicy":
        """The policy by which the cleaned pixels are judged with other weights.

        The same gates. A lone character that the cleaner's weights did not see (a tick's `5` on a scale)
        identifies nobody, so in `all-text` mode too a line must have as many letters as in `strict` mode.
        What is uncertain is the cleaner's question, and has been answered: the proof does not ask it anew.
        """
        rules = replace(self.rules, uncertain=UncertainText.KEEP)
        return replace(self, all_text_characters=self.strict_characters, rules=rules)

    def decided(self, released: Collection[ReasonCode], redacted: Collection[ReasonCode]) -> "PixelPolicy":
        """The policy after a person has looked; where both was said of what is uncertain, it goes."""
        if ReasonCode.UNCERTAIN_TEXT in redacted:
            return replace(self, rules=replace(self.rules, uncertain=UncertainText.REMOVE))
        if ReasonCode.UNCERTAIN_TEXT in released:
            return replace(self, rules=replace(self.rules, uncertain=UncertainText.KEEP))
        return self

    def _gate(self, line: ReadLine, rule: BoxRule, gate: float, characters: int) -> Verdict:
        if line.confidence < gate:
            return kept(f"{rule}: confidence {_shown(line)} below the gate {gate:.2f}")
        if _letters(line) < characters:
            return kept(f"{rule}: fewer than {characters} letters or digits identify nobody")
        return removed(rule, f"{rule}: confidence {_shown(line)}, the gate is {gate:.2f}")

    def _is_uncertain(self, line: ReadLine) -> bool:
        """True for a line of the band between the gates: perhaps text, perhaps anatomy."""
        in_band = self.all_text_gate <= line.confidence < self.strict_gate
        return in_band and _letters(line) >= self.strict_characters

    def _uncertain(self, line: ReadLine) -> Verdict:
        gates = f"{self.all_text_gate:.2f} and {self.strict_gate:.2f}"
        reason = f"strict: confidence {_shown(line)} between the gates {gates}"
        match self.rules.uncertain:
            case UncertainText.HOLD:
                return held(ReasonCode.UNCERTAIN_TEXT, reason, uncertain=True)
            case UncertainText.REMOVE:
                return removed(BoxRule.UNCERTAIN, reason, uncertain=True)
            case UncertainText.KEEP:
                return kept(reason, uncertain=True)


def _shown(line: ReadLine) -> str:
    """Its confidence, never rounded up to a gate."""
    return f"{math.floor(line.confidence * 1000) / 1000:.3f}"


def _letters(line: ReadLine) -> int:
    return sum(mark.isalnum() for mark in line.text)


def _is_class(sop_class_uid: str, prefixes: tuple[str, ...]) -> bool:
    return any(sop_class_uid == prefix or sop_class_uid.startswith(f"{prefix}.") for prefix in prefixes)
