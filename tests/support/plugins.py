"""A real distribution with recognisers of names, as pip would have installed it into a folder."""

from pathlib import Path

SHA256 = "5e" * 32
MODULE = f"""\
import re

AFTER_TITLE = re.compile(r"(?<!\\w)(?:DR|Dr|MR|Mr|Mrs)\\.? (\\w+)")


class Recogniser:
    sha256 = "{SHA256}"

    def recognise(self, text):
        return [(*match.span(1), "PER", 0.9) for match in AFTER_TITLE.finditer(text)]


class Failing(Recogniser):
    def recognise(self, text):
        raise KeyError("cannot judge: " + text)


class Late(Recogniser):
    def recognise(self, text):
        raise TimeoutError("no time for " + text)


class Hesitant(Recogniser):
    asked = 0

    def recognise(self, text):
        self.asked += 1
        if self.asked <= 2:
            raise TimeoutError("not yet: " + text)
        return super().recognise(text)


class Outside(Recogniser):
    def recognise(self, text):
        return [(0, len(text) + 1, "PER", 1.0)]


class Nameless:
    sha256 = ""

    def recognise(self, text):
        return []


def after_titles(setup):
    return Recogniser()


def failing(setup):
    return Failing()


def late(setup):
    return Late()


def hesitant(setup):
    return Hesitant()


def outside(setup):
    return Outside()


def nameless(setup):
    return Nameless()


def unopened(setup):
    raise RuntimeError("no licence")
"""
OFFERS = ("after-titles", "failing", "late", "hesitant", "outside", "nameless", "unopened")


def install(folder: Path, package: str = "title-names", version: str = "1.4.2") -> Path:
    """Write the distribution; `folder` is to be on the search path."""
    module = package.replace("-", "_")
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir(parents=True)
    (folder / f"{module}.py").write_text(MODULE)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    entries = "".join(f"{one} = {module}:{one.replace('-', '_')}\n" for one in OFFERS)
    (info / "entry_points.txt").write_text(f"[lockgate.names]\n{entries}")
    return folder
