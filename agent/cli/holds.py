"""`lockgate holds list|show|pictures|release|redact|reject`."""

import getpass
from base64 import b64decode
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.common import ConfigOption, JsonOption, print_json
from agent.cli.deciding import ByOption, ReasonOption, TextOption, decide, decision

app = typer.Typer(
    help="List, show, look at, release, redact and reject holds: exchanges stopped for a person.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Example: lockgate holds release 9c2e --by 'A. Berg' --reason reviewed-no-identity",
)

HoldArgument = Annotated[str, typer.Argument(metavar="ID", help="The hold's id, or the start of it.")]


@app.command("list", epilog="Examples: lockgate holds list · lockgate holds list --all --json")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Decided ones as well.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List open holds, oldest first."""
    from agent.cli.asking import Daemon, show_table

    rows = Daemon(config).get("/holds", **({"all": "1"} if every else {}))
    if as_json:
        print_json(rows)
        return
    columns = {
        "hold_id": "hold",
        "exchange_id": "exchange",
        "code": "code",
        "stage": "stage",
        "path": "where",
        "detail": "what",
        "opened_at": "since",
        "state": "state",
    }
    show_table(columns, rows, "no open hold")


@app.command(epilog="Example: lockgate holds show 9c2e")
def show(hold: HoldArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show one hold."""
    from agent.cli.asking import Daemon, show_facts

    answer = Daemon(config).get(f"/holds/{hold}")
    if as_json:
        print_json(answer)
        return
    show_facts(answer)


@app.command(
    epilog="Example: lockgate holds pictures 9c2e /tmp/look --by 'A. Berg'\n\n"
    "That you have seen them is on record. Remove the pictures when you have decided."
)
def pictures(
    hold: HoldArgument,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the pictures go; made when missing.")],
    by: ByOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write pictures of what a hold is about, the boxes in question outlined; they show the patient."""
    from agent.cli.asking import Daemon
    from exchange.durable import make_folder, write_file

    answer = Daemon(config).post(f"/holds/{hold}/pictures", {"by": by or getpass.getuser()})
    make_folder(folder)
    paths = []
    for one in answer["pictures"]:
        paths.append(folder / f"{answer['hold_id'][:8]}.frame-{one['frame']:05}.png")
        write_file(paths[-1], b64decode(one["png"]), 0o600)
    if as_json:
        print_json({"hold_id": answer["hold_id"], "pictures": [str(path) for path in paths]})
        return
    for path in paths:
        print(path)


def _deciding(verb: str, meaning: str, reason: str) -> None:
    """Add the command of one decision; `reason` stands in its example."""

    def command(
        hold: HoldArgument,
        reason: ReasonOption,
        by: ByOption = None,
        text: TextOption = "",
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        decide(config, f"/holds/{hold}/{verb}", decision(by, reason, text), as_json=as_json)

    example = f"Example: lockgate holds {verb} 9c2e --by 'A. Berg' --reason {reason}"
    app.command(verb, help=meaning, epilog=example)(command)


_deciding(
    "release",
    "Let the exchange go on in spite of this hold; what was not proved needs the role `privacy`.",
    "false-alarm",
)
_deciding(
    "redact",
    "Let the exchange go on with what an uncertain-text hold names removed, in all its instances.",
    "identity-present",
)
_deciding("reject", "End the exchange: nothing of it leaves; its receipt says so.", "wrong-study")
