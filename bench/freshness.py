"""How old rows are when they can be read, at a steady rate: from the Kafka timestamp to the entry in the table's log.

dev/bench freshness                             # 1,000 messages a second for 2 minutes
dev/bench freshness --rate 10000 --seconds 60
"""

from engines import Sluice
from paced import COMMIT_EVERY_MS, Pace, observe
from results import Run
from visibility import Commit, ages, quantile
from workplace import arguments_of, open_workplace, positive

HEADING = "Freshness"


def parse_arguments():
    parser = arguments_of(__doc__)
    parser.add_argument("--rate", type=positive, default=1000, help="messages a second")
    parser.add_argument("--seconds", type=positive, default=120, help="how long it is watched")
    parser.add_argument("--warm", type=positive, default=15, help="seconds before that")
    return parser.parse_args()


def describe(commits: list[Commit], since: float, until: float) -> str:
    """Median, 99th percentile and largest age, in seconds."""
    counted = ages(commits, since, until)
    return " / ".join(f"{quantile(counted, share) / 1000:.2f}" for share in (0.5, 0.99, 1.0)) + " s"


def main():
    arguments = parse_arguments()
    run = Run(arguments)
    with open_workplace(arguments) as workplace:
        pace = Pace(rate=arguments.rate, warm=arguments.warm, before=arguments.seconds, kills=0, after=0)
        observed = observe(workplace, Sluice, "lake", pace)
        (watched,) = observed.rounds
        figures = {
            "messages/s": f"{arguments.rate:,}",
            "commit.every": f"{COMMIT_EVERY_MS / 1000:.0f} s",
            "bronze p50 / p99 / max": describe(observed.bronze, watched.since, watched.until),
            "silver p50 / p99 / max": describe(observed.silver, watched.since, watched.until),
        }
        run.record(HEADING, figures)


if __name__ == "__main__":
    main()
