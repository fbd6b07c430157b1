"""`lockgate doctor`: is this box fit, does everything it needs answer."""

import typer

from agent.cli.common import ConfigOption, JsonOption, print_json, site_file
from exchange.domain.errors import ConfigurationError

EPILOG = """\b
Examples:
  lockgate doctor -c /etc/lockgate/site.yaml
  lockgate doctor --json

Exit codes: 0 well, 1 warnings, 2 failures. All checks run at once, within 5 seconds.
"""


def doctor(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check this box, its configuration, keys and peers; one named result a check, with a fix."""
    from agent.doctor.examination import examine

    try:
        path = site_file(config)
    except ConfigurationError:
        path = None
    answer = examine(path)
    if as_json:
        print_json(answer.model_dump(mode="json"))
    else:
        from agent.doctor.table import show

        show(answer)
    raise typer.Exit(answer.exit_code)
