"""Mutants: each changes a good case in one way, and names the layer that must refuse it.

Named ones are the attacks of the format's section 5 that concern a bundle; random ones draw a place. A
mutator never makes what is equivalent: bytes that nobody signs and nobody reads (zip times, file names,
README, certificates that the CMS carries along, the preamble of a DICOM file) are left alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from tests.hostile.chance import Chance
from tests.vectors.statements import Author
from tests.vectors.studies import Instance
from tests.vectors.world import Case, Files, Site, World, folder_of
from tests.vectors.zips import zipped

Make = Callable[["Bench", Chance], Case]


@dataclass
class Bench:
    """What mutators begin with; made once."""

    world: World = field(default_factory=World)

    @cached_property
    def forger(self) -> Site:
        """Another site under the same names: its own CA, key and log."""
        return Site("forger")

    @cached_property
    def other(self) -> list[Instance]:
        """Another study."""
        return [Instance(f"2.25.{2000 + number}", pixels=bytes([number, 1, 2, 3])) for number in range(3)]

    @property
    def site(self) -> Site:
        """The real site."""
        return self.world.site

    @property
    def first(self) -> Files:
        """The bundle of R1; to be copied, not changed."""
        return self.world.bundles[0]

    def author(self) -> Author:
        """One whose receipts come after the exchange's."""
        return Author(edition=self.world.edition, count=100)

    def case(self, layer: str, *codes: str, bundle: bytes | Files | None = None, **parts: object) -> Case:
        """A case of one bundle, by default R1 with its study."""
        chosen = self.first if bundle is None else bundle
        data = chosen if isinstance(chosen, bytes) else zipped(chosen)
        fields: dict[str, object] = {
            "bundles": (data,),
            "trust": self.site.trust,
            "files": self.world.files,
            **parts,
        }
        return Case("", layer=layer, codes=codes, **fields)  # type: ignore[arg-type]

    def resigned(self, payload: bytes, layer: str, *codes: str) -> Case:
        """Any payload, signed by the real key: a trusted appliance that is broken."""
        return self.case(layer, *codes, bundle=self.site.sign(payload))

    def study_case(self, files: Files, *codes: str) -> Case:
        """R1 beside these files."""
        return self.case("D", *codes, files=files)

    def folder(self) -> Files:
        """The study's files; a copy."""
        return folder_of(self.world.study)


NAMED: dict[str, Make] = {}
RANDOM: dict[str, Make] = {}


def named(name: str) -> Callable[[Make], Make]:
    """Register a mutator that makes one mutant."""
    return _into(NAMED, name)


def drawn(name: str) -> Callable[[Make], Make]:
    """Register a mutator that draws another mutant each time."""
    return _into(RANDOM, name)


def add(table: dict[str, Make], name: str, make: Make) -> None:
    """Register a mutator; a name stands once."""
    assert name not in table, name
    table[name] = make


def mutants(count: int, seed: int = 1) -> Iterator[Case]:
    """So many mutants: named ones and then random ones in turn, the same for the same seed.

    Args:
        count: How many. All named ones are among them when there is room for those and one of each
            random kind; otherwise some of them, evenly.
        seed: Of the random ones.
    """
    bench, names, families = Bench(), list(NAMED), list(RANDOM)
    room = max(0, min(len(names), count - len(families)))
    for at in range(room):
        name = names[at * len(names) // room]
        yield replace(NAMED[name](bench, Chance(seed)), name=name)
    for number in range(count - room):
        name = families[number % len(families)]
        made = RANDOM[name](bench, Chance(f"{seed} {number}"))
        yield replace(made, name=f"{name} #{number // len(families)}")


def _into(table: dict[str, Make], name: str) -> Callable[[Make], Make]:
    def register(make: Make) -> Make:
        add(table, name, make)
        return make

    return register


from tests.vectors.mutants import (  # noqa: E402 - they register themselves in the tables above
    chains,
    digests,
    drawing,
    logs,
    payloads,
    signatures,
    signers,
    zipping,
)  # fmt: skip

__all__ = [
    "NAMED",
    "RANDOM",
    "Bench",
    "Make",
    "add",
    "chains",
    "digests",
    "drawing",
    "drawn",
    "logs",
    "mutants",
    "named",
    "payloads",
    "signatures",
    "signers",
    "zipping",
]
