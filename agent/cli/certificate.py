"""`lockgate certificate`: de-identification of one study in plain words, from its receipt only."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.common import ConfigOption, site_file
from agent.cli.receipts import WhichEdition
from exchange.domain.errors import LockgateError

if TYPE_CHECKING:
    from exchange.receipts.pages.parts import Opened

EPILOG = """\b
Examples:
  lockgate certificate 1f3a --html certificate.html
  lockgate certificate study/receipts/0190….receipt.zip --trust trust/

Exit codes: 0 written, 1 the receipt is not valid, 2 unreadable, or nothing to certify.
"""


def certificate(
    which: Annotated[
        str, typer.Argument(metavar="EXCHANGE|BUNDLE", help="The start of an exchange's id, or a receipt.")
    ],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page; default: text, printed.")
    ] = None,
    trust: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Trust folder; default: the site's, or that of `lockgate verify`."),
    ] = None,
    edition: Annotated[
        WhichEdition, typer.Option(help="Of an exchange: site names who decided.")
    ] = WhichEdition.PARTNER,
    config: ConfigOption = None,
) -> None:
    """Certify the de-identification of one study: what was done, what was checked, and what was not.

    Everything in it stands in the signed receipt, which is verified first and goes into the page.
    """
    from agent.cli.verify import anchors_of, describe
    from exchange.durable import write_file
    from exchange.receipts.pages.certificate import certificate_page, certificate_text, certifies
    from exchange.receipts.verify.claims import R1
    from exchange.receipts.verify.errors import UNREADABLE, VerificationError
    from exchange.receipts.verify.verifier import Request, verify_bundles

    now = datetime.now(UTC)
    try:
        paths, own_trust = _given(which, edition, config)
        anchors = anchors_of(trust or own_trust)
    except VerificationError as error:
        raise LockgateError(f"cannot certify: {error.message}", error.hint) from error
    chosen: Opened | None = None
    for path in paths:
        (report,) = verify_bundles([path], Request(anchors, now))
        if not report.ok:
            typer.echo(describe(report, anchors), err=True)
            code = report.first_error.code if report.first_error else ""
            raise typer.Exit(2 if code in UNREADABLE else 1)
        opened = _opened(path, report.receipt.pae_sha256 if report.receipt else "")
        if certifies(opened) and (chosen is None or opened.receipt.stage in R1):
            chosen = opened  # R1 above all: it was signed before anything left
    if chosen is None:
        raise LockgateError(
            "cannot certify: the receipt tells of no cleaning",
            "what leaves as it came has no certificate; see lockgate verify --html",
        )
    if html is None:
        typer.echo(certificate_text(chosen, now, version("lockgate")), nl=False)
        return
    page = certificate_page(chosen, now, version("lockgate"))
    write_file(html, page.encode("utf-8"), 0o644 if chosen.receipt.edition == "partner" else 0o600)
    typer.echo(f"{html}: study {chosen.receipt.study_instance_uid}")


def _given(which: str, edition: WhichEdition, config: Path | None) -> tuple[list[Path], Path | None]:
    """The receipts in question, and the trust folder of the site if it is one of ours."""
    from agent.config.load import load_site
    from agent.pipeline.filed import receipts_of_exchange

    if Path(which).exists():
        return [Path(which)], None
    site = load_site(site_file(config)).site
    found = receipts_of_exchange(site.state, which, edition.value)
    return [one.path for one in found], site.trust


def _opened(path: Path, pae_sha256: str) -> Opened:
    """The bundle that was verified, opened for showing."""
    from agent.cli.verify import bundle_bytes
    from exchange.receipts.pages.parts import open_for_page

    data = bundle_bytes(path)
    opened = None if data is None else open_for_page(path.name, data)
    if opened is None or opened.receipt.pae_sha256 != pae_sha256:
        raise LockgateError("cannot certify: the receipt changed while it was read", "try again")
    return opened
