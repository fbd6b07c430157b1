"""`lockgate report`: what went through in a span of time."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.common import ConfigOption, site_file
from agent.cli.moments import FromOption, ToOption, span

if TYPE_CHECKING:
    from agent.config.people_answers import ReportAnswer

EPILOG = """\b
Examples:
  lockgate report --from 2026-05-01 --to 2026-05-31 --html may.html
  lockgate report --from 2026-05-04 --csv exchanges.csv
  lockgate report --json
"""


def report(
    begin: FromOption = None,
    end: ToOption = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page.")] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a table, one row an exchange.")
    ] = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """List the exchanges that were opened in a span of time: outcome, holds, decisions, receipts, proofs.

    No patient is named, but people who decided are. From the running daemon, or from the records without one.
    """
    from exchange.durable import write_file

    answer = _answer(config, *span(begin, end))
    if as_json:
        typer.echo(answer.model_dump_json(indent=2))
    if html is not None or csv is not None:
        from agent.pipeline.activity_page import report_csv, report_page

        if html is not None:
            write_file(html, report_page(answer).encode("utf-8"), 0o600)
        if csv is not None:
            write_file(csv, report_csv(answer).encode("utf-8"), 0o600)
    if not as_json:
        states = Counter(one.state for one in answer.exchanges)
        told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        held = sum(bool(one.openHolds) for one in answer.exchanges)
        typer.echo(
            f"{len(answer.exchanges)} exchanges{f': {told}' if told else ''}; {held} wait for a person"
        )
        for path in filter(None, (html, csv)):
            typer.echo(str(path))


def _answer(config: Path | None, begin: datetime, end: datetime) -> ReportAnswer:
    """Ask the running daemon; read the database where none runs."""
    from agent.cli.asking import Daemon
    from agent.config.load import load_site
    from agent.config.people_answers import ReportAnswer
    from agent.daemon.audit import served

    site = load_site(site_file(config)).site
    if served(site.control_socket):
        told = Daemon(config).get("/report", begin=begin.isoformat(), end=end.isoformat())
        return ReportAnswer.model_validate(told)
    from agent.custody.database import open_database
    from agent.pipeline.activity import report as reported

    database = open_database(site.database_url)
    try:
        return reported(database, site, begin, end)
    finally:
        database.close()
