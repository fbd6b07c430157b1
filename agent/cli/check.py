"""`lockgate check`: every mistake of the site file, each at its place."""

from typing import Annotated

import typer

from agent.cli.common import ConfigOption, JsonOption, print_json, site_file

EPILOG = """\b
Examples:
  lockgate check -c /etc/lockgate/site.yaml
  lockgate check --schema > site.schema.json

Exit codes: 0 no error (warnings may remain), 2 errors. Nothing is written, no peer is asked.
"""


def check(
    config: ConfigOption = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the site file.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the site file; every mistake as file:line:col: what, what instead."""
    if schema:
        from agent.config.schemas import site_schema

        typer.echo(site_schema(), nl=False)
        return
    from agent.config.answers import CheckAnswer, ProblemAnswer
    from agent.config.load import load_site
    from agent.config.problems import Problem, MistakesError

    path = site_file(config)
    problems: tuple[Problem, ...]
    try:
        loaded = load_site(path)
        digest, problems = loaded.sha256, loaded.warnings
    except MistakesError as error:
        digest, problems = "", error.problems
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
