"""Writes the committed vectors: good cases and named attacks, with what a verifier must find.

python -m tests.vectors.write [FOLDER]

`cases.json` lists each case: its bundles, study and trust by the names of files in `files/` (named by digest,
so that equal ones are there once), the time of checking, the state of each layer, the first error. ML-DSA
signatures are randomised: a new writing gives another cosignature line and otherwise the same bytes.
"""

import json
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.hostile.chance import Chance
from tests.vectors.mutants import NAMED, Bench
from tests.vectors.statements import NOW
from tests.vectors.verifiers import python
from tests.vectors.world import Case, Files, good_cases

DATA = Path(__file__).with_name("data")
_NOT_COMMITTED = {"R1 of 300 instances"}  # large
# One of each kind of attack: what is small and tells most. The rest are made anew by the mutators.
ATTACKS = (
    "edit a field in receipt.json",
    "edit a field in both places",
    "append a newline",
    "swap the payload type",
    "key id collision: another's signature under the real key id",
    "replace the reviewer's signature by the appliance's",
    "a duplicate key in the envelope",
    "CMS of another receipt",
    "signed anew under a fresh CA, logged in a fresh log",
    "a fresh CA that comes with the bundle",
    "a revoked key, invalid before it signed",
    "a revoked key, invalid after it signed",
    "a certificate that has expired since",
    "a key not yet valid when it signed",
    "really signed: a float",
    "really signed: NaN",
    "really signed: a duplicate key",
    "really signed: an R1 of no instance",
    "zip: a name twice, the second forged",
    "study: flip a pixel bit",
    "study: edit a header attribute",
    "study: rename an instance",
    "study: delete an instance",
    "study: add an instance",
    "study: swap two data sets under their file metas",
    "study: the receipt of study A with the package B",
    "chain: replay, one receipt twice",
    "chain: two receipts of one id",
    "chain: previous is the closing receipt",
    "chain: closed twice",
    "log: the true proof of another leaf",
    "log: the next index",
    "log: a larger size",
    "log: another origin",
    "log: a path that is short at the root",
    "log: a path that is long",
    "log: the log's signature removed",
    "log: a fresh log",
    "log: a cosignature of another time",
)


def cases() -> list[Case]:
    """Those that are committed."""
    from dataclasses import replace

    bench = Bench()
    good = [case for case in good_cases() if case.name not in _NOT_COMMITTED]
    return good + [replace(NAMED[name](bench, Chance(1)), name=name) for name in ATTACKS]


def read(folder: Path = DATA) -> list[tuple[Case, list[dict[str, Any]]]]:
    """The committed cases, each with what is expected of its bundles."""

    def load(name: str) -> bytes:
        return (folder / "files" / name).read_bytes()

    def files(names: dict[str, str]) -> Files:
        return {name: load(file) for name, file in names.items()}

    found = []
    for item in json.loads((folder / "cases.json").read_text()):
        bundles = tuple(load(one) if isinstance(one, str) else files(one) for one in item["bundles"])
        study = None if item["study"] is None else files(item["study"])
        now = NOW.fromisoformat(item["now"])
        case = Case(item["name"], bundles, files(item["trust"]), study, now, item["layer"])
        found.append((case, item["expected"]))
    return found


def write(folder: Path = DATA) -> None:
    """Make them."""
    (folder / "files").mkdir(parents=True, exist_ok=True)

    def keep(data: bytes) -> str:
        name = sha256(data).hexdigest()[:20]
        (folder / "files" / name).write_bytes(data)
        return name

    def all_of(files: Files) -> dict[str, str]:
        return {name: keep(data) for name, data in files.items()}

    listed = []
    for case in cases():
        with tempfile.TemporaryDirectory() as place:
            case.write(Path(place))
            answers = python.ask(case, Path(place))
        assert any(answer.code for answer in answers) == bool(case.layer), case.name
        listed.append(
            {
                "name": case.name,
                "bundles": [keep(one) if isinstance(one, bytes) else all_of(one) for one in case.bundles],
                "study": None if case.files is None else all_of(case.files),
                "trust": all_of(case.trust),
                "now": case.now.isoformat(),
                "layer": case.layer,
                "expected": [{"layers": answer.layers, "code": answer.code} for answer in answers],
            }
        )
    (folder / "cases.json").write_text(json.dumps(listed, indent=1) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if sys.argv[1:] else DATA)
