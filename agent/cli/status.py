"""`lockgate status`: what the running daemon does."""

from agent.cli.common import ConfigOption, JsonOption, print_json

EPILOG = """\b
Examples:
  lockgate status
  lockgate status --json | jq .exchanges

Exit codes: 0 the daemon answers, 2 it does not.
"""


def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what the running daemon does: studies by state, deliveries, open holds."""
    from agent.cli.asking import Daemon, show_facts

    answer = Daemon(config).get("/status")
    if as_json:
        print_json(answer)
        return
    show_facts(answer)
