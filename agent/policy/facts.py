"""What a route may ask about: how a study came, and what is in it."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """Known at once, of each arrival.

    Attributes:
        called_ae: The virtual AE title that was called.
        calling_ae: What the caller called itself.
        peer: Name of the configured peer that the caller is; "" when none.
    """

    called_ae: str
    calling_ae: str
    peer: str = ""


@dataclass(frozen=True, slots=True)
class ContentFacts:
    """Known when the study has settled. Values are PHI: the repr shows none of them.

    Attributes:
        modalities: Modality of every series.
        body_parts: BodyPartExamined of every series that has one.
        study_descriptions: StudyDescription; several when instances disagree.
        referring: ReferringPhysicianName; several when instances disagree.
    """

    modalities: frozenset[str] = frozenset()
    body_parts: frozenset[str] = frozenset()
    study_descriptions: frozenset[str] = field(default_factory=frozenset, repr=False)
    referring: frozenset[str] = field(default_factory=frozenset, repr=False)

    @classmethod
    def of(cls, headers: Iterable["HeaderFacts"]) -> "ContentFacts":
        """The facts of a study from those of its instances, in any order; empty values do not count."""
        listed = list(headers)
        return cls(
            modalities=frozenset(one.modality for one in listed if one.modality),
            body_parts=frozenset(one.body_part for one in listed if one.body_part),
            study_descriptions=frozenset(one.study_description for one in listed if one.study_description),
            referring=frozenset(one.referring for one in listed if one.referring),
        )


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What one header says of Modality, BodyPartExamined, StudyDescription and ReferringPhysicianName."""

    modality: str = ""
    body_part: str = ""
    study_description: str = field(default="", repr=False)
    referring: str = field(default="", repr=False)
