"""How long a worker that is killed under load takes to be where it was: a new process at once, the lag as before.

dev/bench recovery                              # 5 kills at 10,000 messages a second
dev/bench recovery --gold                       # with the five windowed tables of the example
dev/bench recovery --rate 1000 --kills 1
"""

import functools
import statistics

from engines import Sluice
from paced import Pace, observe
from results import Run
from visibility import recovery
from workplace import add_gold, arguments_of, open_workplace, positive

HEADING = "Recovery"
HEADING_WITH_GOLD = "Recovery with five gold tables"


def parse_arguments():
    parser = arguments_of(__doc__)
    parser.add_argument("--rate", type=positive, default=10_000, help="messages a second")
    parser.add_argument("--kills", type=positive, default=5)
    parser.add_argument("--before", type=positive, default=20, help="undisturbed seconds before a kill")
    parser.add_argument("--after", type=positive, default=30, help="seconds that it is given to come back")
    add_gold(parser)
    return parser.parse_args()


def describe(seconds: list[float]) -> str:
    """Median and largest."""
    return f"{statistics.median(seconds):.1f} / {max(seconds):.1f} s"


def main():
    arguments = parse_arguments()
    run = Run(arguments)
    with open_workplace(arguments) as workplace:
        pace = Pace(arguments.rate, arguments.before, arguments.before, arguments.kills, arguments.after)
        observed = observe(workplace, functools.partial(Sluice, gold=arguments.gold), "lake", pace)
        recoveries = [recovery(observed.silver, kill.until, kill.since, kill.ended) for kill in observed.rounds]
        print(*recoveries, sep="\n")
        late = sum(each.caught_up is None for each in recoveries)
        assert not late, f"after {late} of {len(recoveries)} kills it took more than {arguments.after} s; try --after"
        figures = {
            "messages/s": f"{arguments.rate:,}",
            "kills": str(arguments.kills),
            "largest lag before": f"{max(each.lag_before for each in recoveries):,} messages",
            "first rows, median / max": describe([each.first_rows for each in recoveries]),
            "caught up, median / max": describe([each.caught_up for each in recoveries]),
            "rows verified": f"{observed.messages:,}",
        }
        run.record(HEADING_WITH_GOLD if arguments.gold else HEADING, figures)


if __name__ == "__main__":
    main()
