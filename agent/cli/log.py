"""`lockgate log show|export|fsck|prove|vkey`: reading, publishing and checking the transparency log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.common import ConfigOption, JsonOption, print_json, site_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.models import Site
    from agent.daemon.log_answers import LogLeafAnswer
    from exchange.log.leaves import Leaf
    from exchange.log.reader import LogReader

EPILOG = """\b
Examples:
  lockgate log show --since 2026-11-01 --kind crosswalk.open
  lockgate log show --exchange 0190c2f4 --json
  lockgate log export /srv/www/log
  lockgate log fsck
  lockgate log prove 4711 > leaf.tlog-proof
  lockgate log prove study/receipts/0190….receipt.zip
  lockgate log vkey > lockgate.vkey
"""
NOT_WELL = 1

app = typer.Typer(
    help="Show, export, check and prove the log of everything that happened.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EPILOG,
)


@app.callback()
def log() -> None:
    """Show, export, check and prove the log of everything that happened."""


@app.command(epilog="Example: lockgate log show --since 2026-11-01 --kind review.decision --json")
def show(
    since: Annotated[str, typer.Option(metavar="TIME", help="Only from this UTC day or time on.")] = "",
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind; may be repeated.")] = None,
    exchange: Annotated[str, typer.Option(help="Only of the exchange whose id begins so.")] = "",
    people: Annotated[
        bool, typer.Option("--people", help="Open the erasable part too: who it was, in words.")
    ] = False,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a leaf and line.")] = False,
) -> None:
    """List the leaves, oldest first, over all generations. That it was read is logged first."""
    from agent.daemon.audit import record_audit

    site = _site(config)
    record_audit(site, "audit.read", {"people": int(people)})
    for generation, leaf in _leaves(site):
        said = str(leaf.obj.get("exchange", ""))
        if leaf.t < since or (kind and leaf.kind not in kind) or not said.startswith(exchange):
            continue
        shown = _answer(site, generation, leaf, people=people)
        typer.echo(shown.model_dump_json() if as_json else _line(shown, people=people and bool(leaf.private)))


@app.command(epilog="Example: lockgate log export /srv/www/log")
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New or empty folder.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a copy that a web server can serve as C2SP tlog-tiles. Leaves name nobody; private rows stay."""
    from agent.daemon.audit import record_audit
    from agent.daemon.log_answers import LogExportAnswer
    from exchange.log.export import export as write
    from exchange.log.reader import LogReader

    site = _site(config)
    record_audit(site, "audit.exported", {})
    reader = LogReader.open(site.log_folder)
    files = write(reader, folder)
    answer = LogExportAnswer(origin=reader.head.origin, leaves=reader.head.size, files=files)
    if as_json:
        print_json(answer.model_dump())
    else:
        typer.echo(f"{answer.leaves} leaves of {answer.origin} in {files} files: {folder}")


@app.command(epilog="Example: lockgate log fsck --json")
def fsck(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Derive everything anew from the leaves; name the first wrong thing. Exit code: 0 sound, 1 not."""
    from agent.daemon.log_answers import LogCheckAnswer
    from exchange.keys.log import LogKeys
    from exchange.log.fsck import fsck as check
    from exchange.log.opening import LogPlaces

    site = _site(config)
    found = check(LogPlaces(site.log_folder, site.log_heads_file), LogKeys.from_folder(site.keys))
    if as_json:
        print_json([LogCheckAnswer.model_validate(one).model_dump() for one in found])
    for one in [] if as_json else found:
        state = "sound" if one.ok else f"NOT SOUND  {one.place}: {one.problem}"
        typer.echo(f"generation {one.generation}  {one.leaves} leaves  root {one.root[:16]}…  {state}")
    if not all(one.ok for one in found):
        raise typer.Exit(NOT_WELL)


@app.command(epilog="Example: lockgate log prove 4711 > leaf.tlog-proof")
def prove(
    what: Annotated[
        str, typer.Argument(metavar="SEQ|RECEIPT", help="A leaf's number, a receipt's id, or its bundle.")
    ],
    config: ConfigOption = None,
) -> None:
    """Print the tlog-proof@v1 that a leaf is in the log, under the newest checkpoint."""
    from exchange.log.reader import LogReader

    site = _site(config)
    reader = LogReader.open(site.log_folder)
    number = int(what) if what.isascii() and what.isdigit() else _leaf_of_receipt(reader, what)
    typer.echo(reader.proof(number).decode(), nl=False)


@app.command(epilog="Example: lockgate log vkey > trust/lockgate.vkey")
def vkey(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print the keys that verify this log's checkpoints: for the trust folders of partners and auditors."""
    from agent.daemon.log_answers import LogKeysAnswer
    from exchange.keys.log import LogKeys
    from exchange.log.reader import generations

    site = _site(config)
    keys = LogKeys.from_folder(site.keys)
    newest = max(generations(site.log_folder), default=1)
    answer = LogKeysAnswer(origin=keys.origin(newest), vkeys=keys.vkeys(newest))
    if as_json:
        print_json(answer.model_dump(mode="json"))
        return
    for line in answer.vkeys:
        typer.echo(line)


def _site(config: Path | None) -> Site:
    from agent.config.load import load_site

    return load_site(site_file(config)).site


def _leaves(site: Site) -> Iterator[tuple[int, Leaf]]:
    from exchange.log.reader import LogReader, generations

    for generation in generations(site.log_folder):
        for leaf in LogReader.open(site.log_folder, generation).read():
            yield generation, leaf


def _answer(site: Site, generation: int, leaf: Leaf, *, people: bool) -> LogLeafAnswer:
    from agent.daemon.log_answers import LogLeafAnswer

    return LogLeafAnswer(
        generation=generation,
        seq=leaf.seq,
        t=leaf.t,
        kind=leaf.kind,
        outcome=leaf.outcome,
        actor=leaf.actor,
        obj=dict(leaf.obj),
        people=_people(site, generation, leaf) if people and leaf.private else None,
    )


def _people(site: Site, generation: int, leaf: Leaf) -> dict[str, str] | None:
    from exchange.keys.log import LogKeys
    from exchange.log.private import PrivateRows
    from exchange.log.writer import PRIVATE_ROWS

    key = LogKeys.from_folder(site.keys).private
    rows = PrivateRows.read(site.log_folder / PRIVATE_ROWS, key)
    if rows is None:
        return None
    try:
        return rows.reveal(generation, leaf.seq, leaf.private)
    finally:
        rows.close()


def _line(shown: LogLeafAnswer, *, people: bool) -> str:
    facts = [f"{name}={value}" for name, value in shown.obj.items()]
    if shown.actor:
        facts.append(f"actor={shown.actor[:8]}")
    if shown.outcome != "ok":
        facts.insert(0, shown.outcome)
    if people:
        said = shown.people
        facts.append("people erased" if said is None else "; ".join(f"{k}: {v}" for k, v in said.items()))
    text = f"{shown.generation}/{shown.seq:<7} {shown.t}  {shown.kind:<20} {' '.join(facts)}"
    return "".join(char if char.isprintable() else "?" for char in text)


def _leaf_of_receipt(reader: LogReader, what: str) -> int:
    """The leaf of a receipt, by its bundle's payload or by its id (the newest edition of it)."""
    import zipfile

    from exchange.domain.errors import LogError
    from exchange.receipts.dsse import pae_sha256

    path = Path(what)
    needle = f'"receipt":"{what}"'
    if path.exists():
        try:
            if path.is_dir():
                payload = (path / "receipt.json").read_bytes()
            else:
                with zipfile.ZipFile(path) as bundle:
                    payload = bundle.read("receipt.json")
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise LogError(f"cannot read {what}: it is no receipt bundle") from error
        needle = f'"paeSha256":"{pae_sha256(payload)}"'
    found = reader.find(needle.encode(), reader.head.size)
    if found is None:
        raise LogError("cannot prove this receipt: the log has no leaf of it", "name a number, or a bundle")
    return found
