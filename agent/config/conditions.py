"""Conditions on an object, as a file writes them (`when:`): of a profile's rules and modes, of spot checks.

The dictionary of DICOM is imported where a condition is read: 0.2 s that not every verb needs.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, Strict, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from agent.config.problems import Words, nearest
from agent.config.source import Path
from agent.config.types import Pattern, refuse

if TYPE_CHECKING:
    from redact.headers.conditions import Condition

_OF_A_PATIENT = frozenset({"PatientID", "OtherPatientIDs", "AccessionNumber"})
_DATES = frozenset({"DA", "DT", "TM"})


def unknown_keyword(keyword: str) -> Words:
    """What to say of a keyword that PS3.6 has not."""
    from pydicom._dicom_dict import DicomDictionary

    near = nearest(keyword, [entry[4] for entry in DicomDictionary.values() if entry[4]])
    hint = f"did you mean {near}?" if near else "give it as in PS3.6, or the tag: (gggg,eeee)"
    return f"no attribute has the keyword {keyword!r}", hint


def _unasked(keyword: str) -> Words | None:
    """Why no condition may ask this attribute; None where it may."""
    from pydicom.datadict import tag_for_keyword

    from redact.headers.elements import ASCII_VRS, TEXT_VRS
    from redact.headers.selectors import vr_by_dictionary

    tag = tag_for_keyword(keyword) if keyword else None
    if tag is None:
        return unknown_keyword(keyword)
    if keyword in _OF_A_PATIENT or vr_by_dictionary(tag) == "PN":
        return f"a rule may not depend on who the patient is: {keyword}", "ask of what kind the object is"
    if vr_by_dictionary(tag) not in (TEXT_VRS | ASCII_VRS) - _DATES:
        return f"{keyword} has the VR {vr_by_dictionary(tag)}, which no condition asks", "ask texts and codes"
    return None


def listed(value: object) -> object:
    """What may be written as one value or as several."""
    return value if isinstance(value, list | tuple) else [value]


class AttributeTest(BaseModel):
    """What is asked of one attribute: one value, several of which one must fit, or one of the keys.

    Case and padding do not count; of an attribute with several values one that fits is enough.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    one_of: tuple[Annotated[str, Strict(), Field(min_length=1)], ...] | None = Field(
        None, alias="in", min_length=1, description="One of these values."
    )
    matches: Pattern | None = Field(None, description="Regular expression for some part of the value.")
    present: Annotated[bool, Strict()] | None = Field(None, description="Whether there is a value at all.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"in": listed(value)} if isinstance(value, str | list) else value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(one is not None for one in (self.one_of, self.matches, self.present)) != 1:
            raise refuse("a test has exactly one of in, matches, present", "join several by all: or any:")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The three ways of writing it."""
        text = {"type": "string", "minLength": 1}
        return {"anyOf": [text, {"type": "array", "items": text, "minItems": 1}, handler(schema)]}

    def condition(self, tag: int) -> "Condition":
        """What it asks of the attribute of this tag."""
        from redact.headers.conditions import IsIn, IsPresent, Matches, Negation, folded

        if self.one_of is not None:
            return IsIn(tag, frozenset(map(folded, self.one_of)))
        if self.matches is not None:
            return Matches(tag, self.matches)
        return IsPresent(tag) if self.present else Negation(IsPresent(tag))


class When(BaseModel):
    """A condition on the object, before it is cleaned: keywords with what is asked of them; all must hold."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, AttributeTest] = Field(init=False)

    all: "tuple[When, ...] | None" = Field(None, min_length=1, description="All of these hold.")
    any: "tuple[When, ...] | None" = Field(None, min_length=1, description="One of these holds.")
    negated: "When | None" = Field(None, alias="not", description="This does not hold.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.__pydantic_extra__ or self.all or self.any or self.negated):
            raise refuse("the condition is empty", "leave when: out, or write e.g. Modality: CT")
        return self

    def unknown(self, path: Path) -> Iterator[tuple[Path, Words]]:
        """Keywords that cannot be asked, each with its path in the file and what is wrong with it."""
        for keyword in self.__pydantic_extra__:
            wrong = _unasked(keyword)
            if wrong is not None:
                yield (*path, keyword), wrong
        for name, parts in (("all", self.all), ("any", self.any)):
            for number, part in enumerate(parts or ()):
                yield from part.unknown((*path, name, number))
        if self.negated is not None:
            yield from self.negated.unknown((*path, "not"))

    def condition(self) -> "Condition":
        """What it says; its keywords are known."""
        from pydicom.datadict import tag_for_keyword

        from redact.headers.conditions import Every, Negation, Some

        parts = [
            test.condition(int(tag_for_keyword(keyword) or 0))
            for keyword, test in self.__pydantic_extra__.items()
        ]
        parts += [part.condition() for part in self.all or ()]
        if self.any:
            parts.append(Some(tuple(part.condition() for part in self.any)))
        if self.negated is not None:
            parts.append(Negation(self.negated.condition()))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))
