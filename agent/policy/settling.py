"""When a study counts as having arrived: what is known of it, weighed; nothing is looked up here.

A quiet timer alone is evidence of quiet, never of completeness. What is known to be missing is waited for, up
to the route's `longest_seconds` after the last arrival; what is known to be whole need not wait for quiet.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

GRACE = timedelta(seconds=2)
"""Quiet that is waited for when every instance that somebody names is here: senders have stragglers."""

IDLE_ASSOCIATION = timedelta(seconds=30)
"""How long, after quiet, a sender's open association is taken for more to come: some never close theirs."""

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(seconds=60)


class Outcome(StrEnum):
    """How an archive answered."""

    COUNTED = "counted"
    NOT_FOUND = "not-found"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"


class Rule(StrEnum):
    """By what a study settled."""

    QUIET = "quiet-timer"
    COUNT = "expected-count"
    REFERENCES = "reference-list"
    LONGEST = "longest-wait"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the routes that a study may still take ask for.

    Attributes:
        quiet: Without a new instance.
        longest: After the last arrival, for instances that are known to be missing.
        queries: Peers that are asked how many instances the study has.
    """

    quiet: timedelta
    longest: timedelta
    queries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What an archive answered.

    Attributes:
        count: Instances, of a `counted` one.
        at: When.
        asks: How often it was asked in a row about a study that stayed as it was.
    """

    peer: str
    outcome: Outcome
    count: int
    at: datetime
    asks: int = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of an open study.

    Attributes:
        received: Different SOP instances of it, those of its earlier exchanges included.
        named: Instances that IAN and MPPS name; None when there is neither.
        missing: Of these, how many have not come.
        step_open: A procedure step is said to be in progress.
        fresh: It brings an instance that had not come before; else it is a re-send.
        sender_connected: Its sender has an association open.
        replies: Of archives.
    """

    last_arrival_at: datetime
    received: int
    named: int | None = None
    missing: int = 0
    step_open: bool = False
    fresh: bool = True
    sender_connected: bool = False
    replies: tuple[Reply, ...] = ()

    @property
    def counted(self) -> tuple[int, ...]:
        """What archives have counted."""
        return tuple(one.count for one in self.replies if one.outcome is Outcome.COUNTED)

    @property
    def expected(self) -> int | None:
        """The largest number that anybody names; None when nobody does."""
        named = () if self.named is None else (self.named,)
        return max((*named, *self.counted), default=None)

    @property
    def lacking(self) -> int:
        """How many instances are known to be missing."""
        return max((self.missing, *(count - self.received for count in self.counted), 0))

    @property
    def conflicting(self) -> bool:
        """One source says that something is missing, another that nothing is."""
        says = {count > self.received for count in self.counted}
        if self.named is not None:
            says.add(self.missing > 0)
        return len(says) > 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with an open study now.

    Attributes:
        rule: It has arrived, by this rule; None while it has not.
        ask: Peers to ask first.
        look_at: When to weigh again, when nothing happens before.
    """

    rule: Rule | None = None
    ask: tuple[str, ...] = ()
    look_at: datetime | None = None


def weigh(terms: Terms, seen: Seen, now: datetime) -> Verdict:
    """Whether a study has arrived.

    Args:
        terms: Of its routes.
        seen: What is known of it.
        now: The time of it.
    """
    first_look = looked_at_first(terms, seen)
    if now < first_look:
        return Verdict(look_at=first_look)
    give_up = seen.last_arrival_at + max(terms.quiet, terms.longest)
    ask = tuple(peer for peer in terms.queries if _ask_at(seen, peer) <= now)
    answered = {one.peer for one in seen.replies}
    if ask and (now < give_up or not answered.issuperset(terms.queries)):
        return Verdict(ask=ask)
    if seen.lacking or seen.step_open:
        again = [at for at in (_ask_at(seen, peer) for peer in terms.queries) if at > now]
        return Verdict(look_at=min([give_up, *again])) if now < give_up else Verdict(Rule.LONGEST)
    idle = seen.last_arrival_at + min(terms.quiet + IDLE_ASSOCIATION, max(terms.quiet, terms.longest))
    if seen.sender_connected and now < idle and not _whole(seen):
        return Verdict(look_at=idle)
    return Verdict(_rule(seen))


def looked_at_first(terms: Terms, seen: Seen) -> datetime:
    """Before this nothing is decided: after quiet, or sooner when all that anybody names is here."""
    early = _whole(seen) and seen.fresh
    return seen.last_arrival_at + (min(GRACE, terms.quiet) if early else terms.quiet)


def _whole(seen: Seen) -> bool:
    return seen.expected is not None and not seen.lacking and not seen.step_open


def _rule(seen: Seen) -> Rule:
    if seen.counted:
        return Rule.COUNT
    return Rule.QUIET if seen.named is None else Rule.REFERENCES


def _ask_at(seen: Seen, peer: str) -> datetime:
    """When a peer is to be asked (again): after each change of the study, and while it names more."""
    reply = next((one for one in seen.replies if one.peer == peer), None)
    if reply is None or reply.at < seen.last_arrival_at:
        return seen.last_arrival_at
    if reply.outcome is Outcome.COUNTED and reply.count > seen.received:
        pause: timedelta = min(FIRST_PAUSE * int(2 ** min(reply.asks - 1, 8)), LONGEST_PAUSE)
        return reply.at + pause
    return datetime.max.replace(tzinfo=UTC)
