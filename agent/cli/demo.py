"""`lockgate demo`: a real study through PACS, appliance and partner on loopback."""

from pathlib import Path
from typing import Annotated

import typer

EPILOG = """\b
Examples:
  lockgate demo                 # stays up afterwards, until Ctrl-C, to look around in
  lockgate demo --once          # ends after the receipt is verified; the last line is JSON
  lockgate demo --dir /tmp/d    # there instead of ./demo-run-<time>

Exit codes: 0 the receipt verified, 1 it did not, 2 something did not come up.
"""


def demo(
    once: Annotated[bool, typer.Option("--once", help="End when the receipt has been verified.")] = False,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Folder of this run; must not exist yet.")
    ] = None,
) -> None:
    """Send one real study, with an invented name in headers and pixels, through the lock."""
    from datetime import datetime

    from agent.config.logs import configure_logs
    from agent.demo.demo import Demo
    from exchange.domain.errors import ConfigurationError

    configure_logs(level="error")
    folder = directory or Path(f"demo-run-{datetime.now().astimezone():%Y%m%d-%H%M%S}")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(
            f"cannot run the demo in {folder}: it is not empty", "name another with --dir"
        )
    result = Demo(folder.resolve(), print, None if once else _stay).run()
    print(result.to_json())
    raise typer.Exit(0 if result.verified else 1)


def _stay() -> None:
    """Wait for Ctrl-C while everything is up."""
    import threading

    print("everything stays up; Ctrl-C ends it")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print()
