"""C-FIND: how many instances of a study a peer holds, and which (PS3.4 C, Study Root).

Asked level by level, as every SCP must support it (PS3.4 C.4.1.2.1): the study's own count; where the peer
keeps none (it is optional, PS3.4 C.3.4), the counts of its series; where it keeps none of these either, the
instances themselves. Bounded in time, in the number of responses, and in the size of a PDU.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from pydicom.dataset import Dataset

from exchange.archive.session import FindSession
from exchange.dicomio.getters import integer, uid
from exchange.dicomio.quiet import quiet
from exchange.dimse.peer import DicomPeer
from exchange.domain.errors import PeerRefused
from exchange.domain.uid import is_uid

MOST_SERIES = 5_000
MOST_INSTANCES = 200_000
_STUDY_COUNT, _SERIES_COUNT = "NumberOfStudyRelatedInstances", "NumberOfSeriesRelatedInstances"


@dataclass(frozen=True, slots=True)
class Holding:
    """What a peer says that it holds of a study.

    Attributes:
        found: It knows the study.
        count: Instances of it; 0 when it does not know it.
        sop_instance_uids: Which ones; only when they were asked for, or had to be counted.
    """

    found: bool
    count: int
    sop_instance_uids: frozenset[str] = field(default=frozenset(), repr=False)


def find_study(
    peer: DicomPeer, study_instance_uid: str, *, named: bool = False, seconds: float = 20.0
) -> Holding:
    """Ask a peer how many instances of a study it holds.

    Args:
        peer: Whom to ask.
        study_instance_uid: The study.
        named: Ask for the instances' UIDs, too, so that what is missing can be named.
        seconds: For the whole question, connecting included.

    Returns:
        Its answer. A peer that does not know the study is an answer, too.

    Raises:
        PeerUnavailable: It cannot be reached, falls silent, or has no resources now.
        PeerRefused: It answers no, nonsense, or more than anybody could mean.
        ConfigurationError: An AE title is malformed.
    """
    if not is_uid(study_instance_uid):
        raise PeerRefused("cannot ask for the study: its StudyInstanceUID is no UID")
    with FindSession(peer, time.monotonic() + seconds) as session:
        return _Question(session, study_instance_uid).ask(named=named)


class _Question:
    def __init__(self, session: FindSession, study_instance_uid: str) -> None:
        self._session = session
        self._study = study_instance_uid

    def ask(self, *, named: bool) -> Holding:
        studies = self._find("STUDY", {"StudyInstanceUID": self._study, _STUDY_COUNT: ""}, MOST_SERIES)
        if not studies:
            return Holding(found=False, count=0)
        count = max(one.number(_STUDY_COUNT) for one in studies)
        if count >= 0 and not named:
            return Holding(found=True, count=count)
        return self._by_series(named=named)

    def _by_series(self, *, named: bool) -> Holding:
        asked = {"StudyInstanceUID": self._study, "SeriesInstanceUID": "", _SERIES_COUNT: ""}
        series = {one.series: one for one in self._find("SERIES", asked, MOST_SERIES) if is_uid(one.series)}
        counts = [one.number(_SERIES_COUNT) for one in series.values()]
        if not named and counts and min(counts) >= 0:
            return Holding(found=True, count=sum(counts))
        uids: set[str] = set()
        for name in series:
            asked = {"StudyInstanceUID": self._study, "SeriesInstanceUID": name, "SOPInstanceUID": ""}
            found = self._find("IMAGE", asked, MOST_INSTANCES - len(uids))
            uids.update(one.instance for one in found if is_uid(one.instance))
        return Holding(found=True, count=len(uids), sop_instance_uids=frozenset(uids))

    def _find(self, level: str, keys: Mapping[str, str], most: int) -> "list[_Match]":
        """The matches; those of another study are passed over: some SCPs ignore keys that they should not."""
        identifier = Dataset()
        identifier.QueryRetrieveLevel = level
        for keyword, value in keys.items():
            setattr(identifier, keyword, value)
        matches = [_Match.of(one) for one in self._session.find(identifier, most)]
        return [one for one in matches if one.study in ("", self._study)]


@dataclass(frozen=True, slots=True)
class _Match:
    """Of one response, what was asked for; kept instead of the whole data set."""

    study: str
    series: str
    instance: str
    counts: Mapping[str, int]

    @classmethod
    def of(cls, found: Dataset) -> Self:
        with quiet():
            return cls(
                uid(found, "StudyInstanceUID"),
                uid(found, "SeriesInstanceUID"),
                uid(found, "SOPInstanceUID"),
                {keyword: integer(found, keyword, -1) for keyword in (_STUDY_COUNT, _SERIES_COUNT)},
            )

    def number(self, keyword: str) -> int:
        """A count, -1 where the peer gave none that is one."""
        return max(self.counts[keyword], -1)
