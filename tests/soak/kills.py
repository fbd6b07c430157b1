"""`kill -9` at seeded random moments while studies go through the real daemon; what became of each of them.

    python -m tests.soak.kills [--kills 1000] [--rounds 10] [--jobs 2] [--profile headers] [--seed 1]

Each round is a house of its own with its share of the kills. Prints what was observed and ends with status 1
when a promise was broken; the last line is the sum: lost, duplicated, stuck.
"""

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.soak.house import say
from tests.support.appliance import short_folder
from tests.support.kill_loop import Outcome, Plan, kill_loop


def main() -> None:
    """Run the rounds, print, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=1000, help="in all rounds together")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2, help="rounds at once")
    parser.add_argument("--studies", type=int, help="in each round (default: one for every two kills)")
    parser.add_argument("--instances", type=int, default=3, help="in each study")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each further one adds 1")
    parser.add_argument("--profile", choices=("headers", "default"), default="headers")
    parser.add_argument("--life", type=float, default=2.0, help="longest life after ready, seconds")
    options = parser.parse_args()
    share = options.kills // options.rounds
    plans = [
        Plan(
            share,
            options.studies or max(1, share // 2),
            options.instances,
            options.seed + number,
            options.profile,
            options.life,
        )
        for number in range(options.rounds)
    ]
    began = time.monotonic()
    with ThreadPoolExecutor(options.jobs) as houses:
        outcomes = list(houses.map(run, plans))
    pace = options.kills / (time.monotonic() - began) * 60
    say(f"{pace:.1f} kills a minute, {options.jobs} rounds at once")
    sys.exit(1 if summary(plans, outcomes) else 0)


def run(plan: Plan) -> Outcome | None:
    """One round; None when it did not come to its end."""
    try:
        with short_folder() as folder:
            outcome = kill_loop(folder / "site", plan)
    except (TimeoutError, RuntimeError, OSError) as error:
        say(f"seed {plan.seed}: BROKEN, the round did not end: {error}")
        return None
    show(plan, outcome)
    return outcome


def show(plan: Plan, outcome: Outcome) -> None:
    """One round, in lines."""
    met = Counter(state for states in outcome.killed_at for state in states)
    receipts = sorted(outcome.verdict.receipts.items())
    lines = [
        f"seed {plan.seed}: {len(outcome.killed_at)} kills, {outcome.seconds:.0f} s",
        f"  accepted   {len(outcome.answered)} of {plan.studies * plan.instances} instances",
        f"  exchanges  {outcome.verdict.exchanges}; data sets that came again, the same: {outcome.resent}",
        f"  held as poison by the kills, and let pass by a person: {outcome.released}",
        f"  receipts   {', '.join(f'{count} {slot}' for slot, count in receipts)}",
        f"  kills met  {', '.join(f'{state} {count}x' for state, count in met.most_common())}",
        *(f"  BROKEN     {problem}" for problem in outcome.verdict.problems),
    ]
    say(*lines)


def summary(plans: list[Plan], outcomes: list[Outcome | None]) -> int:
    """The last lines; how many promises were broken."""
    ended = [one for one in outcomes if one is not None]
    verdicts = [one.verdict for one in ended]
    broken = sum(len(one.problems) for one in verdicts) + len(outcomes) - len(ended)
    orphans = sum(one.orphans for one in ended)
    kills = sum(len(one.killed_at) for one in ended)
    accepted = sum(len(one.answered) for one in ended)
    say(f"kills: {kills} of {sum(one.kills for one in plans)}; accepted instances: {accepted}")
    say(
        f"lost {sum(one.lost for one in verdicts)}, duplicated {sum(one.duplicated for one in verdicts)}, "
        f"stuck {sum(one.stuck for one in verdicts) + len(outcomes) - len(ended)}, orphans {orphans}; "
        f"broken promises {broken}"
    )
    return broken


if __name__ == "__main__":
    main()
