"""What a profile says about text in pixels: how hard is read, what stays, what a person decides."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydicom.dataset import Dataset

from redact.headers.conditions import Condition
from redact.headers.site_rules import Objection


class TextMode(StrEnum):
    """How hard text is looked for in an instance."""

    ALL_TEXT = "all-text"
    STRICT = "strict"
    IDENTITY_ONLY = "identity-only"  # nothing but what matches an identifier goes


class UncertainText(StrEnum):
    """What becomes of a line in `strict` mode that may be text or anatomy."""

    HOLD = "hold"  # a person looks
    REMOVE = "remove"
    KEEP = "keep"


class Fill(StrEnum):
    """What takes the place of text that is removed."""

    BACKGROUND = "background"  # one value, of what lies around
    INPAINT = "inpaint"  # what lies around flows in


class Marker(StrEnum):
    """Kinds of lines that identify nobody."""

    LATERALITY = "laterality"  # L, R, LEFT, RT
    PROJECTION = "projection"  # AP, LAT, MLO, SUPINE, SEMI-UPRIGHT
    PORTABLE = "portable"
    PHASE = "phase"  # ARTERIAL, VENOUS PHASE, INSP, 40%
    SCALE = "scale"  # 5 cm, 2.5 MHz
    ACOUSTIC = "acoustic"  # MI 0.9 TIS 0.2 (IEC 60601-2-37)


@dataclass(frozen=True, slots=True)
class ModeRule:
    """How hard the instances are read for which its condition holds.

    Attributes:
        when: None: for all.
        line: Of the profile's file, 0 where there is none; no part of what the rule is.
    """

    mode: TextMode
    when: Condition | None = None
    line: int = 0

    def __str__(self) -> str:
        return f"{self.mode} where {self.when}" if self.when else f"{self.mode} everywhere else"


@dataclass(frozen=True, slots=True)
class ModeChoice:
    """How hard an instance is read, and why.

    Attributes:
        reason: In words of the standard or of the profile; no value but a known modality.
        line: Of the profile's file, where one of its modes decides; else 0.
    """

    mode: TextMode
    reason: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class PixelRules:
    """The `pixels:` section of a profile.

    Attributes:
        uncertain: Of lines between the gates.
        markers: Kinds of lines that stay, where the whole line is one and no identifier matches it.
        modes: In order; the first whose condition holds decides, before what modality and class say.
        fill: What takes the place of what goes.
    """

    uncertain: UncertainText = UncertainText.HOLD
    markers: frozenset[Marker] = frozenset()
    modes: tuple[ModeRule, ...] = ()
    fill: Fill = Fill.BACKGROUND

    def choice(self, header: Dataset) -> ModeChoice | None:
        """How hard an instance is read, by its original's header; None where the rules do not say."""
        for rule in self.modes:
            if rule.when is None or rule.when.holds(header):
                return ModeChoice(rule.mode, str(rule), rule.line)
        return None

    def canonical(self) -> list[object]:
        """The same for the same rules, however they were written."""
        modes = [[one.mode.value, one.when.canonical() if one.when else ""] for one in self.modes]
        said: list[object] = [self.uncertain.value, sorted(self.markers), modes]
        return said if self.fill is Fill.BACKGROUND else [*said, self.fill.value]


def pixels_objections(
    modes: Sequence[ModeRule], options: Collection[str]
) -> Iterator[tuple[int | None, Objection]]:
    """What is wrong with the section as a whole; index of the mode that it is about, None for the section."""
    if "113101" not in options:
        wrong = "pixels: without 113101 (Clean Pixel Data) says nothing: no pixels are read"
        yield None, (wrong, "add 113101 to the options, or leave pixels: out")
    for index, rule in enumerate(modes[:-1]):
        if rule.when is None:
            wrong = "a mode without when: holds for all, and those after it are never asked"
            yield index, (wrong, "put it last, or give it a when:")
