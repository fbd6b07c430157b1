"""De-identification profiles by name: in `profiles/` beside the site file, else the shipped ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.config.problems import MistakesError, Problem, nearest
from agent.config.shipped import shipped
from agent.config.source import Path as Place
from agent.config.source import Position, Source, read_source
from agent.config.translate import place, words
from agent.config.types import NAME
from exchange.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from agent.config.profile_file import RuleEntry
    from redact.headers.profile import Documents, NameRecognition, Profile
    from redact.headers.site_rules import SiteRule
    from redact.pixels.rules import PixelRules

OWN_FOLDER = "profiles"
_MOST_BYTES = 1 << 20
_SEE = "see config/schemas/profile.schema.json"


@dataclass(frozen=True, slots=True)
class LoadedProfile:
    """A valid profile and where it stands."""

    profile: "Profile"
    title: str
    file: Path


def profile_files(site_folder: Path | None = None) -> Mapping[str, Path]:
    """Every profile's file by name, sorted; a site's own takes precedence over a shipped one of its name."""
    folders = [shipped("config/profiles")]
    if site_folder is not None and (site_folder / OWN_FOLDER).is_dir():
        folders.append(site_folder / OWN_FOLDER)
    found = {
        path.stem: path for folder in folders for path in folder.glob("*.yaml") if NAME.fullmatch(path.stem)
    }
    return dict(sorted(found.items()))


def load_profile(name: str, site_folder: Path | None = None) -> "Profile":
    """The profile of this name, or of the file that `name` is the path of.

    Args:
        name: A profile's name; with a slash or ending in `.yaml`, a file.
        site_folder: Folder of the site file, whose `profiles/` are looked at first.

    Raises:
        ConfigurationError: There is none.
        MistakesError: Its file has mistakes.
    """
    return find_profile(name, site_folder).profile


def find_profile(name: str, site_folder: Path | None = None) -> LoadedProfile:
    """As `load_profile`, with the file that it stands in."""
    if "/" in name or name.endswith(".yaml"):
        return read_profile(Path(name))
    files = profile_files(site_folder)
    if name not in files:
        raise ConfigurationError(f"cannot find the profile {name!r}", f"known are {', '.join(files)}")
    return read_profile(files[name], name)


def read_profile(path: Path, name: str = "") -> LoadedProfile:
    """Read one profile file.

    Args:
        path: The file.
        name: What it must name itself; "" lets it choose.

    Raises:
        MistakesError: A `ConfigurationError` with every mistake in `.problems`.
    """
    file = str(path)
    try:
        data = path.read_bytes()
        text = data.decode("utf-8") if len(data) <= _MOST_BYTES else ""
    except (OSError, UnicodeDecodeError) as error:
        raise MistakesError(
            file,
            [Problem(file, 0, 0, f"cannot be read: {type(error).__name__}", "give a file of UTF-8 text")],
        ) from error
    if len(data) > _MOST_BYTES:
        raise MistakesError(file, [Problem(file, 0, 0, "is larger than 1 MiB", "give a profile")])
    reading = _Reading(file, read_source(text), path.resolve().parent)
    profile = reading.profile(name)
    if profile is None:
        raise MistakesError(file, reading.problems)
    return LoadedProfile(profile, str(reading.source.value.get("title") or ""), path)


def profile_of(data: Mapping[str, Any]) -> "Profile":
    """A profile of what a file would hold.

    Raises:
        MistakesError: A `ConfigurationError` with every mistake in `.problems`, without lines.
    """
    reading = _Reading("profile", Source(value=dict(data)), Path.cwd())
    profile = reading.profile("")
    if profile is None:
        raise MistakesError("the profile", reading.problems)
    return profile


class _Reading:
    """One reading of a profile file: all its mistakes, or the profile."""

    def __init__(self, file: str, source: Source, folder: Path) -> None:
        self.source = source
        self._folder = folder
        self._file = file
        self.problems = [
            Problem(file, one.position.line, one.position.column, one.message, one.instead)
            for one in source.mistakes
        ]

    def profile(self, name: str) -> "Profile | None":
        """The profile; None where there are mistakes, which `problems` then holds."""
        from agent.config.profile_file import ProfileFile  # imports pydicom: 0.2 s that not every verb needs
        from redact.headers.profile import Documents, Option, Profile

        value = self.source.value
        if not isinstance(value, dict):
            if not self.problems:
                self._say((), "a profile is keys and values", "write profile: and options:")
            return None
        try:
            ProfileFile.model_validate(value)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                path, position = place(one, self.source)
                message, instead = words(one, path, self.source, ProfileFile, _SEE)
                self._at(position, message, instead)
        if name and isinstance(value.get("profile"), str) and value["profile"] != name:
            self._say(("profile",), f"the file names itself {value['profile']}", f"write {name}, as the file")
        listed = value.get("options")
        known = [str(code) for code in listed] if isinstance(listed, list) else []
        for index, code in enumerate(known):
            if code in known[:index]:
                self._say(("options", index), f"{code} is listed twice", "leave one")
        options = frozenset(option for option in Option if option.value in known)
        rules = list(self._rules(value.get("rules")))
        rebuilds = value.get("documents") == Documents.REBUILD.value
        documents = Documents.REBUILD if rebuilds else Documents.HOLD
        reason = self._reason(value)
        retained = value.get("identity") == "retained"
        names = self._names(value.get("names"))
        pixels = self._pixels(value.get("pixels"), known)
        self._documents(documents, options, retained=retained)
        self._meaning(options, rules, retained=retained)
        self.problems = list(dict.fromkeys(self.problems))
        if self.problems:
            return None
        return Profile(str(value["profile"]), options, tuple(rules), documents, reason, names, pixels)

    def _reason(self, value: Mapping[str, Any]) -> str:
        """Why identity is retained; "" where it is removed."""
        reason = value.get("reason")
        said = reason.strip() if isinstance(reason, str) else ""
        if value.get("identity") == "retained":
            if not said and (reason is None or isinstance(reason, str)):
                self._say(
                    ("reason",) if reason is not None else ("identity",),
                    "identity: retained has no reason",
                    "add reason: why this recipient gets the identity; receipts say it",
                )
            return " ".join(said.split())
        if reason is not None:
            message, instead = "a reason is for identity: retained only", "leave it out"
            self._at(self.source.key_at(("reason",)), message, instead)
        return ""

    def _names(self, raw: object) -> "NameRecognition | None":
        """What looks for names; None where nothing does, or what is written is not well-formed."""
        from agent.config.profile_file import Names
        from agent.config.recognisers import distribution_of, installed_recognisers
        from redact.headers.profile import NameRecognition

        try:
            entry = Names.model_validate(raw)
        except ValidationError:
            return None  # said already
        known = installed_recognisers()
        offers = known.get(entry.recogniser, ())
        if not offers:
            near = nearest(entry.recogniser, tuple(known))
            hint = f"did you mean {near}? " if near else ""
            message = f"no recogniser of names {entry.recogniser!r} is installed"
            self._say(("names", "recogniser"), message, f"{hint}installed are {', '.join(known)}")
        elif len(offers) > 1:
            packages = " and ".join(distribution_of(one)[0] for one in offers)
            message = f"{packages} both offer the recogniser of names {entry.recogniser}"
            self._say(("names", "recogniser"), message, "uninstall one")
        if entry.model is not None and entry.sha256 is None:
            self._say(("names", "model"), "the model is not pinned", "add sha256: what its digest must be")
        folder = self._folder / entry.model if entry.model is not None else None
        if folder is not None and not folder.is_dir():
            self._say(("names", "model"), f"there is no folder {folder}", "name the folder of the model")
        return NameRecognition(
            entry.recogniser, entry.threshold, entry.sha256 or "", str(folder) if folder else ""
        )

    def _pixels(self, raw: object, options: Sequence[str]) -> "PixelRules":
        """What becomes of text in pixels; the default where nothing, or nothing well-formed, is written."""
        from agent.config.profile_file import Pixels
        from redact.pixels.rules import PixelRules, pixels_objections

        try:
            entry = Pixels.model_validate(raw)
        except ValidationError:
            return PixelRules()  # said already, where there is a section
        modes = []
        for index, mode in enumerate(entry.modes):
            path: Place = ("pixels", "modes", index)
            unknown = list(mode.when.unknown((*path, "when"))) if mode.when else []
            for where, (message, instead) in unknown:
                self._at(self.source.key_at(where), message, instead)
            if not unknown:
                modes.append(mode.rule(self.source.at(path).line if self.source.values else 0))
        for about, objection in pixels_objections(modes, options):
            self._say(("pixels",) if about is None else ("pixels", "modes", about), *objection)
        return PixelRules(entry.uncertain, frozenset(entry.markers), tuple(modes), entry.fill)

    def _rules(self, listed: object) -> "Iterator[SiteRule]":
        """The rules that are well-formed, each judged apart from the others."""
        from agent.config.profile_file import RuleEntry

        for index, raw in enumerate(listed if isinstance(listed, list) else ()):
            try:
                entry = RuleEntry.model_validate(raw)
            except ValidationError:
                continue  # said already
            path: Place = ("rules", index)
            if self._understood(entry, path):
                yield entry.site_rule(index + 1, self.source.at(path).line if self.source.values else 0)

    def _understood(self, entry: "RuleEntry", path: Place) -> bool:
        unknown = list(entry.when.unknown((*path, "when"))) if entry.when else []
        for where, (message, instead) in unknown:
            self._at(self.source.key_at(where), message, instead)
        for key in ("group", "element"):
            where = (*path, "private", key)
            written = self.source.plain.get(where, "0x")
            if not written.lower().startswith("0x"):
                self._say(where, f"{key} {written} is read as a decimal number", f"write 0x{written}")
        return not unknown

    def _documents(self, documents: "Documents", options: "frozenset[Any]", *, retained: bool) -> None:
        from redact.headers.profile import documents_objection

        if (wrong := documents_objection(documents, options, retained=retained)) is not None:
            self._say(("documents",), *wrong)

    def _meaning(self, options: "frozenset[Any]", rules: "Sequence[SiteRule]", *, retained: bool) -> None:
        from redact.headers.profile import objections_to

        for rule, (message, instead) in objections_to(options, rules, retained=retained):
            self._say(("options",) if rule is None else ("rules", rule.number - 1), message, instead)

    def _say(self, path: Place, message: str, instead: str) -> None:
        self._at(self.source.at(path), message, instead)

    def _at(self, position: Position, message: str, instead: str) -> None:
        self.problems.append(Problem(self._file, position.line, position.column, message, instead))
