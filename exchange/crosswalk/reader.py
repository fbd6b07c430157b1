"""The one reader of the crosswalk: each opening is recorded in the log before it is answered."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self

from exchange.crosswalk.rows import Dates, PatientEntry, RowKind, SealedRow, StudyEntry, UidEntry
from exchange.crosswalk.store import CrosswalkFile
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import Role
from exchange.log.events import Event, EventKind, Outcome
from exchange.log.writer import Log

ALLOWED_ROLES: Final = frozenset({Role.PRIVACY})


@dataclass(frozen=True, slots=True)
class Opening:
    """Who wants to know, and why.

    Attributes:
        domain: The pseudonym domain.
        actor: Keyed reference of the person (`hmac-sha256:…`), never the name.
        role: With which role.
        reason: A code such as `incidental-finding`, lower-case words joined by hyphens.
        pseudonym: What to resolve.
        account: Keyed reference of the local account that asks, where there is one.
        people: Who that is, in words: for the log's erasable part.
    """

    domain: str
    actor: str
    role: Role
    reason: str
    pseudonym: str = field(repr=False)
    account: str = ""
    people: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def obj(self) -> dict[str, str | int]:
        """What the log says of it; never the pseudonym."""
        said: dict[str, str | int] = {
            "domain": self.domain,
            "role": self.role.value,
            "reason": self.reason,
        }
        return {**said, "account": self.account} if self.account else said


@dataclass(frozen=True, slots=True)
class RouteOpening:
    """What a route asks of a study that has come back: every pseudonym that stands in it.

    Its authority is the site file, in which an administrator has written the domain beside the route.

    Attributes:
        domain: The pseudonym domain.
        route: The route's name.
        exchange: Id of the exchange.
        patients: What may be PatientIDs.
        uids: What may be UIDs.
        studies: Those of the UIDs that are StudyInstanceUIDs.
    """

    domain: str
    route: str
    exchange: str
    patients: frozenset[str] = field(repr=False)
    uids: frozenset[str] = field(repr=False)
    studies: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class Opened:
    """What was found; what is missing is unknown in the domain.

    Attributes:
        patients, uids: By pseudonym.
        studies: What became of StudyDate, by pseudonyms of the study and of the patient whose study it is;
            empty for a study that an older version pseudonymised.
    """

    patients: Mapping[str, PatientEntry] = field(default_factory=dict, repr=False)
    uids: Mapping[str, UidEntry] = field(default_factory=dict, repr=False)
    studies: Mapping[tuple[str, str], frozenset[Dates]] = field(default_factory=dict, repr=False)


class Reader:
    """Answers openings; there is no other way from a pseudonym back to an original."""

    def __init__(self, file: CrosswalkFile, log: Log, roles: Collection[Role]) -> None:
        """Use `Reader.open`."""
        self._file = file
        self._log = log
        self._roles = frozenset(roles)

    @classmethod
    def open(cls, path: Path, key: bytes, log: Log, roles: Collection[Role] = ALLOWED_ROLES) -> Self:
        """Open an existing crosswalk for reading.

        Args:
            path: Of the crosswalk.
            key: Its 32 bytes.
            log: Where each opening is recorded first.
            roles: Those that may open.

        Raises:
            KeysError: Not its key; the log has `crosswalk.denied`.
            CustodyError: The file is missing or cannot be used; likewise.
            LogError: Nothing can be recorded, so nothing is opened.
        """
        if not path.is_file():
            log.append(Event(EventKind.CROSSWALK_DENIED, {"code": "no-file"}, Outcome.DENIED))
            raise CustodyError(
                f"cannot open the crosswalk {path}: there is none", "correct `keys:` or `state:`"
            )
        try:
            return cls(CrosswalkFile(path, key), log, roles)
        except Exception:
            log.append(Event(EventKind.CROSSWALK_DENIED, {"code": "unusable"}, Outcome.DENIED))
            raise

    def patient(self, opening: Opening) -> PatientEntry:
        """Resolve a patient's pseudonym.

        Raises:
            CustodyError: The role may not, the reason is no code, or the pseudonym is unknown here.
            LogError: The opening could not be recorded; nothing is answered.
        """
        entry = self._resolve(opening, RowKind.PATIENT)
        assert isinstance(entry, PatientEntry)  # noqa: S101 - the blind index is of this kind
        return entry

    def uid(self, opening: Opening) -> UidEntry:
        """Resolve a replaced UID.

        Raises:
            CustodyError: As `patient`.
            LogError: As `patient`.
        """
        entry = self._resolve(opening, RowKind.UID)
        assert isinstance(entry, UidEntry)  # noqa: S101 - the blind index is of this kind
        return entry

    def for_route(self, opening: RouteOpening) -> Opened:
        """Resolve everything that stands in a study that has come back, in one opening.

        The log has one entry, with counts and no pseudonym, before anything is opened; where nothing of
        it is known here, the entry says that nothing was opened.

        Raises:
            CustodyError: The file refuses, or a row was changed.
            LogError: The opening could not be recorded; nothing is answered.
        """
        patients, uids = self._rows(opening, RowKind.PATIENT), self._rows(opening, RowKind.UID)
        obj: dict[str, str | int] = {
            "domain": opening.domain,
            "route": opening.route,
            "exchange": opening.exchange,
            "asked": len(opening.patients | opening.uids),
            "patients": len(patients),
            "uids": len(uids),
        }
        if not patients and not uids:
            obj["code"] = "unknown"
            self._log.append(Event(EventKind.CROSSWALK_DENIED, obj, Outcome.DENIED))
            return Opened()
        self._log.append(Event(EventKind.CROSSWALK_OPEN, obj))
        opened = {name: self._file.sealer.open(row) for name, row in {**patients, **uids}.items()}
        return Opened(
            {name: one for name, one in opened.items() if isinstance(one, PatientEntry)},
            {name: one for name, one in opened.items() if isinstance(one, UidEntry)},
            self._studies(opening, patients),
        )

    def _rows(self, opening: RouteOpening, kind: RowKind) -> dict[str, SealedRow]:
        asked = opening.patients if kind is RowKind.PATIENT else opening.uids
        indexes = {
            self._file.sealer.index(opening.domain, kind, "pseudonym", name): name for name in sorted(asked)
        }
        return {indexes[index]: row for index, row in self._file.find_all(indexes).items()}

    def _studies(
        self, opening: RouteOpening, patients: Collection[str]
    ) -> dict[tuple[str, str], frozenset[Dates]]:
        links = [StudyEntry(*one) for one in product(sorted(opening.studies), sorted(patients), Dates)]
        indexes = {self._file.sealer.pseudonym_index(opening.domain, one): one for one in links}
        found: dict[tuple[str, str], frozenset[Dates]] = {}
        for row in self._file.find_all(indexes).values():
            one = self._file.sealer.open(row)
            assert isinstance(one, StudyEntry)  # noqa: S101 - the blind index is of this kind
            key = one.pseudonym, one.patient
            found[key] = found.get(key, frozenset()) | {one.dates}
        return found

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _resolve(self, opening: Opening, kind: RowKind) -> PatientEntry | UidEntry:
        if opening.role not in self._roles:
            self._deny(opening, kind, "role", "this role may not open it; ask who has the role `privacy`")
        if not opening.reason or not opening.actor:
            self._deny(opening, kind, "no-reason", "an opening needs a person and a reason code")
        index = self._file.sealer.index(opening.domain, kind, "pseudonym", opening.pseudonym)
        row = self._file.find("by_pseudonym", index)
        if row is None:
            self._deny(opening, kind, "unknown", "nothing in this domain has that pseudonym")
        # Recorded, durably, before anything is decrypted.
        self._record(EventKind.CROSSWALK_OPEN, opening, {"kind": kind.value, "row": index.hex()[:32]})
        entry = self._file.sealer.open(row)
        assert not isinstance(entry, StudyEntry)  # noqa: S101 - the blind index is of another kind
        return entry

    def _deny(self, opening: Opening, kind: RowKind, code: str, why: str) -> NoReturn:
        self._record(EventKind.CROSSWALK_DENIED, opening, {"kind": kind.value, "code": code})
        raise CustodyError(f"cannot open the crosswalk: {why}")

    def _record(self, kind: EventKind, opening: Opening, more: dict[str, str | int]) -> None:
        outcome = Outcome.OK if kind is EventKind.CROSSWALK_OPEN else Outcome.DENIED
        self._log.append(Event(kind, {**opening.obj, **more}, outcome, opening.actor, opening.people))
