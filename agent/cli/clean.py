"""`lockgate clean IN OUT`: offline de-identification by the daemon's own stages."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.common import ConfigOption

if TYPE_CHECKING:
    from agent.pipeline.epochs import KeyEpochs
    from agent.pipeline.report import CleanReport

EPILOG = """\b
Examples:
  lockgate clean incoming/ cleaned/
  lockgate clean incoming/ cleaned/ --key domain.key --report report.json
  lockgate clean one.dcm cleaned/ --profile default --preview pictures/

OUT receives <study>/<series>/<instance>.dcm under the new UIDs. Held and failed files are not written.
Exit codes: 0 all clean, 1 some held or failed, 2 usage.
"""


def clean(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A DICOM file, or a folder of them.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="A new or empty folder, not inside IN.")],
    profile: Annotated[
        str, typer.Option(help="Profile: a shipped or site name, or a YAML file.")
    ] = "default",
    config: ConfigOption = None,
    key: Annotated[
        Path | None, typer.Option(help="File of at least 32 secret bytes; the same key, the same pseudonyms.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the JSON report here (mode 0600).")] = None,
    preview: Annotated[
        Path | None,
        typer.Option(help="Write before/after pictures of touched frames and contact sheets. They show PHI."),
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes; default: one a core.")] = None,
    dciodvfy: Annotated[
        Path | None, typer.Option(help="The program dciodvfy; a new error of its holds the file.")
    ] = None,
    domain: Annotated[str, typer.Option(help="Pseudonym domain, as on a route.")] = "clean",
    as_json: Annotated[bool, typer.Option("--json", help="Print the report to standard output.")] = False,
) -> None:
    """De-identify a file or folder offline, and prove it, exactly as a route would."""
    import os

    from agent.config.firmware import firmware_profile
    from agent.config.logs import configure_logs
    from agent.config.profiles import load_profile
    from agent.daemon.build import worker_facts
    from agent.pipeline.offline import CleanJob, clean_offline
    from agent.pipeline.previews import write_previews
    from agent.pipeline.work import START
    from agent.workers.pool import Pool
    from exchange.durable import write_file

    configure_logs(level="error")
    if config is not None and key is not None:
        raise typer.BadParameter("report and preview may show PHI: put them outside OUT, which leaves")
    slots = jobs or max(1, len(os.sched_getaffinity(0)))
    with ExitStack() as stack:
        folder = config.resolve().parent if config is not None else None
        chosen = load_profile(profile, folder)
        epochs = _epochs(config, key, domain, stack, quiet=chosen.retains_identity)
        job = CleanJob(source, target, chosen, epochs, _progress)
        pool = Pool(slots, START, worker_facts(firmware_profile(), _program(dciodvfy)))
        stack.callback(pool.close, 1.0)
        done = clean_offline(job, pool, slots)
    if report is not None:
        write_file(report, done.to_json().encode(), 0o600)
    if preview is not None:
        write_previews(source, target, done, preview)
    if as_json:
        print(done.to_json(), end="")
    else:
        _tell(done, report)
    raise typer.Exit(0 if not (done.totals.held or done.totals.failed) else 1)


def _program(path: Path | None) -> Path | None:
    """The program's file; a bare name is looked for as the shell does."""
    if path is None:
        return None
    import shutil

    found = shutil.which(path)
    if found is None:
        raise typer.BadParameter(f"there is no program {path}; install dicom3tools, or leave --dciodvfy out")
    return Path(found).resolve()


def _epochs(
    config: Path | None, key: Path | None, domain: str, stack: ExitStack, *, quiet: bool
) -> "KeyEpochs":
    """The pseudonym keys, a site's as its own routes use them; `quiet` where no pseudonym is made."""
    from agent.config.load import load_site
    from agent.pipeline.epochs import KeyEpochs
    from exchange.crosswalk.store import Crosswalk
    from exchange.keys.domains import DomainKeys
    from exchange.keys.signing import read_private_file
    from exchange.keys.site import CROSSWALK_KEY

    if config is not None:
        loaded = load_site(config)
        site = loaded.site
        crosswalk = None
        if site.crosswalk_file.exists():
            crosswalk = Crosswalk.open(site.crosswalk_file, read_private_file(site.keys / CROSSWALK_KEY))
            stack.enter_context(crosswalk)
        return KeyEpochs(DomainKeys.from_folder(site.keys), domain, site.site, crosswalk)
    if key is not None:
        return KeyEpochs(DomainKeys.from_file(key), domain, "")
    if not quiet:
        typer.echo(
            "warning: a random key for this run only: its pseudonyms cannot be repeated; see --key", err=True
        )
    return KeyEpochs(DomainKeys.ephemeral(), domain, "")


def _progress(done: int, total: int) -> None:
    """One line on a terminal, rewritten; nothing where nobody looks."""
    if sys.stderr.isatty():
        end = "\n" if done >= total else ""
        print(f"\r{done} of {total} files", end=end, file=sys.stderr, flush=True)


def _tell(done: "CleanReport", report: Path | None) -> None:
    """A line for each file that did not come through, and the totals."""
    for one in done.files:
        if one.status != "clean":
            reasons = ", ".join(f"{r.code} {r.path}".strip() for r in one.reasons)
            print(f"{one.status:<7}{one.input}: {reasons}")
    if done.identity == "retained":
        print(f"identity: retained ({done.reason}): what is clean names its patient")
    totals = done.totals
    print(f"{totals.clean} clean, {totals.held} held, {totals.failed} failed")
    if report is not None:
        print(f"report: {report}")
