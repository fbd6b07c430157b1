"""The one function that finds shipped data: in the source tree if there is one, else in the share folder.

An editable install copies shared data once and lets it grow stale, so the tree goes first.
"""

import sysconfig
from pathlib import Path

from exchange.domain.errors import ConfigurationError

_TREE = Path(__file__).resolve().parents[2]
_ROOMS = frozenset({"config", "firmware-profiles", "deploy"})


def shipped(relative: str, *, tree: Path = _TREE, share: Path | None = None) -> Path:
    """The shipped file or folder, e.g. `config/profiles/default.yaml`.

    Args:
        relative: Path that begins with `config`, `firmware-profiles` or `deploy`.
        tree: Root of the source tree, if there is one.
        share: Installed share folder; default: `<prefix>/share/lockgate`.

    Raises:
        ConfigurationError: It is in neither.
    """
    path = Path(relative)
    if path.is_absolute() or ".." in path.parts or path.parts[:1] == () or path.parts[0] not in _ROOMS:
        raise ConfigurationError(
            f"cannot look for shipped data under {relative}", "this is a fault in lockgate"
        )
    folder = share if share is not None else Path(sysconfig.get_path("data")) / "share" / "lockgate"
    # Beside an installed package another project may own a `config/`: only our own tree has pyproject.toml.
    roots = [tree, folder] if (tree / "pyproject.toml").is_file() else [folder]
    for root in roots:
        if (root / path).exists():
            return root / path
    raise ConfigurationError(f"cannot find the shipped {relative}", "reinstall lockgate")
