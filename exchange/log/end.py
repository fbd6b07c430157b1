"""A look at the end of a log, beside its writer: what `doctor` says of it, in O(log n)."""

from dataclasses import dataclass
from datetime import datetime

from exchange.domain.errors import LogError
from exchange.keys.log import LogKeys
from exchange.log.heads import read_last_head
from exchange.log.leaves import parse
from exchange.log.merkle import root_of
from exchange.log.opening import LogPlaces, Lost, check_edge, check_extension, generation_of, read_checkpoint
from exchange.log.tiles import Tiles


@dataclass(frozen=True, slots=True)
class LogEnd:
    """What the end of a log says.

    Attributes:
        generation: The newest.
        leaves: How many its checkpoint covers.
        last_time: Of the last leaf; None when there is none.
        problem: What is wrong, "" when nothing is.
    """

    generation: int = 0
    leaves: int = 0
    last_time: datetime | None = None
    problem: str = ""


def look_at_end(places: LogPlaces, keys: LogKeys) -> LogEnd:
    """Checkpoint, root, the last leaves and the last head of the second store; nothing where there is no log.

    Raises:
        LogError: A file is there and cannot be read.
    """
    try:
        remembered = read_last_head(places.heads)
    except OSError as error:
        raise LogError(f"cannot read the log's heads {places.heads}: {error.strerror}") from error
    newest = max(places.generations, default=0)
    mine = generation_of(remembered.origin, keys) if remembered is not None else 0
    if not newest:
        return LogEnd(problem="the log is gone, and its heads are not" if mine else "")
    folder = places.generation(newest)
    signed = read_checkpoint(folder, keys, keys.origin(newest))
    if signed is None:
        return LogEnd(newest, problem="its checkpoint is missing, or is not signed by this site's log keys")
    tiles = Tiles(folder)
    try:
        if root_of(tiles.node, signed.size) != signed.root:
            return LogEnd(newest, signed.size, problem="its hashes do not lead to the root that was signed")
        check_edge(tiles, signed.size)
        heads = sorted((signed, remembered), key=lambda head: head.size) if remembered else []
        if mine > newest or (mine == newest and not check_extension(tiles, *heads)):
            return LogEnd(newest, signed.size, problem="it does not continue what was signed last")
        last = parse(next(iter(tiles.leaves(signed.size - 1, signed.size)))[1]) if signed.size else None
    except (Lost, LogError) as error:
        return LogEnd(newest, signed.size, problem=f"its end is damaged ({error})")
    return LogEnd(newest, signed.size, datetime.fromisoformat(last.t) if last else None)
