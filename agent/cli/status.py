"""`lockgate status`: what the running daemon does."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.common import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

EPILOG = """\b
Examples:
  lockgate status
  lockgate status --watch
  lockgate status --json | jq .peers

Exit codes: 0 the daemon answers, 2 it does not.
"""

_SHOWN_APART = ("under_way", "queues", "peers", "forecasts")
_WIDEST = 100


def status(
    config: ConfigOption = None,
    as_json: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew until interrupted.")] = False,
    every: Annotated[float, typer.Option(min=0.2, max=3600, help="Seconds between two looks.")] = 2.0,
) -> None:
    """Show what the running daemon does: what is under way and when it will be done, peers, holds."""
    from agent.cli.asking import Daemon

    daemon = Daemon(config)
    if as_json and not watch:
        print_json(daemon.get("/status"))
    elif watch:
        _watch(daemon, every, as_json=as_json)
    else:
        from rich.console import Console

        for part in rendered(daemon.get("/status")):
            Console().print(part)


def _watch(daemon: Any, every: float, *, as_json: bool) -> None:
    """Look again and again; on a terminal in place, else (or as JSON) one after the other."""
    import time

    from rich.console import Console, Group
    from rich.live import Live

    try:
        if as_json:
            while True:
                print_json(daemon.get("/status"))
                time.sleep(every)
        with Live(Group(*rendered(daemon.get("/status"))), console=Console(), auto_refresh=False) as live:
            while True:
                time.sleep(every)
                live.update(Group(*rendered(daemon.get("/status"))), refresh=True)
    except KeyboardInterrupt:
        return


def rendered(answer: Mapping[str, Any]) -> "list[RenderableType]":
    """The parts of the status, for a person."""
    from rich.text import Text

    facts = {key: value for key, value in answer.items() if key not in _SHOWN_APART}
    parts: list[RenderableType] = [Text(_facts(facts))]
    for title, rows in (
        ("under way", [_under_way(one) for one in answer["under_way"]]),
        ("waiting to be processed", [_queue(one) for one in answer["queues"]]),
        ("peers", [_peer(one) for one in answer["peers"]]),
    ):
        if rows:
            parts += [Text(f"\n{title}", style="bold"), _table(rows)]
    warnings = [*answer["forecasts"], *(one for peer in answer["peers"] for one in peer["forecasts"])]
    if warnings:
        parts.append(Text("\nexpect", style="bold"))
        parts += [
            Text(f"{one['destination'] or 'here'}: {one['code']}: {one['text']} -> {one['fix']}")
            for one in warnings
        ]
    return parts


def _facts(facts: Mapping[str, Any]) -> str:
    width = max(map(len, facts))
    lines = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            value = "  ".join(f"{name} {count}" for name, count in value.items() if count) or "none"
        elif isinstance(value, list):
            value = " ".join(map(str, value))
        lines.append(f"{key:<{width}}  {value}")
    return "\n".join(lines)


def _table(rows: list[dict[str, str]]) -> "RenderableType":
    from rich.table import Table

    table = Table(*rows[0], box=None, header_style="bold", pad_edge=False)
    for row in rows[:_WIDEST]:
        table.add_row(*row.values())
    return table


def _under_way(one: Mapping[str, Any]) -> dict[str, str]:
    step = one["step"] or {}
    rate = step.get("bytes_per_second") or 0
    return {
        "exchange": one["exchange_id"][:8],
        "route": one["route"],
        "priority": one["priority"],
        "stage": " to ".join(
            part for part in (step.get("stage", one["state"]), step.get("destination")) if part
        ),
        "done": f"{step.get('done', 0)}/{step.get('total', one['instance_count'])}",
        "size": f"{one['byte_count'] / 1e6:.1f} MB",
        "rate": f"{rate / 1e6:.1f} MB/s" if rate else f"{step.get('instances_per_second') or 0:.1f}/s",
        "done at": (step.get("eta") or "")[:19],
        "expect": " ".join(one["forecasts"]),
    }


def _queue(one: Mapping[str, Any]) -> dict[str, str]:
    return {"route": one["route"], "exchanges": str(one["count"]), "oldest": one["oldest_at"][:19]}


def _peer(one: Mapping[str, Any]) -> dict[str, str]:
    return {
        "peer": one["peer"],
        "protocol": one["protocol"],
        "circuit": one["circuit"],
        "waiting": str(one["waiting"]),
        "oldest": (one["oldest_at"] or "")[:19],
        "last error": one["last_error_code"],
        "tried again": (one["retry_at"] or "")[:19],
        "last reached": (one["last_success_at"] or "")[:19],
    }
