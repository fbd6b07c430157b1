"""What `check`, `plan`, `profiles` and `ocr` answer with --json; the schemas are generated from here."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.config.problems import Problem


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProblemAnswer(_Answer):
    """One mistake and its place; line and column count from 1."""

    file: str
    line: int
    column: int
    severity: Literal["error", "warning"]
    message: str
    instead: str

    @classmethod
    def of(cls, problem: Problem) -> "ProblemAnswer":
        """The answer's form of a problem."""
        return cls(
            file=problem.file,
            line=problem.line,
            column=problem.column,
            severity=problem.severity,
            message=problem.message,
            instead=problem.instead,
        )


class CheckAnswer(_Answer):
    """`lockgate check --json`."""

    ok: bool
    file: str
    sha256: str = Field(description="Of the file's bytes; empty when it has errors.")
    problems: tuple[ProblemAnswer, ...]


Planned = Literal["removed", "emptied", "replaced", "uid", "shifted", "kept", "added"]


class PlannedElement(_Answer):
    """What would happen to one element, wherever it stands in the study; no values."""

    path: str = Field(description="Tags from the root; [] stands for every item of a sequence.")
    keyword: str = Field(description="Empty for private and unknown elements.")
    action: Planned
    reason: str = Field(
        description="Which rule says so, e.g. site rule 3 (line 12), Table E.1-1 Z/D, option 113105."
    )
    line: int | None = Field(None, description="Of the profile's file, where a rule of the site says so.")
    count: int = Field(description="How many times in the study.")


class PlannedReading(_Answer):
    """How hard text is looked for in some instances with pixels, and why."""

    mode: str
    reason: str
    line: int | None = Field(description="Of the profile's file, where one of its modes decides.")
    count: int


class PlannedRoute(_Answer):
    """One exchange that would be opened."""

    route: str
    identity: Literal["removed", "retained", "quarantined", "reidentified"]
    reason: str | None = Field(description="Why identity is retained, as the receipt says it.")
    profile: str | None
    pseudonymDomain: str | None  # noqa: N815 - a JSON name
    conditions: dict[str, str] = Field(description="The route's match, as written.")
    deliver: tuple[str, ...]
    pixels: str
    readings: tuple[PlannedReading, ...] = Field(
        description="Of instances with pixels, where the profile cleans them."
    )
    spotChecks: tuple[str, ...] = Field(  # noqa: N815
        description="What a person would look at before it leaves."
    )
    unknown: Literal["held", "quarantined"] | None = Field(
        None, description="Of a return route: what becomes of a study whose patient is unknown here."
    )
    documents: str
    names: str = Field(description="What looks for names in free text, besides identifiers and vocabulary.")
    elements: tuple[PlannedElement, ...]
    held: dict[str, int] = Field(description="Instances that would be held, by reason code.")


class PlannedStudy(_Answer):
    """What would happen to a study."""

    files: int
    modalities: tuple[str, ...]
    routes: tuple[PlannedRoute, ...] = Field(description="None: the study would be held as unrouted.")


class PlanAnswer(_Answer):
    """`lockgate plan --json`."""

    file: str
    sha256: str
    firmwareProfile: str  # noqa: N815
    workers: int
    aeTitles: tuple[str, ...] = Field(description="That may be called.")  # noqa: N815
    configuration: dict[str, Any] = Field(
        description="The site file with defaults filled in, paths absolute."
    )
    profiles: dict[str, str] = Field(description="SHA-256 of each profile that a route names.")
    studies: tuple[PlannedStudy, ...] | None = Field(description="Null without --study.")
    refused: dict[str, int] = Field(description="Files that are no usable DICOM, by reason code.")


class ProfileSide(_Answer):
    """One profile, and where it stands."""

    profile: str
    file: str
    sha256: str = Field(description="Of its identity, options and rules, as receipts name it.")


class ListedProfile(ProfileSide):
    """One profile in a list."""

    title: str
    identity: Literal["removed", "retained"]
    options: tuple[str, ...] = Field(description="Codes of CID 7050.")
    rules: int = Field(description="How many rules of the site's own.")


class ProfilesAnswer(_Answer):
    """`lockgate profiles list --json`."""

    profiles: tuple[ListedProfile, ...]


class ShownRule(_Answer):
    """One rule of a profile."""

    number: int
    line: int
    selects: str
    action: str
    value: str
    when: str = Field(description="Empty where it always holds.")


class ShownNames(_Answer):
    """A recogniser of names as a profile asks for it."""

    recogniser: str
    threshold: float
    sha256: str = Field(description="What must decide its answers; empty where nothing is pinned.")


class ShownPixels(_Answer):
    """What becomes of text in pixels."""

    uncertain: Literal["hold", "remove", "keep"] = Field(description="Of lines that may be text or anatomy.")
    markers: tuple[str, ...] = Field(description="Kinds of lines that stay.")
    modes: tuple[str, ...] = Field(description="Rules in words, in order, before modality and image type.")
    fill: Literal["background", "inpaint"] = Field(description="What takes the place of text.")


class ProfileAnswer(ProfileSide):
    """`lockgate profiles show --json`."""

    title: str
    identity: Literal["removed", "retained"]
    reason: str = Field(description="Why identity is retained; empty where it is removed.")
    kept: tuple[str, ...] = Field(description="Keywords of the identity that is retained.")
    tableEdition: str = Field(description="Edition of PS3.15 Table E.1-1 that is applied.")  # noqa: N815
    options: dict[str, str] = Field(description="Meaning by code of CID 7050, the Basic Profile first.")
    documents: Literal["hold", "rebuild"] = Field(description="What becomes of encapsulated PDF and CDA.")
    pixels: ShownPixels | None = Field(description="Null where no pixels are cleaned.")
    names: ShownNames | None = Field(description="Looks for names in free text; null where nothing does.")
    rules: tuple[ShownRule, ...] = Field(description="The most specific first: it counts.")


class Treated(_Answer):
    """What one profile does to an element."""

    action: str = Field(
        description="A rule's action; or dispose (as the cell says), map-uid, shift, keep-date, clean, keep,"
        " unlisted (by its VR), drop, private, pixels."
    )
    reason: str


class ChangedElement(_Answer):
    """One element that two profiles treat differently."""

    tag: str
    keyword: str
    before: Treated
    after: Treated


class ChangedRule(_Answer):
    """One rule of the site that only one profile has, or that does something else in the other."""

    change: Literal["added", "removed", "changed"]
    before: str | None
    after: str | None
    lineBefore: int | None  # noqa: N815
    lineAfter: int | None  # noqa: N815


class ProfileDifference(_Answer):
    """`lockgate profiles diff --json`."""

    before: ProfileSide
    after: ProfileSide
    same: bool = Field(description="Whether both do the same to every object, for the same reason.")
    identityBefore: Literal["removed", "retained"]  # noqa: N815
    identityAfter: Literal["removed", "retained"]  # noqa: N815
    optionsAdded: tuple[str, ...]  # noqa: N815
    optionsRemoved: tuple[str, ...]  # noqa: N815
    documentsBefore: Literal["hold", "rebuild"]  # noqa: N815
    documentsAfter: Literal["hold", "rebuild"]  # noqa: N815
    namesBefore: ShownNames | None  # noqa: N815
    namesAfter: ShownNames | None  # noqa: N815
    pixelsBefore: ShownPixels | None  # noqa: N815
    pixelsAfter: ShownPixels | None  # noqa: N815
    rules: tuple[ChangedRule, ...]
    elements: tuple[ChangedElement, ...] = Field(
        description="Of PS3.6, in the data set itself, where no rule's condition holds."
    )


class OcrBox(_Answer):
    """A region in stored pixels: 0-based, half-open."""

    frame: int
    x0: int
    y0: int
    x1: int
    y1: int


class OcrLine(OcrBox):
    """One line as it was read in one picture of a frame, and what would become of it."""

    text: str = Field(description="As recognised. It may be a patient's name.")
    confidence: float = Field(description="Mean probability of its characters, 0-1.")
    rendering: str = Field(
        description="Of the stored values: window, full range, lookup table, palette or colour."
    )
    negative: bool = Field(description="Whether it was read in the negative of that rendering.")
    outcome: Literal["removed", "kept", "held"]
    rule: str | None = Field(description="By which it is removed; null where it is not.")
    reason: str = Field(description="The rule and its gate, in words.")
    uncertain: bool = Field(description="Whether it lies in the band between the gates.")


class OcrRegion(OcrBox):
    """A region that would be filled, with its margin."""

    rule: str
    confidence: float


class OcrAnswer(_Answer):
    """`lockgate ocr --json`: it holds text of the pixels, unlike every other answer."""

    profile: str
    profileSha256: str  # noqa: N815
    examined: bool = Field(description="Whether the profile cleans pixels (113101); if not, all of it stays.")
    mode: str = Field(description="How hard the instance is read.")
    modeReason: str = Field(description="What decides on the mode.")  # noqa: N815
    frames: int = Field(description="Of the instance.")
    frame: int | None = Field(description="The one that was read; null: all.")
    sameAs: dict[int, int] = Field(  # noqa: N815
        description="Frames with the same bytes as an earlier one, whose lines hold for them too."
    )
    held: tuple[str, ...] = Field(description="Reason codes for which the instance would be held.")
    lines: tuple[OcrLine, ...]
    boxes: tuple[OcrRegion, ...]
    pictures: tuple[str, ...] = Field(description="Files in the folder of --preview.")
