"""`lockgate ocr FILE`: what is read in the pixels, and why it would stay or go. It shows the text."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.common import ConfigOption, JsonOption, print_json, site_file

if TYPE_CHECKING:
    from agent.config.answers import OcrAnswer, OcrBox
    from redact.headers.profile import Profile

EPILOG = """\b
Examples:
  lockgate ocr image.dcm
  lockgate ocr cine.dcm --frame 12 --profile teleradiology
  lockgate ocr image.dcm --json --preview pictures/
  lockgate ocr image.dcm -c site.yaml --profile ours
  lockgate ocr image.dcm -c site.yaml --route second-opinion

This command shows the text in the image, and with it whom it may name: that is what it is for. The text goes
to your terminal only: to no log, no report, no file's name; pictures are named by the number of the frame.
Identifiers are those of the file's own header; a route also knows those of the whole study and of the
patient's earlier exchanges.

Exit codes: 0 read, 1 the file would be held, 2 it or the profile cannot be used.
"""


def ocr(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A DICOM file.")],
    frame: Annotated[int | None, typer.Option(min=0, help="Read this frame only, counted from 0.")] = None,
    profile: Annotated[
        str, typer.Option(help="Profile: a shipped or site name, or a YAML file.")
    ] = "default",
    config: ConfigOption = None,
    route: Annotated[str | None, typer.Option(help="By the profile of this route of the site file.")] = None,
    preview: Annotated[
        Path | None, typer.Option(help="Write pictures of the frames with their lines here. They show PHI.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show each line of text that is read in a file's pixels, and why it would stay or go. It shows PHI."""
    from agent.config.firmware import firmware_profile
    from agent.config.logs import configure_logs
    from agent.inference.readers import open_reader, open_store
    from agent.pipeline.looking import look, write_pictures
    from exchange.domain.errors import HeldError

    configure_logs(level="error")
    chosen = _chosen(profile, config, route)
    reader, _ = open_reader(open_store(), "cleaner", firmware_profile().inference.execution_providers)
    try:
        answer = look(file, chosen, reader, frame)
        if preview is not None:
            answer = write_pictures(file, answer, preview)
    except HeldError as error:
        typer.echo(f"held: {error.code}: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        print_json(answer.model_dump(mode="json"))
    else:
        _tell(answer)
    raise typer.Exit(1 if answer.held else 0)


def _chosen(name: str, config: Path | None, route: str | None) -> "Profile":
    """The profile that decides: a shipped or a site's own, or that of one of its routes."""
    from agent.config.load import load_site
    from agent.config.profiles import load_profile
    from agent.policy.lookup import load_routes

    if route is None:
        return load_profile(name, config.resolve().parent if config is not None else None)
    loaded = load_site(site_file(config))
    try:
        profile = load_routes(loaded).named(route).profile
    except KeyError:
        known = ", ".join(one.name for one in loaded.site.routes)
        raise typer.BadParameter(f"there is no route {route}; there are {known}") from None
    if profile is None:
        raise typer.BadParameter(f"the route {route} has no profile: it leaves pixels as they are")
    return profile


def _tell(answer: "OcrAnswer") -> None:
    if not answer.examined:
        print(f"the profile {answer.profile} does not clean pixels (113101): all of this would stay")
    shown = (
        f"frame {answer.frame} of {answer.frames}" if answer.frame is not None else f"{answer.frames} frames"
    )
    print(f"{shown}, profile {answer.profile}, mode {answer.mode}: {answer.modeReason}")
    for one in answer.lines:
        rendering = f"{one.rendering}{', negative' if one.negative else ''}"
        read = f"{one.confidence:.3f}  {_place(one)}  {one.text!r}  ({rendering})"
        print(f"{one.outcome:<8}{read}\n{'':8}{one.reason}")
    for index, first in answer.sameAs.items():
        print(f"frame {index} has the bytes of frame {first}")
    for box in answer.boxes:
        print(f"would be filled: {_place(box)}  {box.rule} {box.confidence:.3f}")
    for code in answer.held:
        print(f"the file would be held: {code}")
    if not answer.lines:
        print("nothing is read")


def _place(box: "OcrBox") -> str:
    return f"frame {box.frame}: {box.x0},{box.y0},{box.x1},{box.y1}"
