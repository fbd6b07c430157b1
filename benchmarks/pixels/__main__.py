"""Text in pixels against peers: what is removed, what stays readable, what it costs, in one run.

    python -m benchmarks.pixels --draw DIR [--seed N] [--pictures K]

With `--draw` the pictures are only written out, with the truth about them. The default seed is held out:
while the reader is worked on, use seeds below 1000.
"""

import argparse
from pathlib import Path

from benchmarks.pixels import drawn

HELD_OUT = 20261205


def main() -> None:
    """Run what is asked for, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--draw", type=Path, help="write the pictures and their truth there, and nothing else"
    )
    parser.add_argument("--seed", type=int, default=HELD_OUT)
    parser.add_argument("--pictures", type=int, default=300)
    options = parser.parse_args()
    if options.draw is not None:
        drawn.draw(options.draw, options.seed, options.pictures)


if __name__ == "__main__":
    main()
