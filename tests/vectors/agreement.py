"""All verifiers over the same cases: who refuses what, and whether any two contradict each other.

python -m tests.vectors.agreement [--mutants 2000] [--seed 1] [--shell-every 1]

Prints kill rates by layer and verifier and the table of agreement; status 1 for a survivor or a
contradiction.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.vectors.mutants import mutants
from tests.vectors.verifiers import FAILED, LAYERS, OK, Answer, browser, go, outside, python, shell
from tests.vectors.world import Case, good_cases

# Layer that a verifier must refuse, by verifier. K is the log's ML-DSA cosignature, seen in layer L by those
# who have the algorithm; W a level that was asked for and is not reached.
HAS = {"python": "SDCLKW", "page": "SDCLKW", "shell": "SDCLW", "go": "L", "outside": ""}
_SHOWN_IN = {"K": "L"}
Answers = dict[str, list[Answer]]


@dataclass
class Tally:
    """What was found.

    Attributes:
        seen: Mutants by verifier and layer.
        killed: Those that it refused.
        survivors: Names of those that it did not, though it has the layer.
        contradictions: Where one says ok and another failed, or verdicts differ.
        pairs: Of (verifier, verifier, layer): how often both had an answer there.
        internal: Cases in which a verifier stumbled.
        wrong: Good cases that somebody refused.
    """

    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    killed: Counter[tuple[str, str]] = field(default_factory=Counter)
    survivors: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    pairs: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    internal: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether everything is as it must be."""
        return not (self.survivors or self.contradictions or self.internal or self.wrong)

    def add(self, case: Case, answers: Answers) -> None:
        """Judge one case."""
        for name, given in answers.items():
            self.internal += [
                f"{name}: {case.name}" for answer in given if answer.code.startswith("internal")
            ]
            if case.layer:
                self._mutant(case, name, given)
            elif any(answer.ok is False or FAILED in answer.layers.values() for answer in given):
                self.wrong.append(f"{name}: {case.name}: {given[0].code}")
        self._compare(case, answers)

    def _mutant(self, case: Case, name: str, given: list[Answer]) -> None:
        self.seen[name, case.layer] += 1
        layer = _SHOWN_IN.get(case.layer, case.layer)
        failed = any(answer.layers.get(layer) == FAILED for answer in given)
        refused = all(answer.ok is False for answer in given)
        passed = any(answer.layers.get(layer) == OK for answer in given) and not failed
        if failed or (refused and not passed):
            self.killed[name, case.layer] += 1
        elif case.layer in HAS[name]:
            self.survivors.append(f"{name}: {case.layer}: {case.name}")

    def _compare(self, case: Case, answers: Answers) -> None:
        names = [name for name in answers if case.layer != "K" or "K" in HAS[name]]
        for at, one in enumerate(names):
            for other in names[at + 1 :]:
                for left, right in zip(answers[one], answers[other], strict=True):
                    self._pair(case, (one, left), (other, right))

    def _pair(self, case: Case, one: tuple[str, Answer], other: tuple[str, Answer]) -> None:
        for layer in LAYERS:
            states = {one[1].layers[layer], other[1].layers[layer]}
            if states <= {OK, FAILED}:
                self.pairs[one[0], other[0], layer] += 1
            if states == {OK, FAILED}:
                self.contradictions.append(f"{one[0]} and {other[0]}: {layer}: {case.name}")
        if None not in (one[1].ok, other[1].ok) and one[1].ok != other[1].ok:
            self.contradictions.append(f"{one[0]} and {other[0]}: verdict: {case.name}")


def ask_everybody(
    cases: Sequence[Case], folder: Path, *, shell_every: int = 1, jobs: int = 2
) -> list[Answers]:
    """Every verifier that this machine has, on every case.

    Args:
        cases: What to ask.
        folder: Where they are laid out.
        shell_every: The shell, a second a case, takes every so-manieth mutant and all good cases.
        jobs: How many shells at once.
    """
    places = [folder / str(number) for number in range(len(cases))]
    for case, place in zip(cases, places, strict=True):
        case.write(place)
    found: list[Answers] = [
        {"python": python.ask(case, place)} for case, place in zip(cases, places, strict=True)
    ]
    for answers, case in zip(found, cases, strict=True):
        answers["outside"] = outside.ask(case)
    if browser.CHROMIUM is not None:
        with browser.chromium() as page:
            _join(found, "page", range(len(cases)), browser.ask_all(page, list(cases)))
    if go.available():
        _join(found, "go", range(len(cases)), go.ask_all(go.build(folder), list(cases)))
    chosen = [at for at, case in enumerate(cases) if not case.layer or at % shell_every == 0]
    with ThreadPoolExecutor(jobs) as pool:
        told = pool.map(lambda at: shell.ask(cases[at], places[at]), chosen)
        _join(found, "shell", chosen, list(told))
    return found


def _join(found: list[Answers], name: str, places: Sequence[int], answers: Sequence[list[Answer]]) -> None:
    for at, given in zip(places, answers, strict=True):
        found[at][name] = given


def table(tally: Tally, say: Callable[[str], None]) -> None:
    """Kill rates by layer and verifier, then agreement by pair."""
    verifiers = [name for name in HAS if any(key[0] == name for key in tally.seen)]
    say("mutants refused of those of a layer; in brackets: the verifier does not have that layer")
    say(f"{'layer':8}" + "".join(f"{name:>16}" for name in verifiers))
    for layer in "SDCLKW":
        cells = [_cell(tally, name, layer) for name in verifiers]
        say(f"{layer:8}" + "".join(f"{cell:>16}" for cell in cells))
    say("")
    say("agreement: how often two verifiers both answered in a layer, all alike")
    for one, other in sorted({key[:2] for key in tally.pairs}):
        counts = ", ".join(f"{layer} {tally.pairs[one, other, layer]}" for layer in LAYERS)
        say(f"{one + ' and ' + other:24}{counts}")
    for title in ("survivors", "contradictions", "internal", "wrong"):
        found = getattr(tally, title)
        say(f"{title}: {len(found)}")
        for line in found[:40]:
            say(f"  {line}")


def _cell(tally: Tally, name: str, layer: str) -> str:
    text = f"{tally.killed[name, layer]}/{tally.seen[name, layer]}"
    return text if layer in HAS[name] else f"({text})"


def say(line: str) -> None:
    """Print."""
    sys.stdout.write(line + "\n")


def main() -> int:
    """The soak's entry."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mutants", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shell-every", type=int, default=1)
    asked = parser.parse_args()
    cases = [*good_cases(), *mutants(asked.mutants, asked.seed)]
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        answers = ask_everybody(cases, Path(folder), shell_every=asked.shell_every)
    for case, given in zip(cases, answers, strict=True):
        tally.add(case, given)
    sys.stdout.write(f"{len(good_cases())} good cases, {asked.mutants} mutants, seed {asked.seed}\n")
    table(tally, say)
    return 0 if tally.sound else 1


if __name__ == "__main__":
    sys.exit(main())
