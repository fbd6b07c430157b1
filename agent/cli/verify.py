"""`lockgate verify`: checks receipts offline and names the first thing wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.receipts.verify.trust import Trust
    from exchange.receipts.verify.verifier import Report

SYSTEM_TRUST = Path("/etc/lockgate/trust")
VALID, NOT_VALID, UNREADABLE = 0, 1, 2


def verify(
    bundles: Annotated[
        list[Path] | None,
        typer.Argument(metavar="BUNDLE…", help="*.receipt.zip files, or their unpacked folders."),
    ] = None,
    files: Annotated[
        Path | None, typer.Option("--files", metavar="DIR", help="Folder with the study's DICOM files.")
    ] = None,
    trust: Annotated[
        Path | None,
        typer.Option(
            "--trust",
            metavar="DIR",
            help="Folder with CA certificates (*.pem), log keys (*.vkey), revoked.json and policy; else "
            f"$LOCKGATE_TRUST, else {SYSTEM_TRUST}.",
        ),
    ] = None,
    level: Annotated[
        int,
        typer.Option(
            "--level", min=0, max=3, help="Least level: 0 signed, 1 logged, 2 witnessed, 3 stamped."
        ),
    ] = 0,
    allow_extra: Annotated[
        bool, typer.Option("--allow-extra", help="Tolerate DICOM files that the receipt does not cover.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Write a page to file besides: readable, with the receipts inside."
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option("--page", metavar="FILE", help="Write out the offline page that checks receipts."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a bundle and line.")] = False,
) -> None:
    """Check receipts offline: the signature, the signer, the files, and how receipts follow one another.

    Exit status: 0 valid, 1 not valid, 2 unreadable. Trust anchors never come from a bundle: without any the
    answer is "signature consistent, signer unknown" and 1.

    Examples:
      lockgate verify --trust trust/ --files study/ study/receipts/*.receipt.zip

      lockgate verify --trust trust/ --files study/ --html verified.html study/receipts/*.receipt.zip

      lockgate verify --json 0190….receipt.zip

      lockgate verify --page verify.html
    """
    import json
    from datetime import UTC, datetime

    from exchange.receipts.verify.errors import UNREADABLE as UNREADABLE_CODES
    from exchange.receipts.verify.errors import VerificationError
    from exchange.receipts.verify.verifier import Report, Request, verify_bundles

    if page is not None:
        _write_tool(page)
    if not bundles:
        if page is not None:
            return
        raise typer.BadParameter("name at least one receipt, or --page FILE", param_hint="BUNDLE…")
    try:
        anchors = anchors_of(trust)
        request = Request(anchors, datetime.now(UTC), files, allow_extra=allow_extra, level=level)
        reports = verify_bundles(bundles, request)
    except VerificationError as error:
        # Nothing could be checked at all: every bundle gets this answer.
        anchors, reports = None, [Report(str(bundle), first_error=error) for bundle in bundles]
    for report in reports:
        typer.echo(json.dumps(as_object(report), sort_keys=True) if as_json else describe(report, anchors))
    if html is not None:
        _write_page(html, list(zip(bundles, reports, strict=True)), anchors, files=files is not None)
    codes = {report.first_error.code for report in reports if report.first_error is not None}
    if codes & UNREADABLE_CODES:
        raise typer.Exit(UNREADABLE)
    raise typer.Exit(NOT_VALID if codes else VALID)


def _write_tool(target: Path) -> None:
    """The page for those who have no Lockgate: a browser is enough, no network is used."""
    from agent.config.shipped import shipped
    from exchange.durable import write_file

    write_file(target, shipped("deploy/verify/verify.html").read_bytes(), 0o644)


def _write_page(
    target: Path, checked: Sequence[tuple[Path, Report]], anchors: Trust | None, *, files: bool
) -> None:
    from datetime import UTC, datetime
    from importlib.metadata import version

    from exchange.durable import write_file
    from exchange.receipts.pages.verification import Examined, verification_page

    examined = [Examined(path.name, report, bundle_bytes(path)) for path, report in checked]
    page = verification_page(examined, anchors, datetime.now(UTC), version("lockgate"), files=files)
    editions = {report.receipt.edition for _, report in checked if report.receipt is not None}
    write_file(target, page.encode("utf-8"), 0o600 if "site" in editions else 0o644)


def bundle_bytes(path: Path) -> bytes | None:
    """A bundle as a zip, also where it is an unpacked folder; None where it cannot be read."""
    from exchange.receipts.bundle import zipped
    from exchange.receipts.verify.container import MAX_BUNDLE

    try:
        if not path.is_dir():
            return path.read_bytes() if path.stat().st_size <= MAX_BUNDLE else None
        parts = sorted(one for one in path.iterdir() if one.is_file())
        if sum(one.stat().st_size for one in parts) > MAX_BUNDLE:
            return None
        return zipped({one.name: one.read_bytes() for one in parts})
    except OSError:
        return None


def as_object(report: Report) -> dict[str, Any]:
    """The JSON answer for one bundle (`config/schemas/verify.schema.json`)."""
    error = report.first_error
    return {
        "bundle": report.bundle,
        "ok": report.ok,
        "level": report.level,
        "layers": {layer.value: state.value for layer, state in report.layers.items()},
        "firstError": None if error is None else {"code": error.code, "message": error.message},
    }


def describe(report: Report, trust: Trust | None) -> str:
    """The answer for a person: verdict, what was signed, by whom, what was checked, what to do."""
    lines = [f"{'VALID' if report.ok else 'NOT VALID'}  {report.bundle}"]
    receipt = report.receipt
    if receipt is not None:
        state = "" if report.level is not None else " (as the receipt says; not vouched for)"
        lines.append(f"  signed     {receipt.stage} ({receipt.edition} edition), {receipt.direction}{state}")
        lines.append(f"  by         appliance {receipt.agent_id} of {receipt.site}")
        lines.append(f"  at         {receipt.issued_at:%Y-%m-%d %H:%M:%S} UTC by its own clock")
        lines.append(f"  covers     {len(receipt.subjects)} instances of study {receipt.study_instance_uid}")
        lines.append(f"  receipt    {receipt.receipt_id}")
    if trust is not None:
        count = len(trust.authorities)
        lines.append(
            f"  trust      {count} anchor{'' if count == 1 else 's'} from {trust.source or 'nowhere'}"
        )
    if report.level is not None:
        lines.append(f"  level      L{report.level} ({_LEVELS[report.level]})")
    lines.append(
        "  layers     " + ", ".join(f"{_LAYERS[key]} {state}" for key, state in report.layers.items())
    )
    error = report.first_error
    if error is not None:
        lines.append(f"  problem    {error.message} [{error.code}]")
        if error.hint:
            lines.append(f"  next       {error.hint}")
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in "\n".join(lines))


_LAYERS = {"S": "signature", "D": "digests", "C": "chain", "L": "log", "W": "witness", "T": "time"}


_LEVELS = ("signed", "in the log", "witnessed", "stamped")


def anchors_of(named: Path | None) -> Trust:
    """The trust folder: the option, else the environment, else the system's; a named one must exist."""
    from exchange.receipts.verify.trust import Trust, read_trust

    environment = os.environ.get("LOCKGATE_TRUST")
    folder = named or (Path(environment) if environment else None)
    if folder is not None:
        return read_trust(folder)
    return read_trust(SYSTEM_TRUST) if SYSTEM_TRUST.is_dir() else Trust()
