"""Options of the verbs by which a person decides: who, why."""

from typing import Annotated

import typer

from exchange.domain.exchange import DecisionReason

ByOption = Annotated[
    str | None, typer.Option(help="Your name as in the site file's `people:`; default: your login name.")
]
ReasonOption = Annotated[
    DecisionReason, typer.Option(help="Reason code; it stands on the partner's receipt, too.")
]
TextOption = Annotated[str, typer.Option(help="In your words; on the site's receipt only.")]
