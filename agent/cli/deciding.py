"""The verbs by which a person decides: who, why, and how it is sent and told."""

import getpass
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.common import print_json
from exchange.domain.exchange import DecisionReason

ByOption = Annotated[
    str | None, typer.Option(help="Your name as in the site file's `people:`; default: your login name.")
]
ReasonOption = Annotated[
    DecisionReason, typer.Option(help="Reason code; it stands on the partner's receipt, too.")
]
TextOption = Annotated[str, typer.Option(help="In your words; on the site's receipt only.")]


def decision(by: str | None, reason: DecisionReason, text: str) -> dict[str, str]:
    """A decision as the daemon takes it; whoever gives no name goes by the login name."""
    return {"by": by or getpass.getuser(), "reason": reason.value, "text": text}


def decide(config: Path | None, path: str, body: Mapping[str, str], *, as_json: bool) -> None:
    """Send a decision to the daemon and tell where the exchange stands now."""
    from agent.cli.asking import Daemon

    answer = Daemon(config).post(path, body)
    if as_json:
        print_json(answer)
    else:
        print(f"exchange {answer['exchange_id']} is {answer['state']}")
