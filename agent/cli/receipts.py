"""`lockgate receipts export`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.common import ConfigOption, JsonOption, print_json, site_file
from agent.cli.moments import FromOption, ToOption, span

app = typer.Typer(
    help="Export signed receipts.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Example: lockgate receipts export 1f3a --out receipts.zip",
)


class WhichEdition(StrEnum):
    """For whom."""

    PARTNER = "partner"
    SITE = "site"


@app.callback()
def receipts() -> None:
    """Signed receipts."""


@app.command(
    epilog="""\b
Examples:
  lockgate receipts export 1f3a --for telerad --out receipts.zip
  lockgate receipts export --from 2026-05-01 --to 2026-05-31 --edition site --out may/
"""
)
def export(
    exchange: Annotated[
        str | None, typer.Argument(metavar="EXCHANGE", help="The exchange's id, or the start of it.")
    ] = None,
    begin: FromOption = None,
    end: ToOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.zip|DIR", help="New; one zip, or a folder.")
    ] = None,
    partner: Annotated[
        str | None,
        typer.Option("--for", metavar="PEER", help="Only what this destination may have: no other's R2."),
    ] = None,
    edition: Annotated[
        WhichEdition, typer.Option(help="Of the site: names persons and originals. Stays in the house.")
    ] = WhichEdition.PARTNER,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the receipts of one exchange, or of a span of time, into one zip or a folder; by exchange.

    A partner whose wire carries no receipts gets them so; with --for, for without it the R2s of all
    destinations are there, and each names its own. The daemon need not run.
    """
    from agent.config.load import load_site
    from agent.pipeline import filed

    if (exchange is None) == (begin is None and end is None) or out is None:
        raise typer.BadParameter("name an exchange, or --from and --to; and --out")
    state = load_site(site_file(config)).site.state
    if exchange is not None:
        found = filed.receipts_of_exchange(state, exchange, edition.value)
    else:
        found = filed.receipts_between(state, *span(begin, end), edition.value)
    if partner is not None:
        found = filed.concerning(found, partner)
    filed.export(found, out)
    if as_json:
        listed = [{"exchange": one.exchange_id, "receipt": one.receipt_id} for one in found]
        print_json({"edition": edition.value, "target": str(out), "receipts": listed})
    else:
        print(f"{out}: {len(found)} receipts, {edition.value} edition")
