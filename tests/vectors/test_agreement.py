"""Every verifier on good and mutated receipts: none accepts what another refuses."""

from pathlib import Path

import pytest

from tests.hostile.chance import Chance
from tests.vectors import write
from tests.vectors.agreement import HAS, Tally, ask_everybody, table
from tests.vectors.mutants import NAMED, Bench, mutants
from tests.vectors.verifiers import FAILED, OK, Answer, browser, go, python, shell
from tests.vectors.world import Case, good_cases

MUTANTS = 200
_UNREADABLE = "trust-unreadable"


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("name", list(NAMED))
def test_attack_is_refused_where_it_must_be(name: str, bench: Bench, tmp_path: Path) -> None:
    case = NAMED[name](bench, Chance(1))
    case.write(tmp_path)
    answers = python.ask(case, tmp_path)
    assert not any(answer.ok for answer in answers)
    layer = {"K": "L"}.get(case.layer, case.layer)
    if layer in "SDCL" and answers[0].code != _UNREADABLE:
        assert any(answer.layers[layer] == FAILED for answer in answers)
    if layer in "DCL" and answers[0].code != "level":
        # The mutant reaches the layer that it is about: what is below holds.
        assert all(answer.layers["S"] == OK for answer in answers)
    if case.codes:
        assert answers[-1].code in case.codes


@pytest.mark.parametrize("case", good_cases(), ids=lambda case: case.name)
def test_good_receipts_hold(case: Case, tmp_path: Path) -> None:
    case.write(tmp_path)
    for answer in python.ask(case, tmp_path):
        assert (answer.ok, answer.code) == (True, "")


def test_a_second_implementation_agrees_with_the_committed_vectors(tmp_path: Path) -> None:
    for number, (case, expected) in enumerate(write.read()):
        folder = tmp_path / str(number)
        case.write(folder)
        found = [{"layers": answer.layers, "code": answer.code} for answer in python.ask(case, folder)]
        assert found == expected, case.name


def test_the_committed_vectors_are_what_the_generator_makes(tmp_path: Path) -> None:
    """Apart from the randomised ML-DSA line, and what stands behind it in a zip."""
    from tests.vectors.verifiers.parts import parts_of

    committed = {case.name: case for case, _ in write.read()}
    made = write.cases()
    assert [case.name for case in made] == list(committed)
    for case in made:
        other = committed[case.name]
        assert (case.files, case.trust, case.now) == (other.files, other.trust, other.now), case.name
        for one, two in zip(case.bundles, other.bundles, strict=True):
            mine, theirs = parts_of(one), parts_of(two)
            proofs = [parts.pop("receipt.tlog-proof", b"") for parts in (mine, theirs)]
            assert mine == theirs, case.name
            cut = [proof.split(b"/mldsa ")[0] for proof in proofs]
            assert cut[0] == cut[1], case.name


def test_the_same_seed_gives_the_same_mutants() -> None:
    one, two = (list(mutants(60, seed=7)) for _ in range(2))
    assert [case.name for case in one] == [case.name for case in two]
    assert one[-1].files == two[-1].files
    assert list(mutants(60, seed=8))[-1] != one[-1]


def test_a_contradiction_is_found() -> None:
    """The harness can fail: two verifiers that differ, a survivor, a good case that is refused."""
    tally = Tally()
    bad = Case("x", (b"",), {}, layer="S")
    holds, fails = (
        Answer({**Answer().layers, "S": OK}, True),
        Answer({**Answer().layers, "S": FAILED}, False, "x"),
    )
    tally.add(bad, {"python": [fails], "page": [holds]})
    assert tally.survivors == ["page: S: x"]
    assert tally.contradictions == ["python and page: S: x", "python and page: verdict: x"]
    tally.add(Case("y", (b"",), {}), {"python": [fails]})
    assert tally.wrong == ["python: y: x"]
    assert not tally.sound


@pytest.mark.interop
@pytest.mark.timeout(900)
def test_verifiers_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lacking = [name for name, there in {"page": browser.CHROMIUM, "go": go.available()}.items() if not there]
    cases = [*good_cases(), *mutants(MUTANTS)]
    tally = Tally()
    for case, answers in zip(cases, ask_everybody(cases, tmp_path, shell_every=5), strict=True):
        tally.add(case, answers)
    table(tally, print)
    assert tally.sound, capsys.readouterr().out
    assert {layer for _, layer in tally.seen} == set("SDCLKW")
    for name in HAS:
        if name not in lacking:
            assert any(key[0] == name for key in tally.seen)
    if lacking:
        pytest.skip(f"agreed; without {' and '.join(lacking)}, which this machine does not have")


def test_shell_says_what_it_cannot_check(bench: Bench, tmp_path: Path) -> None:
    import subprocess

    case = bench.world.good("R1")
    case.write(tmp_path)
    command = [
        shell.SHELL,
        str(shell.SCRIPT),
        "--trust",
        str(tmp_path / "trust"),
        *map(str, case.paths(tmp_path)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "witness not-checked, time not-checked" in done.stdout
    assert "cosigned   not-checked: openssl 3.0 has no ML-DSA" in done.stdout
    assert (
        subprocess.run([*command, "/nowhere"], capture_output=True, check=False, timeout=60).returncode == 2
    )
    assert subprocess.run(command[:2], capture_output=True, check=False, timeout=60).returncode == 2
