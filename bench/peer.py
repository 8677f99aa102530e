"""Sluice and Spark side by side: the same tables from the same topic, one after the other, on this machine.

    dev/bench peer                                     # 2,000,000 messages, then 1,000 a second; about 15 minutes
    dev/bench peer --messages 200000 --seconds 60

First both write one topic that is full, flat out. Then each follows a topic of its own at a steady rate, with batches
every 2 s; is killed with SIGKILL; and starts again at once. The job of Spark is `spark/job.py`.
"""

import dataclasses

from engines import Drained, Sluice, Spark
from measuring import mebibytes
from paced import COMMIT_EVERY_MS, Pace, observe
from results import Run
from visibility import Recovery, ages, quantile, recovery
from workplace import Workplace, arguments_of, open_workplace, positive, table_bytes, verify

HEADING = "Sluice and Spark"
ENGINES = (Sluice, Spark)
# Rows of the last seconds before the kill may have to wait for the restart: they say nothing of freshness.
UNDISTURBED = 20


def parse_arguments():
    parser = arguments_of(__doc__)
    parser.add_argument("--messages", type=positive, default=2_000_000, help="messages of the full topic")
    parser.add_argument("--rate", type=positive, default=1000, help="messages a second of the steady topics")
    parser.add_argument("--warm", type=positive, default=60, help="seconds before freshness is looked at")
    parser.add_argument("--seconds", type=positive, default=80, help="seconds from there to the kill")
    parser.add_argument("--after", type=positive, default=180, help="seconds from the kill to the end")
    arguments = parser.parse_args()
    if arguments.seconds <= UNDISTURBED:
        parser.error(f"argument --seconds: not above {UNDISTURBED}")
    return arguments


@dataclasses.dataclass
class Steady:
    """What a writer did at a steady rate."""

    ages: list[float]
    """Seconds from a message to its silver row: median, 99th percentile."""
    recovery: Recovery


def drain_one_topic(workplace: Workplace, messages: int) -> list[tuple[Drained, int, int]]:
    """What it took each of them, and the bytes of its bronze and silver."""
    topic = workplace.topic()
    workplace.generate_past(topic, messages)
    measured = []
    for engine_class in ENGINES:
        lake = workplace.folder / f"full-{engine_class.__name__}"
        drained = engine_class(workplace, topic, lake, COMMIT_EVERY_MS).drain()
        verify(lake, messages)
        print(f"{engine_class.__name__}: {drained}", flush=True)
        measured.append((drained, table_bytes(lake / "bronze"), table_bytes(lake / "silver")))
    return measured


def follow(workplace: Workplace, engine_class, pace: Pace) -> Steady:
    """Freshness before a kill, and the return after it."""
    observed = observe(workplace, engine_class, f"steady-{engine_class.__name__}", pace)
    (watched,) = observed.rounds
    counted = ages(observed.silver, watched.since, watched.until - UNDISTURBED)
    recovered = recovery(observed.silver, watched.until, watched.since, watched.ended)
    steady = Steady([quantile(counted, share) / 1000 for share in (0.5, 0.99)], recovered)
    print(f"{engine_class.__name__}: {steady}", flush=True)
    assert recovered.caught_up is not None, f"{engine_class.__name__} needs more than {pace.after} s; try --after"
    return steady


def compare(sluice: float, spark: float, digits: int) -> str:
    """Both, and how many times Spark's figure is Sluice's."""
    return f"{sluice:,.{digits}f} / {spark:,.{digits}f}; {spark / sluice:.1f}x"


def compare_rates(sluice: float, spark: float) -> str:
    """Both, and how many times Sluice's is Spark's."""
    return f"{sluice:,.0f} / {spark:,.0f}; {sluice / spark:.1f}x"


def compare_sizes(sluice: int, spark: int) -> str:
    """Both, and how many times Spark's is Sluice's."""
    return f"{mebibytes(sluice)} / {mebibytes(spark)}; {spark / sluice:.1f}x"


def main():
    arguments = parse_arguments()
    run = Run(arguments)
    with open_workplace(arguments) as workplace:
        sluice, spark = drain_one_topic(workplace, arguments.messages)
        pace = Pace(arguments.rate, arguments.warm, arguments.seconds, kills=1, after=arguments.after)
        ours, peer = (follow(workplace, engine_class, pace) for engine_class in ENGINES)
        millions = arguments.messages / 1e6
        figures = {
            "rows": f"{arguments.messages:,}",
            "CPU-s a million rows": compare(*(full[0].usage.cpu_seconds / millions for full in (sluice, spark)), 2),
            "CPU-s of its start": f"{spark[0].start_cpu_seconds:.1f} (Spark)",
            "rows/s": compare_rates(*(arguments.messages / full[0].wall_seconds for full in (sluice, spark))),
            "peak RSS": compare_sizes(sluice[0].usage.peak_bytes, spark[0].usage.peak_bytes),
            "bronze": compare_sizes(sluice[1], spark[1]),
            "silver": compare_sizes(sluice[2], spark[2]),
            "messages/s": f"{arguments.rate:,}",
            "silver's age in s, p50": compare(ours.ages[0], peer.ages[0], 2),
            "silver's age in s, p99": compare(ours.ages[1], peer.ages[1], 2),
            "s from kill to caught up": compare(ours.recovery.caught_up, peer.recovery.caught_up, 1),
        }
        run.record(HEADING, figures)


if __name__ == "__main__":
    main()
