"""A site with its CA, appliance and log, what it receipted, and cases: bundles, study and trust together."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509

from tests.vectors.certificates import RIGHT, Odd, appliance, authority, pem
from tests.vectors.keys import P256
from tests.vectors.logs import Log
from tests.vectors.signing import detached, envelope, signed
from tests.vectors.statements import NOW, Author, Document, canonical, digest
from tests.vectors.studies import Instance, study
from tests.vectors.zips import zipped

Files = dict[str, bytes]
AT = NOW + timedelta(minutes=10)
PROOF = "receipt.tlog-proof"


@dataclass(frozen=True)
class Case:
    """What a verifier is given, and what it must find.

    Attributes:
        name: Of the case or the mutator.
        bundles: Zips, or unpacked bundles.
        files: Names and bytes of the study's folder; None when digests are not to be checked.
        trust: Names and bytes of the trust folder.
        now: The verifier's time.
        layer: The layer that must refuse; "" when everything must hold.
        codes: The first error codes that name it; empty when any will do.
    """

    name: str
    bundles: tuple[bytes | Files, ...]
    trust: Files
    files: Files | None = None
    now: datetime = AT
    layer: str = ""
    codes: tuple[str, ...] = ()

    def write(self, folder: Path) -> None:
        """Lay it out as a person would have it."""
        for number, bundle in enumerate(self.bundles):
            if isinstance(bundle, bytes):
                _write(folder / "bundles", {f"{number}.receipt.zip": bundle})
            else:
                _write(folder / "bundles" / str(number), bundle)
        _write(folder / "trust", self.trust)
        if self.files is not None:
            _write(folder / "study", self.files)

    def paths(self, folder: Path) -> list[Path]:
        """Of the bundles."""
        suffix = [".receipt.zip" if isinstance(bundle, bytes) else "" for bundle in self.bundles]
        return [folder / "bundles" / f"{number}{end}" for number, end in enumerate(suffix)]


@dataclass
class Site:
    """One site; another `seed` gives other keys under the same names."""

    seed: str = "site"
    name: str = "general-hospital"
    appliance: str = "edge-01"
    intermediate: bool = False
    log: Log = field(init=False)

    def __post_init__(self) -> None:
        self.root_key = P256(("ca", self.seed, self.name))
        self.root = authority(self.root_key, self.name)
        self.ca_key, self.ca = self.root_key, self.root
        if self.intermediate:
            self.ca_key = P256(("issuing ca", self.seed, self.name))
            self.ca = authority(self.ca_key, self.name, above=(self.root_key, self.root))
        self.key = P256(("appliance", self.seed, self.appliance))
        self.certificate = self.certify(self.key)
        self.log = Log(self.seed)
        self.log.add("boot", {"version": "0.3.0"})

    def certify(self, key: P256, odd: Odd = RIGHT, name: str = "") -> x509.Certificate:
        """A certificate by the site's CA."""
        return appliance(self.ca_key, self.ca, key, self.name, name or self.appliance, odd)

    @property
    def above(self) -> list[x509.Certificate]:
        """What stands above the appliance in `chain.pem`."""
        return [self.ca] if self.intermediate else []

    @cached_property
    def trust(self) -> Files:
        """The folder that a partner has of this site."""
        return {"general-hospital.pem": pem(self.root), "log.vkey": self.log.vkeys}

    def revoking(self, *keyids: str) -> Files:
        """The trust folder after a revocation."""
        keys = [
            {"keyid": keyid, "invalidFrom": "2026-01-01T00:00:00.000Z", "reason": "stolen"}
            for keyid in keyids
        ]
        return {**self.trust, "revoked.json": json.dumps({"keys": keys}).encode()}

    def sign(
        self, payload: bytes, key: P256 | None = None, certificate: x509.Certificate | None = None
    ) -> Files:
        """The signed parts of a bundle over any bytes."""
        key = self.key if key is None else key
        chain = [self.certificate if certificate is None else certificate, *self.above]
        return {
            "receipt.json": payload,
            "receipt.dsse.json": envelope(payload, [signed(payload, key)]),
            "receipt.p7s": detached(payload, key, chain),
            "chain.pem": pem(*chain),
            "README.txt": b"See the specification.\n",
        }

    def leaf(self, document: Document, **changes: object) -> dict[str, object]:
        """What the log says of a receipt."""
        group = document["predicate"]["id"]
        return {
            "exchange": "x-0001",
            "receipt": group["receiptId"],
            "edition": group["edition"],
            "stage": group["stage"],
            "paeSha256": digest(canonical(document)),
            "signer": self.key.keyid,
            **changes,
        }

    def issue(self, document: Document, before: int = 2, after: int = 3) -> Files:
        """A whole bundle: signed, logged among other events, with its proof."""
        files = self.sign(canonical(document))
        for _ in range(before):
            self.log.add("instance.received", {"count": 1})
        index = self.log.add("receipt.issued", self.leaf(document))
        for _ in range(after):
            self.log.add("instance.sent", {"count": 1})
        return {**files, PROOF: self.log.proof(index)}

    def index_of(self, files: Files) -> int:
        """Of a bundle's leaf in the log."""
        needle = digest(files["receipt.json"]).encode()
        return next(at for at, leaf in enumerate(self.log.leaves) if needle in leaf)


@dataclass
class World:
    """One exchange of `count` instances with all its receipts, and cases of it."""

    count: int = 3
    deliveries: tuple[str, ...] = ("forwarded", "rejected")
    edition: str = "partner"
    intermediate: bool = False

    def __post_init__(self) -> None:
        self.site = Site(intermediate=self.intermediate)
        self.study = study(self.count)
        self.author = Author(edition=self.edition)
        self.documents = self.author.chain(self.study, self.deliveries)
        self.bundles = [self.site.issue(document) for document in self.documents]
        self.files = folder_of(self.study)

    def good(self, name: str, which: Sequence[int] = (0,), *, files: bool = True) -> Case:
        """Some of the exchange's receipts, as they were made."""
        bundles = tuple(zipped(self.bundles[at]) for at in which)
        return Case(name, bundles, self.site.trust, self.files if files else None)


def folder_of(instances: Sequence[Instance]) -> Files:
    """The study's files by name."""
    return {f"series/{item.uid}.dcm": item.file() for item in instances}


def good_cases() -> list[Case]:
    """Everything that must hold: stages, editions, sizes, logs of several sizes, with and without parts."""
    world, one = World(), World(count=1, deliveries=("forwarded",))
    many, site = World(count=300, deliveries=("committed",)), World(edition="site", intermediate=True)
    both = Author().editions("deidentified", world.study)
    whole = range(len(world.bundles))
    unlogged = {name: data for name, data in world.bundles[0].items() if name != PROOF}
    first = world.good("no log key in the trust folder")
    cases = [
        world.good("R1"),
        world.good("R2", (1,)),
        world.good("R3", (3,)),
        world.good("a whole exchange", whole),
        world.good("without the study", (0,), files=False),
        one.good("R1 of one instance"),
        one.good("an exchange of one instance", range(3)),
        many.good("R1 of 300 instances"),
        site.good("site edition, certified by way of an intermediate", range(4)),
        replace(first, trust={"ca.pem": world.site.trust["general-hospital.pem"]}),
        replace(first, name="a bundle that is not logged", bundles=(zipped(unlogged),)),
        replace(first, name="a folder", bundles=(world.bundles[0],)),
        Case("both editions", tuple(zipped(world.site.issue(item)) for item in both), world.site.trust),
        _nothing_delivered(),
    ]
    return cases + [_at_size(size) for size in (1, 2, 3, 7, 8, 9, 64, 65, 257)]


def _nothing_delivered() -> Case:
    site, author = Site(), Author()
    first = author.write("accepted", study(2))
    last = author.write("closed", (), previous=digest(canonical(first)), deliveries=[])
    bundles = tuple(zipped(site.issue(item)) for item in (first, last))
    return Case("R3 of no instance", bundles, site.trust)


def _at_size(size: int) -> Case:
    """A receipt's proof against a tree of this size; where in the tree it stands varies with the size."""
    site = Site()
    site.log.leaves.clear()
    document = Author().write("deidentified", study(1))
    before = size * 5 // 7
    bundle = site.issue(document, before, size - before - 1)
    return Case(f"R1 in a log of {size}", (zipped(bundle),), site.trust, folder_of(study(1)))


def _write(folder: Path, files: Files) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
