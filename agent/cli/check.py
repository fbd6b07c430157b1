"""`lockgate check`: every mistake of the site file and of its profiles, each at its place."""

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.common import ConfigOption, JsonOption, print_json, site_file

if TYPE_CHECKING:
    from agent.config.problems import Problem

EPILOG = """\b
Examples:
  lockgate check -c /etc/lockgate/site.yaml
  lockgate check --profile profiles/trial.yaml
  lockgate check --schema > site.schema.json

Of the site's own profiles in profiles/ those that a route names are checked with the site file; mistakes in
the others are warnings.
Exit codes: 0 no error (warnings may remain), 2 errors. Nothing is written, no peer is asked.
"""


def check(
    config: ConfigOption = None,
    profile: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Check this de-identification profile instead of a site file."),
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the site file.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the site file; every mistake as file:line:col: what, what instead."""
    if schema:
        from agent.config.schemas import site_schema

        typer.echo(site_schema(), nl=False)
        return
    from agent.config.answers import CheckAnswer, ProblemAnswer

    if profile is not None and config is not None:
        raise typer.BadParameter("name a site file or a profile, not both")
    path = profile if profile is not None else site_file(config)
    digest, problems = _site(path) if profile is None else _profile(path)
    errors = sum(problem.severity == "error" for problem in problems)
    if as_json:
        answers = tuple(ProblemAnswer.of(problem) for problem in problems)
        print_json(
            CheckAnswer(ok=not errors, file=str(path), sha256=digest, problems=answers).model_dump(
                mode="json"
            )
        )
    else:
        for problem in problems:
            typer.echo(str(problem), err=problem.severity == "error")
        warnings = len(problems) - errors
        typer.echo(
            f"{path}: {errors} errors, {warnings} warnings" if problems else f"{path}: well", err=bool(errors)
        )
    if errors:
        raise typer.Exit(2)


def _site(path: Path) -> "tuple[str, tuple[Problem, ...]]":
    from agent.config.load import load_site
    from agent.config.problems import MistakesError

    try:
        loaded = load_site(path)
    except MistakesError as error:
        return "", error.problems
    return loaded.sha256, loaded.warnings


def _profile(path: Path) -> "tuple[str, tuple[Problem, ...]]":
    from agent.config.problems import MistakesError
    from agent.config.profiles import read_profile

    try:
        read_profile(path)
    except MistakesError as error:
        return "", error.problems
    return sha256(path.read_bytes()).hexdigest(), ()
