"""A de-identification profile's file: its shape, and what each value must be."""

import re
from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator
from pydicom.datadict import tag_for_keyword

from agent.config.conditions import When, listed, unknown_keyword
from agent.config.types import Name, Text, refuse
from exchange.domain.errors import ConfigurationError
from redact.headers.pointing import keyword_selector, path_selector, tag_selector
from redact.headers.profile import Documents, Option
from redact.headers.selectors import PrivateSelector, Selector, VrSelector
from redact.headers.site_rules import RuleAction, SiteRule
from redact.pixels.rules import Fill, Marker, ModeRule, TextMode, UncertainText

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SELECTORS = ("keyword", "tag", "vr", "path", "private")
_VRS = (
    "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "OB", "OD", "OF", "OL", "OV",
    "OW", "PN", "SH", "SL", "SQ", "SS", "ST", "SV", "TM", "UC", "UI", "UL", "UN", "UR", "US", "UT", "UV",
)  # fmt: skip


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _said(read: Callable[[str], Selector]) -> Callable[[str], str]:
    """A validator that refuses with the words of the one who reads."""

    def check(value: str) -> str:
        try:
            read(value)
        except ConfigurationError as error:
            raise refuse(error.message, error.hint) from None
        return value

    return check


def _keyword(value: str) -> str:
    if not value or tag_for_keyword(value) is None:
        raise refuse(*unknown_keyword(value))
    return value


def _code(value: object) -> object:
    # CID 7050 codes look like numbers; unquoted they are read as such, and mean the same.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _digest(value: str) -> str:
    if not _SHA256.fullmatch(value):
        raise refuse("this is no SHA-256", "write 64 hex digits in lower case, as sha256sum prints them")
    return value


def _vr(value: str) -> str:
    if value not in _VRS:
        raise refuse(f"{value!r} is no VR", "give two capital letters as in PS3.5 6.2, e.g. DA")
    return value


OptionCode = Annotated[Option, BeforeValidator(_code)]
Vr = Annotated[str, Strict(), AfterValidator(_vr), Field(json_schema_extra={"enum": list(_VRS)})]


class Private(_Part):
    """Private elements by the creator of their block (PS3.5 7.8.1)."""

    creator: Annotated[str, Strict(), Field(min_length=1, max_length=64)] = Field(
        description="The private creator's value, as it stands in the files."
    )
    group: Annotated[int, Strict(), Field(ge=0x0009, le=0xFFFF)] | None = Field(
        None, description="Odd group, e.g. 0x0029; any if left out."
    )
    element: Annotated[int, Strict(), Field(ge=0, le=0xFF)] | None = Field(
        None, description="Low byte of the element number, e.g. 0x10; all of the creator's if left out."
    )
    vr: Vr | None = Field(None, description="What it holds where the file does not say (implicit VR).")

    @model_validator(mode="after")
    def _odd(self) -> Self:
        if self.group is not None and not self.group & 1:
            raise refuse(f"group 0x{self.group:04X} is even, hence not private", "private groups are odd")
        return self


class RuleEntry(_Part):
    """One rule: exactly one of keyword, tag, vr, path, private says what; action says what happens to it."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [name]} for name in _SELECTORS]})

    keyword: Annotated[str, Strict(), AfterValidator(_keyword)] | None = Field(
        None, description="Of PS3.6, wherever the element stands, e.g. StudyDescription."
    )
    tag: Annotated[str, Strict(), AfterValidator(_said(tag_selector))] | None = Field(
        None, description="(gggg,eeee) in hexadecimal, x for any digit, wherever the element stands."
    )
    vr: Annotated[tuple[Vr, ...], BeforeValidator(listed), Field(min_length=1)] | None = Field(
        None,
        description="One VR or several: all public elements of it.",
        json_schema_extra={"anyOf": [{"enum": list(_VRS)}, {"type": "array", "items": {"enum": list(_VRS)}}]},
    )
    path: Annotated[str, Strict(), AfterValidator(_said(path_selector))] | None = Field(
        None, description="From the root, e.g. RequestAttributesSequence.*.CodeMeaning or **.CodeMeaning."
    )
    private: Private | None = None
    action: RuleAction
    value: Text | None = Field(None, description="New value, for replace.")
    when: When | None = Field(None, description="The rule holds for such objects only.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in _SELECTORS if getattr(self, name) is not None]
        if len(given) != 1:
            raise refuse(
                f"a rule has exactly one of {', '.join(_SELECTORS)}; here: {', '.join(given) or 'none'}",
                "leave one; conditions on the object go into when:",
            )
        return self

    def selector(self) -> Selector:
        """What it points at."""
        if self.keyword is not None:
            return keyword_selector(self.keyword)
        if self.tag is not None:
            return tag_selector(self.tag)
        if self.path is not None:
            return path_selector(self.path)
        if self.private is not None:
            private = self.private
            return PrivateSelector(private.creator, private.group, private.element, private.vr or "")
        return VrSelector(frozenset(self.vr or ()))

    def site_rule(self, number: int, line: int) -> SiteRule:
        """The rule, at its place in the file."""
        when = self.when.condition() if self.when else None
        return SiteRule(self.selector(), self.action, self.value or "", when, number, line)


class Names(_Part):
    """A recogniser that takes names from free text which the vocabulary lets stay; off where absent."""

    recogniser: Annotated[str, Strict(), Field(min_length=1)] = Field(
        description="Of those that are installed: an entry point of the group lockgate.names, or our own"
        " token-classification."
    )
    threshold: Annotated[float, Strict(), Field(gt=0, le=1)] = Field(
        0.5, description="What it is less confident of stays."
    )
    model: Annotated[str, Strict(), Field(min_length=1)] | None = Field(
        None, description="Folder of its model; a relative one starts at the profile's folder."
    )
    sha256: Annotated[str, Strict(), AfterValidator(_digest)] | None = Field(
        None,
        description="Pins what decides its answers; of token-classification the digest of its SHA256SUMS.",
        json_schema_extra={"pattern": "^[0-9a-f]{64}$"},
    )


class PixelMode(_Part):
    """How hard text is looked for in some objects."""

    mode: TextMode = Field(
        description="all-text: every line from the lower gate on goes; strict: what is surely text;"
        " identity-only: nothing but identifiers, and the pixels are not called clean."
    )
    when: When | None = Field(None, description="For such objects only; all if left out.")

    def rule(self, line: int) -> ModeRule:
        """The rule, at its place in the file."""
        return ModeRule(self.mode, self.when.condition() if self.when else None, line)


class Pixels(_Part):
    """What becomes of text in pixels, beyond the identifiers, which always go."""

    uncertain: UncertainText = Field(
        UncertainText.HOLD,
        description="Lines in strict mode that may be text or anatomy: held for a person, removed, or kept.",
    )
    markers: tuple[Marker, ...] = Field(
        (), description="Kinds of lines that stay, where the whole line is one and no identifier matches it."
    )
    modes: tuple[PixelMode, ...] = Field(
        (),
        description="The first whose when: holds decides; without one modality, class and image type do.",
    )
    fill: Fill = Field(
        Fill.BACKGROUND,
        description="What takes the place of text: the background's value, or what lies around flows in.",
    )


class ProfileFile(_Part):
    """A de-identification profile: the Basic Profile of PS3.15 Annex E, options, and a site's own rules."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {
                    "required": ["identity", "reason"],
                    "properties": {
                        "identity": {"const": "retained"},
                        "reason": {"type": "string", "minLength": 1},
                    },
                },
                {"properties": {"identity": {"const": "removed"}, "reason": {"type": "null"}}},
            ]
        }
    )

    profile: Name = Field(description="Its name; the file has the same.")
    title: Text | None = Field(None, description="What it is for, in one line.")
    identity: Literal["removed", "retained"] = Field(
        "removed",
        description="retained: the study stays its patient's; PatientName, PatientID, IssuerOfPatientID,"
        " PatientBirthDate, PatientSex and AccessionNumber stay as they are, all else is reduced.",
    )
    reason: Text | None = Field(
        None, description="Why identity is retained, without a word about a patient; both receipts say it."
    )
    options: tuple[OptionCode, ...] = Field((), description="Codes of CID 7050 of the options that are on.")
    documents: Documents = Field(
        Documents.HOLD,
        description="Encapsulated PDF and CDA: held for a person, or rebuilt from their cleaned words.",
    )
    names: Names | None = Field(None, description="Looks for names of people in free text; off by default.")
    pixels: Pixels | None = Field(
        None, description="What becomes of text in pixels; with 113101 (Clean Pixel Data)."
    )
    rules: tuple[RuleEntry, ...] = Field(
        (), description="Of several that select an element the most specific counts; ties are an error."
    )
