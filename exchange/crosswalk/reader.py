"""The one reader of the crosswalk: each opening is recorded in the journal before it is answered."""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self

from exchange.crosswalk.rows import PatientEntry, RowKind, UidEntry
from exchange.crosswalk.store import CrosswalkFile
from exchange.domain.errors import CustodyError
from exchange.domain.exchange import Role
from exchange.journal.events import Event, EventKind, Outcome
from exchange.journal.writer import Journal

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
    """

    domain: str
    actor: str
    role: Role
    reason: str
    pseudonym: str = field(repr=False)
    account: str = ""

    @property
    def obj(self) -> dict[str, str | int]:
        """What the journal says of it; never the pseudonym."""
        said: dict[str, str | int] = {
            "domain": self.domain,
            "role": self.role.value,
            "reason": self.reason,
        }
        return {**said, "account": self.account} if self.account else said


class Reader:
    """Answers openings; there is no other way from a pseudonym back to an original."""

    def __init__(self, file: CrosswalkFile, journal: Journal, roles: Collection[Role]) -> None:
        """Use `Reader.open`."""
        self._file = file
        self._journal = journal
        self._roles = frozenset(roles)

    @classmethod
    def open(cls, path: Path, key: bytes, journal: Journal, roles: Collection[Role] = ALLOWED_ROLES) -> Self:
        """Open an existing crosswalk for reading.

        Args:
            path: Of the crosswalk.
            key: Its 32 bytes.
            journal: Where each opening is recorded first.
            roles: Those that may open.

        Raises:
            KeysError: Not its key; the journal has `crosswalk.denied`.
            CustodyError: The file is missing or cannot be used; likewise.
            JournalError: Nothing can be recorded, so nothing is opened.
        """
        if not path.is_file():
            journal.append(Event(EventKind.CROSSWALK_DENIED, {"code": "no-file"}, Outcome.DENIED))
            raise CustodyError(
                f"cannot open the crosswalk {path}: there is none", "correct `keys:` or `state:`"
            )
        try:
            return cls(CrosswalkFile(path, key), journal, roles)
        except Exception:
            journal.append(Event(EventKind.CROSSWALK_DENIED, {"code": "unusable"}, Outcome.DENIED))
            raise

    def patient(self, opening: Opening) -> PatientEntry:
        """Resolve a patient's pseudonym.

        Raises:
            CustodyError: The role may not, the reason is no code, or the pseudonym is unknown here.
            JournalError: The opening could not be recorded; nothing is answered.
        """
        entry = self._resolve(opening, RowKind.PATIENT)
        assert isinstance(entry, PatientEntry)  # noqa: S101 - the blind index is of this kind
        return entry

    def uid(self, opening: Opening) -> UidEntry:
        """Resolve a replaced UID.

        Raises:
            CustodyError: As `patient`.
            JournalError: As `patient`.
        """
        entry = self._resolve(opening, RowKind.UID)
        assert isinstance(entry, UidEntry)  # noqa: S101 - the blind index is of this kind
        return entry

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
        return self._file.sealer.open(row)

    def _deny(self, opening: Opening, kind: RowKind, code: str, why: str) -> NoReturn:
        self._record(EventKind.CROSSWALK_DENIED, opening, {"kind": kind.value, "code": code})
        raise CustodyError(f"cannot open the crosswalk: {why}")

    def _record(self, kind: EventKind, opening: Opening, more: dict[str, str | int]) -> None:
        outcome = Outcome.OK if kind is EventKind.CROSSWALK_OPEN else Outcome.DENIED
        self._journal.append(Event(kind, {**opening.obj, **more}, outcome, opening.actor))
