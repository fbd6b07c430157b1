"""DBOS's own log, without its words: its messages quote arguments and exceptions."""

import logging
from pathlib import Path

import structlog

_log = structlog.get_logger()


class WordlessHandler(logging.Handler):
    """Forwards that something was logged, how severe, where and of which type; never the text."""

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record."""
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        _log.log(
            record.levelno,
            "workflow engine",
            at=f"{Path(record.pathname).name}:{record.lineno}",
            error=error,
            workflow=str(getattr(record, "operationUUID", "")),
        )


def attach() -> None:
    """Take the `dbos` logger before DBOS puts its console handler there, which it does if it finds none."""
    logger = logging.getLogger("dbos")
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    for handler in list(logger.handlers):
        if not isinstance(handler, WordlessHandler):
            logger.removeHandler(handler)
    if not logger.handlers:
        logger.addHandler(WordlessHandler(logging.WARNING))
