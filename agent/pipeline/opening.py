"""Opening the log of a site, with or without a daemon: the one writer at a time."""

from collections.abc import Callable
from datetime import datetime

from agent.config.models import Site
from exchange.domain.errors import KeysError
from exchange.keys.log import LOG_KEY, LogKeys, make_log_keys, write_vkeys
from exchange.keys.signing import FileKeyStore
from exchange.log.events import Event, EventKind
from exchange.log.opening import LogPlaces
from exchange.log.writer import Log

_WRITABLE = "let the service write there (ReadWritePaths= in its unit)"


def log_places(site: Site) -> LogPlaces:
    """Where the log of a site lies."""
    return LogPlaces(site.log_folder, site.log_heads_file, site.journal_file)


def open_log(site: Site, clock: Callable[[], datetime]) -> Log:
    """The log with its keys; a site that was set up before there was one gets them now, and both are told.

    What verifiers need of this generation is put into the site's own trust folder.

    Raises:
        KeysError: A key cannot be used.
        LogError: Another daemon has the log, or it cannot be opened.
    """
    fresh = not (site.keys / LOG_KEY).exists()
    try:
        keys = make_log_keys(site.keys) if fresh else LogKeys.from_folder(site.keys)
    except OSError as error:
        raise KeysError(f"cannot make the log's keys in {site.keys}: {error.strerror}", _WRITABLE) from error
    log = Log.open(log_places(site), keys, clock)
    try:
        _publish_vkeys(site, keys, log.generation)
        log.append_all(_created(site, keys, everything=log.head.seq < 0) if fresh or log.head.seq < 0 else ())
    except BaseException:
        log.close()
        raise
    return log


def _publish_vkeys(site: Site, keys: LogKeys, generation: int) -> None:
    try:
        write_vkeys(site.trust, keys, generation)
    except OSError as error:
        raise KeysError(
            f"cannot put the log's verifier keys into {site.trust}: {error.strerror}", _WRITABLE
        ) from error


def _created(site: Site, keys: LogKeys, *, everything: bool) -> list[Event]:
    """The keys that came into use with this log: its own, or all those that `init` made."""
    named: list[dict[str, str | int]] = [{"key": "log", "name": keys.name}]
    if everything:
        named.append({"key": "signing", "keyid": FileKeyStore(site.keys).keyid()})
        named.extend({"key": name} for name in ("domain.root", "crosswalk", "storage"))
    return [Event(EventKind.KEY_CREATED, one) for one in named]
