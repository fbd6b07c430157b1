"""Making a site folder: a commented, valid, minimal site file that listens on loopback only, and its keys."""

import json
from datetime import UTC, datetime
from pathlib import Path
from string import Template

from pydantic import BaseModel, ConfigDict

from agent.config.shipped import shipped
from agent.config.types import NAME
from exchange.domain.errors import ConfigurationError
from exchange.durable import make_folder, write_file
from exchange.keys.site import init_site_keys

TEMPLATE = "config/site-template.yaml"


class InitAnswer(BaseModel):
    """What `lockgate init` made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    site_file: str
    keyid: str
    anchor: str
    anchor_sha256: str


def initialise(
    folder: Path,
    site: str,
    appliance: str,
    state: Path | None = None,
    now: datetime | None = None,
) -> InitAnswer:
    """Write a site folder.

    Args:
        folder: New or empty.
        site: Name of the hospital.
        appliance: Name of the box.
        state: State folder, absolute; default `state/` in the folder.
        now: Start of the certificates' validity; default the clock.

    Raises:
        ConfigurationError: The folder is not empty or cannot be written, or a name is none.
        KeysError: A key cannot be made.
    """
    for name in (site, appliance):
        if not NAME.fullmatch(name):
            raise ConfigurationError(
                f"cannot name anything {name!r}", "use 1 to 63 lower-case letters, digits and hyphens"
            )
    if state is not None and not state.is_absolute():
        raise ConfigurationError(
            f"cannot keep state in {state}: it is no absolute path", "begin it with a slash"
        )
    outgoing = (state or folder) / "outgoing"
    places = {"state": str(state or "state/"), "outgoing": str(outgoing if state else "outgoing/")}
    quoted = {key: json.dumps(value, ensure_ascii=False) for key, value in places.items()}
    template = Template(shipped(TEMPLATE).read_text("utf-8"))
    try:
        if folder.exists() and any(folder.iterdir()):
            raise ConfigurationError(
                f"cannot initialise {folder}: it is not empty", "name a new or empty folder"
            )
        make_folder(folder, 0o750)
        make_folder(state or folder / "state")
        make_folder(outgoing)
        text = template.substitute(quoted, site=site, appliance=appliance)
        keys = init_site_keys(folder / "keys", site, appliance, now or datetime.now(UTC), folder / "trust")
        write_file(folder / "site.yaml", text.encode(), 0o640)
    except OSError as error:
        raise ConfigurationError(
            f"cannot initialise {folder}: {error.strerror}", "name a folder that you may write"
        ) from error
    return InitAnswer(
        site_file=str(folder / "site.yaml"),
        keyid=keys.keyid,
        anchor=str(keys.anchor),
        anchor_sha256=keys.anchor_sha256,
    )
