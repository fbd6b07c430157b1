"""A process of its own that takes arrivals into custody until it is killed, telling each that is recorded."""

import sys

from agent.custody.arrivals import record_arrivals
from agent.custody.database import open_database
from tests.agent.custody.world import START, arrival


def main() -> None:
    database = open_database(sys.argv[1])
    number = 0
    while True:
        items = [arrival(f"{number}-{part}", study=f"1.{number % 3}") for part in range(3)]
        record_arrivals(database, items, START)
        print(*[one.instance.arrival.arrival_id for one in items], flush=True)  # noqa: T201
        number += 1


if __name__ == "__main__":
    main()
