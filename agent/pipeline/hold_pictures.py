"""What a hold is about, as pictures: the frames in question with their boxes, for whoever has to decide.

They show what was accepted, with the patient's identity in it: only to a person of the site file, and every
showing is recorded. They are drawn in a worker slot, as everything that decodes pixels.
"""

from dataclasses import dataclass, field
from itertools import groupby

from agent.custody.arrivals import instance_keys
from agent.custody.records import HoldRecord
from agent.pipeline.appliance import Appliance
from agent.pipeline.decide import find_hold
from agent.pipeline.people import actor_reference, roles_of
from agent.workers.child import WorkerContext
from exchange.domain.errors import CustodyError
from exchange.domain.source import Source
from exchange.log.events import Event, EventKind, Outcome
from redact.pixels.boxes import BoxRule, TextBox, boxes_at

DRAW = "agent.pipeline.hold_pictures:draw"
MOST_FRAMES = 8  # of one hold; its path names the boxes of more


@dataclass(frozen=True, slots=True)
class DrawTask:
    """One instance and the boxes in question; without boxes its first frames are drawn as they are."""

    source: Source = field(repr=False)
    boxes: tuple[TextBox, ...]


@dataclass(frozen=True, slots=True)
class HoldPicture:
    """A frame as a person looks at it, with the boxes in question outlined and numbered.

    Attributes:
        frame: Its number, from 0.
        png: The picture; it shows PHI.
    """

    frame: int
    png: bytes = field(repr=False)


def pictures_of(appliance: Appliance, hold_id: str, by: str) -> tuple[HoldPicture, ...]:
    """The pictures of a hold, recorded as shown to this person before anything is drawn.

    Args:
        appliance: The running appliance.
        hold_id: The hold, or the start of its id.
        by: Name as given with `--by`; must stand under `people:` in the site file.

    Raises:
        CustodyError: There is no such hold, the person is not known, or it is about no instance that is here.
        HeldError: `undecodable-pixels`, `video`: the instance has no picture.
        InputError: It cannot be read.
        WorkerError: It could not be drawn.
        JournalError: The showing cannot be recorded, so nothing is shown.
    """
    held = find_hold(appliance, hold_id)
    try:
        roles_of(appliance, by)
    except CustodyError:
        _record(appliance, held, by, Outcome.DENIED)
        raise
    source = _source(appliance, held)
    _record(appliance, held, by, Outcome.OK)
    task = DrawTask(source, boxes_at(held.path, BoxRule.UNCERTAIN))
    seconds = appliance.configuration.site.limits.stage_seconds
    found: tuple[HoldPicture, ...] = appliance.pool.submit(DRAW, task, seconds=seconds)
    return found


def draw(task: DrawTask, context: WorkerContext) -> tuple[HoldPicture, ...]:
    """Draw what a hold is about; runs in a worker.

    Raises:
        HeldError: `undecodable-pixels`, `video`.
        InputError: It cannot be read.
    """
    del context
    # Here, because a worker that only indexes needs no OpenCV.
    from redact.pixels.preview import drawn, held_mark, png
    from redact.pixels.view import View

    view = View(task.source)
    if not task.boxes:
        shown = range(min(view.count, MOST_FRAMES))
        return tuple(HoldPicture(frame, png(drawn(view.frame(frame)[0], ()))) for frame in shown)
    pictures: list[HoldPicture] = []
    for frame, boxes in groupby(sorted(task.boxes, key=lambda box: box.frame), key=lambda box: box.frame):
        if len(pictures) == MOST_FRAMES:
            break
        marks = [held_mark((box.x0, box.y0, box.x1, box.y1)) for box in boxes]
        pictures.append(HoldPicture(frame, png(drawn(view.frame(frame)[0], marks))))
    return tuple(pictures)


def _source(appliance: Appliance, held: HoldRecord) -> Source:
    if not held.instance:
        raise CustodyError(
            f"cannot show pictures of hold {held.hold_id}: it is about the study, not about an image",
            "`lockgate holds show` says what it is about",
        )
    known = instance_keys(appliance.custody, (held.instance,)).get(held.instance)
    if known is None or not known.wrapped_key or not appliance.spool.holds(held.instance):
        raise CustodyError(
            f"cannot show pictures of hold {held.hold_id}: retention has erased the instance",
            "ask the PACS for the study",
        )
    return appliance.spool.source(held.instance, known.wrapped_key)


def _record(appliance: Appliance, held: HoldRecord, by: str, outcome: Outcome) -> None:
    obj = {"hold": held.hold_id, "exchange": held.exchange_id, "code": held.code}
    event = Event(EventKind.AUDIT_READ, obj, outcome, actor_reference(appliance, by))
    appliance.log.append(event)
