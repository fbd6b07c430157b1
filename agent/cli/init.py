"""`lockgate init`: a site folder that is ready to run, on loopback only, with keys of its own."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.common import JsonOption, print_json

EPILOG = """\b
Example:
  lockgate init /etc/lockgate --site general-hospital --appliance edge-01

Refuses a folder that is not empty. Keys are made here and never leave; there is no password anywhere.
"""


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New or empty folder.")],
    site: Annotated[
        str, typer.Option(help="Name of the hospital: lower-case letters, digits, hyphens.")
    ] = "my-site",
    appliance: Annotated[str, typer.Option(help="Name of this box.")] = "edge-01",
    state: Annotated[
        Path | None, typer.Option(help="Where database, spool and log go; default: state/ in DIR.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write DIR/site.yaml, keys and trust folder: ready to run."""
    from agent.config.init import initialise

    made = initialise(folder, site, appliance, state)
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    typer.echo(f"{made.site_file}: edit peers and routes, then: lockgate check -c {made.site_file}")
    typer.echo(f"{made.anchor}: give this certificate to your partners")
    typer.echo(f"  SHA-256 {made.anchor_sha256} (compare it by telephone)")
    typer.echo(f"{folder / 'keys'}: keep ca.key off this box once the appliance is certified")
