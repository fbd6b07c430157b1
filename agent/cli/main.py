"""The console script: verbs by name, each imported only when it is called; one place where errors are told.

A verb is a module of its name in this folder that holds a function of its name (a typer command), or an
`app` (a typer group such as `holds list`). Heavy imports stand inside the functions.
"""

import os
import sys
import traceback
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from exchange.domain.errors import LockgateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typer._click import Command, Context

TRACEBACK_VARIABLE = "LOCKGATE_TRACEBACK"
FAILURE = 2

VERBS = {
    "init": "Make a site folder: site.yaml, keys, trust.",
    "check": "Check the site file; every mistake with its place.",
    "plan": "Show what applies, or what a study would undergo.",
    "run": "Run the daemon in the foreground.",
    "demo": "Send a real study through the lock, on loopback.",
    "clean": "De-identify a file or folder offline, exactly as a route would.",
    "ocr": "Show the text that is read in a file's pixels, and what would become of it.",
    "verify": "Check receipts offline.",
    "receipts": "Export signed receipts.",
    "certificate": "Certify the de-identification of one study, from its receipt.",
    "report": "List what went through in a span of time, with holds, decisions and receipts.",
    "status": "Show what the running daemon does.",
    "exchanges": "List, show, retry, prioritise and cancel exchanges.",
    "holds": "List, show, release, redact and reject holds.",
    "reidentify": "Open one entry of the crosswalk: whose pseudonym is it.",
    "log": "Show, export, check and prove the log of everything that happened.",
    "keys": "Show, certify, revoke and rotate the appliance's keys.",
    "doctor": "Check this box and its peers.",
    "profiles": "List, show and compare de-identification profiles.",
    "models": "List and fetch the model files that read pixels.",
}

EPILOG = """\b
Examples:
  lockgate demo --once
  lockgate init /etc/lockgate && lockgate check -c /etc/lockgate/site.yaml
  lockgate plan -c site.yaml --study incoming/
  lockgate clean incoming/ cleaned/ --report report.json
  lockgate verify study/receipts/*.receipt.zip --files study/ --trust trust/

Exit codes: 0 well, 1 not well (see each command), 2 usage or configuration.
"""


class Verbs(TyperGroup):
    """Knows its verbs by name and one line each; imports the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        here = Path(__file__).parent
        for name, line in VERBS.items():
            if (here / f"{name}.py").exists():
                self.add_command(TyperCommand(name, help=line))

    def resolve_command(
        self, ctx: "Context", args: list[str]
    ) -> "tuple[str | None, Command | None, list[str]]":
        """The verb that was called, imported now."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, (load_verb(name) if name is not None and command is not None else command), rest

    def invoke(self, ctx: "Context") -> Any:
        """Run the verb; errors are told in one line, never with a value of a study."""
        try:
            return super().invoke(ctx)
        except LockgateError as error:
            _fail(str(error), error)
        except BrokenPipeError:
            # Whoever read our output has gone; the interpreter must not complain while it flushes.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if hasattr(error, "show"):  # typer's own: usage, with help
                raise
            # The text of an unforeseen error may quote a study: only its kind and place are told.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(frame.filename).name}:{frame.lineno}"
            _fail(
                f"cannot go on: {type(error).__name__} at {place}; set {TRACEBACK_VARIABLE}=1 to see more",
                error,
            )


def _fail(text: str, error: Exception) -> NoReturn:
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error)
    typer.echo(text, err=True)
    raise typer.Exit(FAILURE) from None


def load_verb(name: str) -> "Command":
    """Import a verb's module and make its command."""
    module = import_module(f"agent.cli.{name}")
    group = getattr(module, "app", None)
    if isinstance(group, typer.Typer):
        command = typer.main.get_group(group)
        command.name = name
        return command
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    epilog = getattr(module, "EPILOG", None)
    single.command(name, epilog=epilog)(getattr(module, name))
    return typer.main.get_command(single)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"lockgate {metadata.version('lockgate')}")
        raise typer.Exit


app = typer.Typer(
    cls=Verbs,
    name="lockgate",
    help="Take DICOM studies into custody, remove identity and prove it, forward, leave a signed receipt.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take DICOM studies into custody, remove identity and prove it, forward, leave a signed receipt."""


def main(arguments: "Sequence[str] | None" = None) -> None:
    """Run the command line with these arguments, or with the process's own."""
    app(args=None if arguments is None else list(arguments))
