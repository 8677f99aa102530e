"""How old rows are when they can be read, at a steady rate: from the Kafka timestamp to the entry in the table's log.

dev/bench freshness                             # 1,000 messages a second for 2 minutes
dev/bench freshness --gold --rate 10000         # of the five windowed tables of the example too
"""

import collections
import functools

from engines import Sluice
from paced import COMMIT_EVERY_MS, Pace, observe
from folded import ages_in_gold
from results import Run
from visibility import ages, quantile
from workplace import EMIT_EVERY_MS, add_gold, arguments_of, open_workplace, positive

HEADING = "Freshness"
HEADING_WITH_GOLD = "Freshness of five gold tables"


def parse_arguments():
    parser = arguments_of(__doc__)
    parser.add_argument("--rate", type=positive, default=1000, help="messages a second")
    parser.add_argument("--seconds", type=positive, default=120, help="how long it is watched")
    parser.add_argument("--warm", type=positive, default=15, help="seconds before that")
    add_gold(parser)
    return parser.parse_args()


def describe(counted: collections.Counter) -> str:
    """Median, 99th percentile and largest age, in seconds."""
    return " / ".join(f"{quantile(counted, share) / 1000:.2f}" for share in (0.5, 0.99, 1.0)) + " s"


def main():
    arguments = parse_arguments()
    run = Run(arguments)
    with open_workplace(arguments) as workplace:
        pace = Pace(rate=arguments.rate, warm=arguments.warm, before=arguments.seconds, kills=0, after=0)
        observed = observe(workplace, functools.partial(Sluice, gold=arguments.gold), "lake", pace)
        (watched,) = observed.rounds
        time = watched.since, watched.until
        figures = {
            "messages/s": f"{arguments.rate:,}",
            "commit.every": f"{COMMIT_EVERY_MS / 1000:.0f} s",
            "bronze p50 / p99 / max": describe(ages(observed.bronze, *time)),
            "silver p50 / p99 / max": describe(ages(observed.silver, *time)),
        }
        if arguments.gold:
            figures["emit.every"] = f"{EMIT_EVERY_MS / 1000:.0f} s"
            for table, published in observed.gold.items():
                figures[f"{table} p50 / p99 / max"] = describe(ages_in_gold(workplace.folder / "lake", published, *time))
        run.record(HEADING_WITH_GOLD if arguments.gold else HEADING, figures)


if __name__ == "__main__":
    main()
