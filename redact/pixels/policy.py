"""Which lines of text are removed. The gates are those of the specification; they were not tuned here.

- **all-text** (ultrasound, secondary capture, X-ray angiography and fluoroscopy, other, photographs; anything
  that says it carries burned-in annotation; screen captures): every line from the lower gate on goes, and so
  does what is plainly writing that the recogniser does not know (Arabic, Hebrew, Hangul). Nothing benign is
  kept: a marker costs less than a name.
- **strict** (originals of CT, MR, PT, NM and the rest): a line goes from the upper gate on when it has at
  least two letters or digits: single letters (L, R) mark sides and identify nobody. Organs read as signs, but
  the detector is less sure of them. What lies between the gates, or is surely writing in no script that the
  recogniser knows, is `uncertain`: removing it may cost anatomy.
- What a closer look found beside a surely read line goes with it.
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
from redact.pixels.rules import ModeChoice, PixelRules, TextMode, UncertainText
from redact.pixels.verdict import Verdict, held, kept, removed


@dataclass(frozen=True, slots=True)
class PixelPolicy:
    """What a profile says about text in pixels.

    Attributes:
        annotated_modalities: Modalities whose images carry annotations as a rule.
        annotated_classes: Prefixes of SOP classes that are captures whatever their modality says.
        ophthalmic: Of these, prefix of the classes whose cameras annotate captures, not the photograph.
        slide: Of these, the class whose volumes are tissue; labels and overviews show what is written.
        reformatted_modalities: Where ImageType SECONDARY means a reformat or a map, that is anatomy, and
            not a capture.
        all_text_gate: Confidence from which any line goes in `all-text` mode.
        all_text_lone: The same for a lone letter or digit: focus marks and organs read as one.
        all_text_characters: Letters and digits that it must have there; 0 lets signs such as `***` go too.
        strict_gate: Confidence from which a line goes in `strict` mode.
        strict_characters: Letters and digits that it must have there; twice as many where it is as thick as
            an organ.
        strict_score: How sure the detector must be there that it is writing.
        uncertain_score: The same for a line to be uncertain.
        strict_score_short: The same for a line of no more than `strict_characters`.
        beside_gate: Confidence from which goes what a closer look found beside a line that was surely read.
        unread_score: How sure the detector must be of a line in `all-text` mode that is hardly read.
        unread_gate: The confidence that such a line must have.
        unread_strict: Both, in `strict` mode, for such a line to be uncertain.
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
    ophthalmic: str = "1.2.840.10008.5.1.4.1.1.77.1.5"
    slide: str = "1.2.840.10008.5.1.4.1.1.77.1.6"
    reformatted_modalities: frozenset[str] = frozenset({"CT", "MR", "PT", "NM"})
    all_text_gate: float = 0.5
    all_text_lone: float = 0.85
    all_text_characters: int = 0
    strict_gate: float = 0.6
    strict_characters: int = 2
    strict_score: float = 0.7
    uncertain_score: float = 0.6
    strict_score_short: float = 0.9
    beside_gate: float = 0.2
    unread_score: float = 0.85
    unread_gate: float = 0.3
    unread_strict: tuple[float, float] = (0.9, 0.4)
    recurring_share: float = 0.25
    rules: PixelRules = field(default_factory=PixelRules)

    def mode(self, header: Dataset) -> TextMode:
        """How this instance is read, by its original's header."""
        return self.choice(header).mode

    def choice(self, header: Dataset) -> ModeChoice:
        """The same with what decides (PS3.3 C.7.6.1.1.2 for ImageType)."""
        asked = self.rules.choice(header)
        if asked is not None:
            return asked
        why = self._annotated(header)
        if why:
            return ModeChoice(TextMode.ALL_TEXT, why)
        return ModeChoice(TextMode.STRICT, "an original image: nothing says that it is annotated")

    def _annotated(self, header: Dataset) -> str:
        """Why an instance is taken for one that carries annotations; "" where it is not."""
        modality = text(header, "Modality").strip().upper()
        if modality in self.annotated_modalities:
            return f"Modality {modality} carries annotations as a rule"
        if text(header, "BurnedInAnnotation").strip().upper() == "YES":
            return "BurnedInAnnotation is YES"
        kinds = [value.strip().upper() for value in texts(header, "ImageType")]
        if self._is_annotated(uid(header, "SOPClassUID"), kinds):
            return "its SOP Class carries annotations as a rule"
        captured = any("SCREEN" in kind or "CAPTURE" in kind for kind in kinds)
        if "SECONDARY" in kinds[1:2] and modality not in self.reformatted_modalities:
            captured = True
        if captured:
            return "ImageType says that it is a capture or secondary"
        return "ConversionType says that it was converted" if text(header, "ConversionType") else ""

    def _is_annotated(self, sop_class_uid: str, kinds: list[str]) -> bool:
        """Whether images of this class show writing as a rule (flavours of slides: PS3.3 C.8.12.4.1.1)."""
        if sop_class_uid == self.slide:
            return not {"VOLUME", "THUMBNAIL"} & set(kinds[2:3])
        if _is_class(sop_class_uid, (self.ophthalmic,)):
            return False
        return _is_class(sop_class_uid, self.annotated_classes)

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
            return self._all_text(line)
        if self._is_uncertain(line):
            return self._uncertain(line)
        return self._strict(line)

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

    def _all_text(self, line: ReadLine) -> Verdict:
        rule, letters = BoxRule.ALL_TEXT, line.letters
        if letters < self.all_text_characters:
            return kept(f"{rule}: fewer than {self.all_text_characters} letters or digits identify nobody")
        gate = self.all_text_lone if letters == 1 else self.all_text_gate
        if line.confidence >= gate:
            return removed(rule, f"{rule}: confidence {_shown(line)}, the gate is {gate:.2f}")
        if line.beside and line.confidence >= self.beside_gate:
            return removed(rule, f"{rule}: beside a line that was surely read")
        unread = line.score >= self.unread_score and line.confidence >= self.unread_gate
        if unread and letters >= self.strict_characters:
            return removed(BoxRule.UNREAD, f"{rule}: plainly writing, though hardly read")
        return kept(f"{rule}: confidence {_shown(line)} below the gate {gate:.2f}")

    def _strict(self, line: ReadLine) -> Verdict:
        rule, letters, least = BoxRule.STRICT, line.letters, self.strict_characters
        if line.beside and line.confidence >= self.all_text_gate and letters >= least:
            return removed(rule, f"{rule}: beside a line that was surely read")
        if line.confidence < self.strict_gate:
            return kept(f"{rule}: confidence {_shown(line)} below the gate {self.strict_gate:.2f}")
        if letters < least:
            return kept(f"{rule}: fewer than {least} letters or digits identify nobody")
        if line.huge and letters < 2 * least:
            return kept(f"{rule}: as thick as an organ, with fewer than {2 * least} letters or digits")
        score = self.strict_score_short if letters == least else self.strict_score
        if line.score < score:
            return kept(f"{rule}: hardly a line of writing (below {score:.2f})")
        return removed(rule, f"{rule}: confidence {_shown(line)}, the gate is {self.strict_gate:.2f}")

    def _is_uncertain(self, line: ReadLine) -> bool:
        """True for a line of the band between the gates: perhaps text, perhaps anatomy."""
        if line.huge or line.letters < self.strict_characters or line.confidence >= self.strict_gate:
            return False
        if line.confidence >= self.all_text_gate:
            return line.score >= self.uncertain_score
        score, confidence = self.unread_strict
        return line.score >= score and line.confidence >= confidence and line.letters > self.strict_characters

    def _uncertain(self, line: ReadLine) -> Verdict:
        gates = f"{self.all_text_gate:.2f} and {self.strict_gate:.2f}"
        reason = f"strict: confidence {_shown(line)} between the gates {gates}"
        if line.confidence < self.all_text_gate:
            reason = f"strict: surely writing, hardly read (confidence {_shown(line)})"
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


def _is_class(sop_class_uid: str, prefixes: tuple[str, ...]) -> bool:
    return any(sop_class_uid == prefix or sop_class_uid.startswith(f"{prefix}.") for prefix in prefixes)
