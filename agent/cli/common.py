"""What the verbs share: the -c and --json options, where the site file is looked for, how JSON is printed."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from exchange.domain.errors import ConfigurationError

SITE_VARIABLE = "LOCKGATE_CONFIG"
SYSTEM_FILE = Path("/etc/lockgate/site.yaml")

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "-c",
        "--config",
        metavar="FILE",
        help=f"Site file. Default: ${SITE_VARIABLE}, ./site.yaml, {SYSTEM_FILE}.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


def site_file(named: Path | None) -> Path:
    """The site file to use: as named, `$LOCKGATE_CONFIG`, `./site.yaml`, `/etc/lockgate/site.yaml`.

    Raises:
        ConfigurationError: None is named and none is found.
    """
    if named is not None:
        return named
    variable = os.environ.get(SITE_VARIABLE)
    if variable:
        return Path(variable)
    for path in (Path("site.yaml"), SYSTEM_FILE):
        if path.is_file():
            return path
    raise ConfigurationError(
        f"cannot find a site file: neither ./site.yaml nor {SYSTEM_FILE} is there",
        "name one with -c, or make one with lockgate init DIR",
    )


def print_json(answer: Any) -> None:
    """Print an answer as JSON: UTF-8, keys in the answer's order, one document."""
    sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")
