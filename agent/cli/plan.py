"""`lockgate plan`: the effective configuration, and what would happen to a study, without doing it."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.common import ConfigOption, JsonOption, print_json, site_file

if TYPE_CHECKING:
    from agent.config.answers import PlanAnswer, PlannedRoute, PlannedStudy
    from agent.config.firmware import FirmwareProfile
    from redact.headers.profile import NameRecognition
    from redact.identifiers.names import NameRecogniser

EPILOG = """\b
Examples:
  lockgate plan -c site.yaml
  lockgate plan -c site.yaml --study incoming/ --called-ae OUTGOING

Each element is told with the rule that decides: one of the site's, with its line in the profile's file, a
cell of PS3.15 Table E.1-1, an option by its code, or its VR where the table does not list it. Of pixels it
is told how hard they would be read, and why; they are not read here: see lockgate ocr.
Without --called-ae every route whose conditions on the content hold is shown. Nothing is written; values of
the study are neither shown nor kept.
"""


def plan(
    config: ConfigOption = None,
    study: Annotated[
        Path | None, typer.Option(metavar="DIR", exists=True, help="Folder (or file) of a study.")
    ] = None,
    called_ae: Annotated[str | None, typer.Option(help="AE title that the study would be sent to.")] = None,
    calling_ae: Annotated[str, typer.Option(help="AE title that would send it.")] = "",
    peer: Annotated[str, typer.Option(help="Name of the peer that would send it.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show the effective configuration, or which routes a study takes and what each does to its elements."""
    from agent.config.answers import PlanAnswer
    from agent.config.firmware import detect_machine, firmware_profile
    from agent.config.load import load_site
    from agent.policy.facts import ConnectionFacts
    from agent.policy.lookup import load_routes

    path = site_file(config)
    loaded = load_site(path)
    routes = load_routes(loaded)
    machine, firmware = detect_machine(), firmware_profile(loaded.site.firmware_profile)
    studies: tuple[PlannedStudy, ...] | None = None
    refused: dict[str, int] = {}
    if study is not None:
        from agent.policy.plan import plan_studies

        connection = None if called_ae is None else ConnectionFacts(called_ae, calling_ae, peer)
        studies, refused = plan_studies(study, routes, connection, partial(_open_names, firmware))
    answer = PlanAnswer(
        file=str(loaded.file),
        sha256=loaded.sha256,
        firmwareProfile=firmware.profile,
        workers=loaded.site.limits.workers or firmware.worker_count(machine.cores, machine.memory_mib),
        aeTitles=tuple(sorted(loaded.site.accepted_ae_titles)),
        configuration=loaded.site.model_dump(mode="json", exclude_none=True),
        profiles={route.profile.profile_id: route.profile_sha256 for route in routes.routes if route.profile},
        studies=studies,
        refused=refused,
    )
    if as_json:
        print_json(answer.model_dump(mode="json"))
    elif studies is None:
        _show_configuration(answer)
    else:
        _show_studies(studies, refused)


def _open_names(firmware: "FirmwareProfile", wanted: "NameRecognition") -> "NameRecogniser":
    from agent.inference.names import open_names

    return open_names(wanted, firmware.inference.execution_providers)[0]


def _show_configuration(answer: "PlanAnswer") -> None:
    import yaml

    typer.echo(f"# {answer.file}, sha256 {answer.sha256}")
    typer.echo(f"# firmware profile {answer.firmwareProfile}, {answer.workers} workers")
    typer.echo(f"# AE titles that may be called: {', '.join(answer.aeTitles)}")
    for name, digest in answer.profiles.items():
        typer.echo(f"# profile {name}, sha256 {digest}")
    typer.echo(yaml.safe_dump(answer.configuration, sort_keys=False, allow_unicode=True), nl=False)


def _show_studies(studies: "tuple[PlannedStudy, ...]", refused: dict[str, int]) -> None:
    for code, count in refused.items():
        typer.echo(f"{count} files cannot be used: {code}")
    if not studies:
        typer.echo("no DICOM study here")
    for number, study in enumerate(studies, start=1):
        typer.echo(f"study {number}: {study.files} instances, {', '.join(study.modalities) or 'no modality'}")
        if not study.routes:
            typer.echo("  no route takes it: it would be held as unrouted")
        for route in study.routes:
            _show_route(route)


def _show_route(route: "PlannedRoute") -> None:
    from agent.policy.plan import totals

    conditions = ", ".join(f"{key}={value}" for key, value in route.conditions.items())
    typer.echo(f"  route {route.route} ({conditions or 'takes everything'}) -> {', '.join(route.deliver)}")
    typer.echo(
        f"    identity {route.identity}, profile {route.profile or 'none'}, pixels: {route.pixels},"
        f" documents: {route.documents}, names in free text: {route.names}"
    )
    for reading in route.readings:
        line = f" (line {reading.line})" if reading.line else ""
        typer.echo(f"    {reading.count} images read as {reading.mode}: {reading.reason}{line}")
    for check in route.spotChecks:
        typer.echo(f"    held for a person: {check}")
    if route.reason:
        typer.echo(f"    reason: {route.reason}")
    if route.unknown:
        typer.echo(f"    domain {route.pseudonymDomain}; a patient unknown in it: {route.unknown}")
    for code, count in route.held.items():
        typer.echo(f"    {count} instances would be held: {code}")
    for element in route.elements:
        name = element.keyword or "private or unknown"
        typer.echo(f"    {element.action:9}{element.count:>6}  {element.path}  {name}: {element.reason}")
    summary = ", ".join(f"{count} {action}" for action, count in totals(route.elements).items())
    typer.echo(f"    in all: {summary}" if summary else "    no element is changed")
