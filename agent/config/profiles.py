"""De-identification profiles by name: in `profiles/` beside the site file, else the shipped ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from agent.config.shipped import shipped
from agent.config.types import NAME
from exchange.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from redact.headers.profile import Profile

OWN_FOLDER = "profiles"


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
        ConfigurationError: There is none, or its file has a mistake.
    """
    if "/" in name or name.endswith(".yaml"):
        return read_profile(Path(name))
    files = profile_files(site_folder)
    if name not in files:
        raise ConfigurationError(f"cannot find the profile {name!r}", f"known are {', '.join(files)}")
    profile = read_profile(files[name])
    if profile.profile_id != name:
        raise ConfigurationError(
            f"cannot use the profile file {files[name].name}: it names itself {profile.profile_id!r}",
            "give file and profile the same name",
        )
    return profile


def read_profile(path: Path) -> "Profile":
    """Read one profile file.

    Raises:
        ConfigurationError: It is missing, is not YAML, or has a mistake; the message names the file.
    """
    from redact.headers.profile import parse_profile  # imports pydicom, which a check of names need not

    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"cannot read the profile {path}: {type(error).__name__}", "give a YAML file"
        ) from error
    if not isinstance(data, dict):
        raise ConfigurationError(
            f"cannot read the profile {path}: it is no mapping", "write profile: and options:"
        )
    try:
        return parse_profile(data)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"cannot use the profile file {path.name}: {error.message}", error.hint
        ) from error
