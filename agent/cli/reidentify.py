"""`lockgate reidentify`: whose pseudonym is it."""

import getpass
from typing import Annotated

import typer

from agent.cli.common import ConfigOption, JsonOption, print_json
from exchange.domain.exchange import OpeningReason, Role

EPILOG = """\b
Examples:
  lockgate reidentify LG7Q2M0C4T9B1XKZ3D --by 'A. Berg' --role privacy --reason incidental-finding
  lockgate reidentify 2.25.1234 --domain telerad --by 'A. Berg' --role privacy --reason legal-order --json

The opening, or its refusal, is in the log before anything is answered.
Exit codes: 0 answered, 2 refused or unknown.
"""


def reidentify(
    pseudonym: Annotated[str, typer.Argument(help="A PatientID or UID as the partner has it.")],
    role: Annotated[Role, typer.Option(help="The role in which you ask.")],
    reason: Annotated[OpeningReason, typer.Option(help="Why; it stands in the log.")],
    by: Annotated[
        str | None, typer.Option(help="Your name as in the site file's `people:`; default: your login name.")
    ] = None,
    domain: Annotated[
        str, typer.Option(help="The pseudonym domain; needed where the routes have several.")
    ] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open one entry of the crosswalk: the original of a pseudonym."""
    from agent.cli.asking import Daemon, show_facts

    answer = Daemon(config).post(
        "/crosswalk/openings",
        {
            "pseudonym": pseudonym.strip(),
            "domain": domain,
            "by": by or getpass.getuser(),
            "role": role.value,
            "reason": reason.value,
        },
    )
    if as_json:
        print_json(answer)
    else:
        show_facts(answer)
