"""Logs cannot carry PHI: unlisted keys, exception texts and library messages are withheld."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from agent.config.logs import configure_logs

NAME = "Quillfeather^Ottoline"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Configured logs into a buffer; everything is put back afterwards."""
    root = logging.getLogger()  # noqa: TID251
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs(stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def last(stream: io.StringIO) -> dict[str, object]:
    answer: dict[str, object] = json.loads(stream.getvalue().splitlines()[-1])
    return answer


def test_listed_keys_pass(lines: io.StringIO) -> None:
    structlog.get_logger().info("exchange", route="telerad", instances=3)
    assert last(lines)["route"] == "telerad"
    assert last(lines)["instances"] == 3


def test_unlisted_keys_are_dropped_and_counted(lines: io.StringIO) -> None:
    structlog.get_logger().info("exchange", patient_name=NAME)
    assert NAME not in lines.getvalue()
    assert last(lines)["dropped_keys"] == 1


def test_exception_texts_are_withheld_but_their_places_kept(lines: io.StringIO) -> None:
    try:
        raise ValueError(NAME)
    except ValueError:
        structlog.get_logger().exception("internal")
    assert NAME not in lines.getvalue()
    assert last(lines)["exception"] == "ValueError"
    assert "test_logs.py" in str(last(lines)["frames"])


def test_library_messages_keep_their_place_only(lines: io.StringIO) -> None:
    logging.getLogger("library.service").warning("stored %s", NAME)  # noqa: TID251
    assert NAME not in lines.getvalue()
    assert last(lines)["logger"] == "library.service"
