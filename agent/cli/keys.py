"""`lockgate keys rotate`."""

import getpass
from enum import StrEnum
from typing import Annotated

import typer

from agent.cli.common import ConfigOption, JsonOption, print_json

app = typer.Typer(
    help="Rotate the keys of pseudonyms.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Example: lockgate keys rotate pseudonyms --by 'A. Berg'",
)


class Rotated(StrEnum):
    """What can be rotated."""

    PSEUDONYMS = "pseudonyms"


@app.callback()
def keys() -> None:
    """Rotate the keys of pseudonyms."""


@app.command(epilog="Example: lockgate keys rotate pseudonyms --by 'A. Berg'")
def rotate(
    which: Annotated[Rotated, typer.Argument(help="Which keys.")],
    by: Annotated[
        str | None, typer.Option(help="Your name as in the site file's `people:`; default: your login name.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Begin a new epoch: new patients get pseudonyms of new keys; who has one keeps it.

    Back up the keys folder afterwards: no epoch's key can be replaced.
    """
    from agent.cli.asking import Daemon

    answer = Daemon(config).post(f"/keys/{which.value}/rotate", {"by": by or getpass.getuser()})
    if as_json:
        print_json(answer)
    else:
        print(f"epoch {answer['epoch']} of the pseudonym keys has begun; back up the keys folder")
