"""`lockgate profiles list|show|diff`: de-identification profiles, and what two of them do differently."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.common import JsonOption, print_json

if TYPE_CHECKING:
    from agent.config.answers import ProfileDifference, ShownNames, ShownPixels

EPILOG = """\b
Examples:
  lockgate profiles list
  lockgate profiles show research
  lockgate profiles diff default research
  git show HEAD~1:profiles/trial.yaml > old.yaml; lockgate profiles diff old.yaml profiles/trial.yaml

A name is a shipped profile's, or one of the site's own with -c; what has a slash or ends in .yaml is a file.
What a profile does to a study is shown by lockgate plan --study; lockgate check tells every mistake of one.
names: in a profile lets a plug-in look for names in free text (docs/adr/0017-names-by-plug-in.md).
"""

app = typer.Typer(
    help="List, show and compare de-identification profiles.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EPILOG,
)
SiteOption = Annotated[
    Path | None,
    typer.Option("-c", "--config", metavar="FILE", help="Site file, whose profiles/ are looked at first."),
]
Named = Annotated[str, typer.Argument(metavar="PROFILE", help="A name or a YAML file.")]


@app.command("list", epilog="Exit codes: 0, 2 where a profile has mistakes.")
def list_(config: SiteOption = None, as_json: JsonOption = False) -> None:
    """The shipped profiles and the site's own: digest, options, number of rules."""
    from agent.config.answers import ListedProfile, ProfilesAnswer
    from agent.config.profiles import find_profile, profile_files

    folder = _folder(config)
    listed = []
    for name in profile_files(folder):
        loaded = find_profile(name, folder)
        listed.append(
            ListedProfile(
                profile=name,
                file=str(loaded.file),
                sha256=loaded.profile.sha256,
                title=loaded.title,
                identity=loaded.profile.identity,
                options=tuple(sorted(loaded.profile.options)),
                rules=len(loaded.profile.rules),
            )
        )
    if as_json:
        print_json(ProfilesAnswer(profiles=tuple(listed)).model_dump(mode="json"))
        return
    for one in listed:
        print(f"{one.profile:<20}{one.sha256[:16]}  identity {one.identity}  {one.rules} rules  {one.title}")


@app.command(epilog="Exit codes: 0, 2 where the profile has mistakes or is not there.")
def show(profile: Named, config: SiteOption = None, as_json: JsonOption = False) -> None:
    """One profile: its options by name, and its rules in the order in which they count."""
    from pydicom.datadict import keyword_for_tag

    from agent.config.answers import ProfileAnswer, ShownRule
    from agent.config.profiles import find_profile
    from agent.policy.difference import shown_names, shown_pixels
    from redact.headers.profile import BASIC_PROFILE_CODE, CODE_MEANINGS, IDENTITY
    from redact.headers.tables import edition

    loaded = find_profile(profile, _folder(config))
    codes = (BASIC_PROFILE_CODE, *sorted(loaded.profile.options))
    ordered = sorted(loaded.profile.rules, key=lambda rule: rule.rank, reverse=True)
    answer = ProfileAnswer(
        profile=loaded.profile.profile_id,
        file=str(loaded.file),
        sha256=loaded.profile.sha256,
        title=loaded.title,
        identity=loaded.profile.identity,
        reason=loaded.profile.reason,
        kept=tuple(map(keyword_for_tag, IDENTITY)) if loaded.profile.retains_identity else (),
        tableEdition=edition(),
        options={code: CODE_MEANINGS[code] for code in codes},
        documents=loaded.profile.documents.value,
        pixels=shown_pixels(loaded.profile),
        names=shown_names(loaded.profile),
        rules=tuple(
            ShownRule(
                number=rule.number,
                line=rule.line,
                selects=str(rule.selector),
                action=rule.action.value,
                value=rule.value,
                when=str(rule.when) if rule.when else "",
            )
            for rule in ordered
        ),
    )
    if as_json:
        print_json(answer.model_dump(mode="json"))
        return
    print(f"{answer.profile}: {answer.title}\n{answer.file}, sha256 {answer.sha256}")
    print(f"PS3.15 Table E.1-1, edition {answer.tableEdition}")
    if answer.kept:
        print(f"identity: retained ({answer.reason}): {', '.join(answer.kept)}")
    for code, meaning in answer.options.items():
        print(f"  {code}  {meaning}")
    print(f"  documents: {answer.documents}")
    print(f"  text in pixels: {_pixels(answer.pixels)}")
    print(f"  names in free text: {_names(answer.names)}")
    for rule in ordered:
        print(f"  site rule {rule.number} (line {rule.line}): {rule}")


@app.command(epilog="Exit codes: 0 both do the same, 1 they differ, 2 one has mistakes or is not there.")
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A name or a YAML file.")],
    after: Annotated[str, typer.Argument(metavar="B", help="A name or a YAML file.")],
    config: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every option, rule and element that two profiles, or two versions of one, treat differently."""
    from agent.config.profiles import find_profile
    from agent.policy.difference import difference

    folder = _folder(config)
    found = difference(find_profile(before, folder), find_profile(after, folder))
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _tell(found)
    raise typer.Exit(0 if found.same else 1)


def _folder(config: Path | None) -> Path | None:
    """The site's folder. The site file itself is not read: a profile can be looked at whatever it says."""
    if config is not None and not config.is_file():
        raise typer.BadParameter(f"{config} is not there")
    return config.resolve().parent if config is not None else None


def _names(shown: "ShownNames | None") -> str:
    if shown is None:
        return "not looked for"
    pin = f", sha256 {shown.sha256}" if shown.sha256 else ""
    return f"{shown.recogniser}, threshold {shown.threshold:g}{pin}"


def _pixels(shown: "ShownPixels | None") -> str:
    if shown is None:
        return "not looked for"
    modes = "; ".join(shown.modes) or "by modality and image type"
    kept = ", ".join(shown.markers) or "none"
    return f"uncertain lines: {shown.uncertain}; markers kept: {kept}; modes: {modes}; fill: {shown.fill}"


def _tell(found: "ProfileDifference") -> None:
    from redact.headers.profile import CODE_MEANINGS

    print(f"--- {found.before.profile} {found.before.file} sha256 {found.before.sha256}")
    print(f"+++ {found.after.profile} {found.after.file} sha256 {found.after.sha256}")
    if found.identityBefore != found.identityAfter:
        print(f"  identity: {found.identityBefore} -> {found.identityAfter}")
    for sign, codes in (("-", found.optionsRemoved), ("+", found.optionsAdded)):
        for code in codes:
            print(f"{sign} option {code}  {CODE_MEANINGS[code]}")
    sides = (
        ("documents", found.documentsBefore, found.documentsAfter),
        ("pixels", _pixels(found.pixelsBefore), _pixels(found.pixelsAfter)),
        ("names", _names(found.namesBefore), _names(found.namesAfter)),
    )
    for what, was, now in sides:
        if was != now:
            print(f"- {what}: {was}\n+ {what}: {now}")
    for rule in found.rules:
        if rule.before is not None:
            print(f"- rule (line {rule.lineBefore}): {rule.before}")
        if rule.after is not None:
            print(f"+ rule (line {rule.lineAfter}): {rule.after}")
    for one in found.elements:
        before, after = one.before, one.after
        done = f"{before.action} ({before.reason}) -> {after.action} ({after.reason})"
        print(f"  {one.tag}  {one.keyword}: {done}")
    print("both do the same" if found.same else f"{len(found.elements)} elements are treated differently")
