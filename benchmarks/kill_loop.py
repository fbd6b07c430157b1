"""`kill -9` at seeded random moments while studies go through the real daemon; what became of each of them.

    python -m benchmarks.kill_loop [--kills 20] [--studies 10] [--instances 4] [--seed 1] [--rounds 1]

It prints what was observed and ends with status 1 when a promise was broken: an accepted instance that was
not delivered, one identity with two contents, a delivery without exactly one R2, an exchange without exactly
one R1 and R3, a receipt that does not verify, a worker that outlived its daemon.
"""

import argparse
import sys
from collections import Counter

from tests.support.appliance import short_folder
from tests.support.kill_loop import Outcome, Plan, kill_loop


def main() -> None:
    """Run the rounds, print, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--studies", type=int, default=10)
    parser.add_argument("--instances", type=int, default=4, help="in each study")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each further one adds 1")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    broken = 0
    for round_ in range(options.rounds):
        plan = Plan(options.kills, options.studies, options.instances, options.seed + round_)
        with short_folder() as folder:
            outcome = kill_loop(folder / "site", plan)
        show(plan, outcome)
        broken += len(outcome.problems)
    print(f"kill loop: {options.rounds} round(s), {broken} broken promise(s)")
    sys.exit(1 if broken else 0)


def show(plan: Plan, outcome: Outcome) -> None:
    """One round, in lines."""
    met = Counter(state for states in outcome.killed_at for state in states)
    print(f"seed {plan.seed}: {len(outcome.killed_at)} kills, {outcome.seconds:.0f} s")
    print(f"  accepted      {len(outcome.answered)} of {plan.studies * plan.instances} instances")
    print(f"  exchanges     {outcome.exchanges}; data sets that came more than once: {outcome.resent}")
    print(
        f"  receipts      {', '.join(f'{count} {slot}' for slot, count in sorted(outcome.receipts.items()))}"
    )
    print(f"  kills met     {', '.join(f'{state} {count}x' for state, count in met.most_common())}")
    print(f"  orphans       {outcome.orphans}")
    for problem in outcome.problems:
        print(f"  BROKEN        {problem}")


if __name__ == "__main__":
    main()
