"""`lockgate exchanges list|show|retry|prioritise|cancel`."""

from enum import StrEnum
from typing import Annotated

import typer

from agent.cli.common import ConfigOption, JsonOption, print_json
from agent.cli.deciding import ByOption, ReasonOption, TextOption, decide, decision

app = typer.Typer(
    help="List, show, retry, prioritise and cancel exchanges: one study on one route each.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Examples: lockgate exchanges list --state held · lockgate exchanges show 1f3a",
)


class Urgency(StrEnum):
    """As in the site file's `priority:`."""

    STAT = "stat"
    HIGH = "high"
    ROUTINE = "routine"


ExchangeArgument = Annotated[str, typer.Argument(metavar="ID", help="The exchange's id, or the start of it.")]


@app.command(
    "list", epilog="Examples: lockgate exchanges list · … list --state held --state delivering --json"
)
def list_(
    state: Annotated[list[str] | None, typer.Option(help="Only these states; repeatable.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, newest first.")] = 50,
    after: Annotated[
        str | None, typer.Option(metavar="ID", help="The next page: what is older than this one.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List exchanges, newest first."""
    from agent.cli.asking import Daemon, show_table

    page = {"after": after} if after else {}
    rows = Daemon(config).get("/exchanges", state=state or [], limit=limit, **page)
    if as_json:
        print_json(rows)
        return
    columns = {
        "exchange_id": "exchange",
        "state": "state",
        "route": "route",
        "instance_count": "instances",
        "attempt_count": "attempts",
        "error_code": "code",
        "created_at": "since",
    }
    show_table(columns, rows, "no exchange")


@app.command(epilog="Example: lockgate exchanges show 1f3a")
def show(exchange: ExchangeArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show one exchange: attempts, findings, holds, deliveries, receipts."""
    from agent.cli.asking import Daemon, show_facts

    answer = Daemon(config).get(f"/exchanges/{exchange}")
    if as_json:
        print_json(answer)
        return
    show_facts(answer)


@app.command(epilog="Example: lockgate exchanges retry 1f3a")
def retry(exchange: ExchangeArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Try an exchange's waiting deliveries at once."""
    from agent.cli.asking import Daemon

    answer = Daemon(config).post(f"/exchanges/{exchange}/retry")
    if as_json:
        print_json(answer)
    else:
        print(f"{answer['deliveries']} deliveries of {answer['exchange_id']} are due now")


@app.command(epilog="Example: lockgate exchanges prioritise 1f3a stat")
def prioritise(
    exchange: ExchangeArgument,
    priority: Annotated[Urgency, typer.Argument(help="How urgent it is.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how urgent an exchange is: what is more urgent is cleaned and sent first."""
    from agent.cli.asking import Daemon

    answer = Daemon(config).post(f"/exchanges/{exchange}/priority", {"priority": priority.value})
    if as_json:
        print_json(answer)
    else:
        print(f"exchange {answer['exchange_id']} is {answer['priority']}")


@app.command(epilog="Example: lockgate exchanges cancel 1f3a --by 'A. Berg' --reason wrong-recipient")
def cancel(
    exchange: ExchangeArgument,
    reason: ReasonOption,
    by: ByOption = None,
    text: TextOption = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """End an exchange: nothing more of it leaves, and its receipts say so."""
    decide(config, f"/exchanges/{exchange}/cancel", decision(by, reason, text), as_json=as_json)
