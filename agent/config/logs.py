"""Logs that cannot carry PHI: only listed keys pass, and nobody else's text does.

JSON lines off-terminal, coloured lines on a terminal, native fields under systemd's journal. One canonical
line per exchange is written by the pipeline. Library messages keep their place (logger, function, line) but
not their words: a library may put a patient's name into a message, and we cannot know.
"""

import json
import logging
import os
import socket
import sys
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO

import structlog

Event = MutableMapping[str, Any]

ALLOWED_KEYS = frozenset(
    [
        "event",
        "level",
        "timestamp",
        "logger",
        "function",
        "line",
        "exception",
        "frames",
        "site",
        "appliance",
        "version",
        "pid",
        "port",
        "tls",
        "listener",
        "socket",
        "path_kind",
        "route",
        "peer",
        "destination",
        "profile",
        "state",
        "stage",
        "step",
        "attempt",
        "worker",
        "code",
        "codes",
        "exchange_id",
        "arrival_id",
        "delivery_id",
        "hold_id",
        "receipt_id",
        "identity",
        "digest",
        "count",
        "instances",
        "bytes",
        "sent",
        "refused",
        "unknown",
        "held",
        "recovered",
        "pending",
        "removed",
        "seconds",
        "milliseconds",
        "retry_seconds",
        "status",
        "reason",
        "provider",
        "model",
        "error_type",
        "exit_code",
        "evidence",
        "signal",
        "free_bytes",
        "problem_count",
        "error",
        "at",
        "why",
        "workflow",
        "dropped_keys",
        "workflow_id",
        "abort",
        "missing",
    ]
)
"""Keys that a log line may have. Adding one is a decision: can its value ever come from a study?"""

_JOURNAL_SOCKET = "/run/systemd/journal/socket"
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def drop_unlisted_keys(_logger: object, _method: str, event: Event) -> Event:
    """Keep only `ALLOWED_KEYS`; say how many were dropped."""
    unlisted = [key for key in event if key not in ALLOWED_KEYS and not key.startswith("_")]
    for key in unlisted:
        del event[key]
    if unlisted:
        event["dropped_keys"] = len(unlisted)
    return event


def name_exception(_logger: object, _method: str, event: Event) -> Event:
    """Replace a traceback by its types and places: messages of exceptions may quote a study."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if info and info[0] is not None:
        event["exception"] = info[0].__name__
        event["frames"] = _places(info[2])
    return event


def _places(traceback: TracebackType | None) -> list[str]:
    """`module:line` of each frame, outermost first; the last dozen."""
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{traceback.tb_lineno}:{code.co_name}")
        traceback = traceback.tb_next
    return places[-12:]


class JournalWriter:
    """Native protocol of systemd-journald: one datagram of KEY=VALUE lines per event."""

    def __init__(self, path: str = _JOURNAL_SOCKET) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.connect(path)

    def __call__(self, _logger: object, _method: str, event: Event) -> str:
        """Send the event; return nothing to print."""
        fields = {"PRIORITY": _PRIORITIES.get(str(event.get("level")), 6), "SYSLOG_IDENTIFIER": "lockgate"}
        fields |= {
            f"LOCKGATE_{key.upper()}": value
            for key, value in event.items()
            if key not in {"event", "level", "timestamp"}
        }
        lines = [f"MESSAGE={_one_line(event.get('event', ''))}"]
        lines += [f"{key}={_one_line(value)}" for key, value in fields.items()]
        self._socket.send(("\n".join(lines) + "\n").encode())
        raise structlog.DropEvent


def _one_line(value: object) -> str:
    return (value if isinstance(value, str) else json.dumps(value, default=str)).replace("\n", " ")


class LibraryHandler(logging.Handler):
    """Where other people's loggers end: place and level pass, words do not."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass the record on without its text."""
        structlog.get_logger().log(
            record.levelno,
            "library message (text withheld)",
            logger=record.name,
            function=record.funcName,
            line=record.lineno,
            exc_info=record.exc_info,
        )


def configure_logs(stream: TextIO | None = None, level: str = "info") -> None:
    """Set up structlog and the standard library's root logger, once per process."""
    stream = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_exception,
        drop_unlisted_keys,
    ]
    structlog.configure(
        processors=[*shared, _renderer(stream)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()  # noqa: TID251 - this is the one place that tames it
    root.handlers[:] = [LibraryHandler(logging.WARNING)]
    root.setLevel(logging.WARNING)
    # What it cannot decode is told by our own holds, with a code; its words would be withheld here anyway.
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # noqa: TID251 - theirs, to be silenced


def _renderer(stream: TextIO) -> Any:
    if _is_journal(stream):
        return JournalWriter()
    if stream.isatty():
        return structlog.dev.ConsoleRenderer()
    return structlog.processors.JSONRenderer()


def _is_journal(stream: TextIO) -> bool:
    """True when systemd connected this stream to its journal ($JOURNAL_STREAM = device:inode)."""
    named = os.environ.get("JOURNAL_STREAM", "")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return named == f"{status.st_dev}:{status.st_ino}" and os.path.exists(_JOURNAL_SOCKET)
