"""pydicom kept quiet: its warnings and log lines may quote values, and no value may reach a log."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from pydicom import config

# catch_warnings swaps process-wide state: one thread at a time.
_lock = RLock()


def silence() -> None:
    """Switch off pydicom's log and its checks of values, for the whole process.

    Values that break the rules of their VR are data to us: kept as they are, judged elsewhere.
    """
    config.settings.reading_validation_mode = config.IGNORE
    config.settings.writing_validation_mode = config.IGNORE
    config.logger.disabled = True


silence()


@contextmanager
def quiet() -> Iterator[None]:
    """Let pydicom warn about nothing inside this block."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def listening() -> Iterator[list[warnings.WarningMessage]]:
    """As `quiet`, with what pydicom would have warned about: it quotes values and is only to be counted."""
    with _lock, warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield heard
