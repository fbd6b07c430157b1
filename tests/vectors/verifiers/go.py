"""Go's note and tlog from Debian, compiled from the program beside this; layer L only."""

import json
import os
import subprocess
from base64 import b64encode
from pathlib import Path
from shutil import which

from tests.vectors.verifiers import FAILED, NOT_CHECKED, OK, Answer
from tests.vectors.verifiers.parts import parts_of
from tests.vectors.world import PROOF, Case

_GOPATH = Path("/usr/share/gocode")
_SOURCE = Path(__file__).with_name("golang") / "main.go"


def available() -> bool:
    """Whether Debian's golang and golang-golang-x-mod-dev are there."""
    return which("go") is not None and (_GOPATH / "src/golang.org/x/mod/sumdb/note").is_dir()


def build(folder: Path) -> Path:
    """The compiled program; nothing is fetched."""
    program = folder / "check-log"
    environment = os.environ | {
        "GO111MODULE": "off",
        "GOPATH": str(_GOPATH),
        "GOCACHE": str(folder / "go-cache"),
        "GOFLAGS": "",
        "GOPROXY": "off",
    }
    subprocess.run(["go", "build", "-o", program, _SOURCE], env=environment, check=True, timeout=300)
    return program


def ask_all(program: Path, cases: list[Case]) -> list[list[Answer]]:
    """An answer for each bundle of each case."""
    asked = [_request(case, bundle) for case in cases for bundle in case.bundles]
    done = subprocess.run(
        [program], input="".join(asked).encode(), capture_output=True, check=True, timeout=300
    )
    told = iter(done.stdout.decode().splitlines())
    return [[_answer(next(told)) for _ in case.bundles] for case in cases]


def _answer(line: str) -> Answer:
    state = line.split()[0]
    assert state in (OK, FAILED, NOT_CHECKED)
    return Answer(dict.fromkeys("SDC", NOT_CHECKED) | {"L": state}, None, line)


def _request(case: Case, bundle: bytes | dict[str, bytes]) -> str:
    parts = parts_of(bundle)
    vkeys = [data.decode().split() for name, data in case.trust.items() if name.endswith(".vkey")]
    names = {"Proof": PROOF, "Payload": "receipt.json", "Chain": "chain.pem"}
    fields: dict[str, object] = {
        key: b64encode(parts[name]).decode() if name in parts else None for key, name in names.items()
    }
    return json.dumps({**fields, "Vkeys": [line for lines in vkeys for line in lines]}) + "\n"
