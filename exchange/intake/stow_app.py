"""The STOW-RS service (PS3.18 10.5): `POST /dicom-web/<called AE>/studies` and `/studies/<study>`.

Statuses: 200 all stored, 202 some, 409 none, 400 no multipart body that can be read to its end, 401 and 403
not let in, 404 no such door, 408 silence, 413 too large, 415 another representation than Part 10 files, 503
too many requests or no space. Whenever a body was read, the answer names every instance and what became of
it, beside whatever status: what is called stored there is durable and stays.

The event loop only passes chunks on; a thread per request reads them, bounded by `StowLimits.requests`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from hashlib import sha256

import anyio
import anyio.to_thread
import structlog
from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive

from exchange.domain.uid import is_uid
from exchange.intake.acceptance import Acceptance, new_arrival_id
from exchange.intake.stow_answer import encode_answer, wanted_type
from exchange.intake.stow_doors import Door
from exchange.intake.stow_multipart import is_boundary, media_type
from exchange.intake.stow_pipe import BodyPipe
from exchange.intake.stow_reception import PART_TYPE, STORED, StowReception, Taken
from exchange.spool.records import ArrivalContext

CERTIFICATE = "client_certificate"
"""Key of the request's state: the verified client certificate in DER, empty when there is none."""
_BUSY_SECONDS = 5
_FULL_SECONDS = 60
_ALLOWED = "OPTIONS, POST"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StowLimits:
    """Bounds on callers.

    Attributes:
        requests: Served at once; further ones are told to come back.
        request_bytes: Of one body.
        idle_seconds: In which a body must bring at least `least_bytes`, else it is cut.
        least_bytes: A client that drips slower than that holds a thread for nothing.
    """

    requests: int = 16
    request_bytes: int = 64 * 1024**3
    idle_seconds: float = 60.0
    least_bytes: int = 1024


class _Ending(Enum):
    WHOLE = "whole"
    GONE = "gone"
    SILENT = "silent"
    TOO_LARGE = "too large"


class StowService:
    """The service behind the doors of one listener."""

    def __init__(self, doors: Mapping[str, Door], acceptance: Acceptance, limits: StowLimits) -> None:
        """Prepare.

        Args:
            doors: By called AE title.
            acceptance: The way into the spool.
            limits: What a caller may cost.
        """
        self._doors = dict(doors)
        self._acceptance = acceptance
        self._limits = limits
        self._threads = CapacityLimiter(limits.requests)
        self._serving = 0

    def app(self) -> Starlette:
        """The ASGI application."""
        studies = "/dicom-web/{called_ae}/studies"
        methods = ["POST", "GET", "HEAD", "OPTIONS", "PUT", "DELETE"]
        app = Starlette(
            routes=[
                Route(studies, self._answer, methods=methods),
                Route(studies + "/{study}", self._answer, methods=methods),
            ],
            exception_handlers={404: _not_found},
        )
        app.router.redirect_slashes = False  # a redirected body is a lost one
        return app

    async def _answer(self, request: Request) -> Response:
        door = self._doors.get(request.path_params["called_ae"])
        if door is None:
            return _words(404, "cannot store: there is no such door; ask for the address")
        refused = await self._admit(request, door)
        if refused is not None:
            _log.warning("stow.refused", status=refused.status_code)
            return refused
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": _ALLOWED, "Accept": "multipart/related"})
        if request.method != "POST":
            words = "cannot do this here: the address takes studies and gives none; POST them"
            return _words(405, words, {"Allow": _ALLOWED})
        return await self._store(request, door)

    async def _admit(self, request: Request, door: Door) -> Response | None:
        """Whether this caller may use the door; looks at a file, so in a thread."""
        authorization = request.headers.get("authorization", "")
        certificate = getattr(request.state, CERTIFICATE, b"")
        # Not under `_threads`: a caller without a token must not have to wait for those who have one.
        denied = await anyio.to_thread.run_sync(door.denial, authorization, certificate)
        if denied is None:
            return None
        headers = {"WWW-Authenticate": "Bearer"} if denied.status == 401 else {}
        return _words(denied.status, denied.words, headers)

    async def _store(self, request: Request, door: Door) -> Response:
        boundary, refused = self._readable(request)
        if refused is None and self._serving >= self._limits.requests:
            refused = _words(503, "cannot store now: too many requests", {"Retry-After": str(_BUSY_SECONDS)})
        if refused is not None:
            _log.warning("stow.refused", status=refused.status_code)
            return refused
        study = request.path_params.get("study", "")
        reception = StowReception(self._acceptance, partial(_context, request, door), study)
        self._serving += 1
        try:
            ending = await self._take(request.receive, reception, boundary)
        finally:
            self._serving -= 1
        return _response(reception.taken, ending, wanted_type(request.headers.get("accept", "")))

    def _readable(self, request: Request) -> tuple[str, Response | None]:
        """The boundary of the body, or why it is not read."""
        kind, parameters = media_type(request.headers.get("content-type", ""))
        root = media_type(parameters.get("type", PART_TYPE))[0]
        if kind != "multipart/related" or root != PART_TYPE:
            words = (
                'cannot store this representation: send multipart/related; type="application/dicom" with a '
                "Part 10 file in each part"
            )
            return "", _words(415, words)
        boundary = parameters.get("boundary", "")
        if not is_boundary(boundary):
            return "", _words(400, "cannot read the request: its Content-Type names no usable boundary")
        if not is_uid(request.path_params.get("study", "1")):
            return "", _words(400, "cannot store: the address names no Study Instance UID")
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._limits.request_bytes:
            return "", _too_large()
        return boundary, None

    async def _take(self, receive: Receive, reception: StowReception, boundary: str) -> _Ending:
        """Pass the body on to a thread that stores it; returns when both are done."""
        pipe = BodyPipe()
        ending = _Ending.GONE

        async def read() -> None:
            await anyio.to_thread.run_sync(reception.run, boundary, pipe, limiter=self._threads)
            tasks.cancel_scope.cancel()  # nobody reads what may still come

        async with anyio.create_task_group() as tasks:
            try:
                tasks.start_soon(read)
                ending = await self._feed(receive, pipe)
            finally:
                pipe.close(whole=ending is _Ending.WHOLE)
        return _Ending.WHOLE if reception.taken.problem else ending

    async def _feed(self, receive: Receive, pipe: BodyPipe) -> _Ending:
        total = 0
        while True:
            messages = await self._window(receive)
            for message in messages:
                if message["type"] != "http.request":
                    return _Ending.GONE
                body: bytes = message.get("body", b"")
                room = self._limits.request_bytes - total
                total += len(body)
                if body:
                    await pipe.put(body[:room] if room < len(body) else body)
                if room < len(body):
                    return _Ending.TOO_LARGE
                if not message.get("more_body", False):
                    return _Ending.WHOLE
            if not messages:
                return _Ending.SILENT

    async def _window(self, receive: Receive) -> list[Message]:
        """What comes next: at least `least_bytes`, or an end; nothing when the client is too slow."""
        messages: list[Message] = []
        count = 0
        with anyio.move_on_after(self._limits.idle_seconds):
            while count < self._limits.least_bytes:
                message = await receive()
                messages.append(message)
                count += len(message.get("body", b""))
                if not message.get("more_body", False):
                    break
            return messages
        return []


def _context(request: Request, door: Door) -> ArrivalContext:
    certificate: bytes = getattr(request.state, CERTIFICATE, b"")
    return ArrivalContext(
        arrival_id=new_arrival_id(),
        protocol="stow-tls" if request.url.scheme == "https" else "stow",
        called_ae=door.called_ae,
        calling_ae="",
        peer=door.peer,
        peer_address=request.client.host if request.client else "",
        peer_certificate_sha256=sha256(certificate).hexdigest() if certificate else "",
    )


def _response(taken: Taken, ending: _Ending, content_type: str) -> Response:
    outcomes = taken.outcomes
    stored = sum(each.reason == STORED for each in outcomes)
    status, headers = _status(taken, ending, stored)
    _log.info("stow.answered", status=status, count=stored, problem_count=len(outcomes) - stored)
    if not outcomes:
        words = {
            408: "cannot go on: the body stopped coming",
            413: "cannot store: the request is too large; send fewer instances in each",
        }
        problem = taken.problem or "it has no part"
        return _words(status, words.get(status, f"cannot read the request: {problem}"), headers)
    return Response(encode_answer(outcomes, content_type), status, headers, media_type=content_type)


def _status(taken: Taken, ending: _Ending, stored: int) -> tuple[int, dict[str, str]]:
    """Status and further header fields (PS3.18 table 10.5.3-1)."""
    if ending is _Ending.TOO_LARGE or taken.crowded:
        return 413, {}
    if ending is _Ending.SILENT:
        return 408, {"Connection": "close"}
    if taken.problem or not taken.outcomes:
        return 400, {}
    if stored == len(taken.outcomes):
        return 200, {}
    if stored:
        return 202, {}
    if all(each.reason & 0xFF00 == 0xA700 for each in taken.outcomes):
        return 503, {"Retry-After": str(_FULL_SECONDS)}
    return 409, {}


def _words(status: int, words: str, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(words + "\n", status, dict(headers or {}))


def _too_large() -> Response:
    return _words(413, "cannot store: the request is too large; send fewer instances in each")


def _not_found(_request: Request, _error: Exception) -> Response:
    return _words(404, "cannot store: the address is /dicom-web/<AE title>/studies")
