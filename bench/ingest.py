"""What ingest costs: CPU time, rate and memory for bronze and silver from a real Kafka, and for gold too if asked for.

    dev/bench ingest                                  # 2,000,000 messages, flat out
    dev/bench ingest --gold                           # with the five windowed tables of the example
    dev/bench ingest --messages 600000 --rate 10000   # paced

Produces JSON messages of about 0.5 kB (no refused ones), runs one worker until it has caught up, and appends the
figures to RESULTS.md.
"""

import time

import confluent_kafka
from engines import Drained, Sluice
from kafka_topics import Topic
from measuring import Meter, mebibytes
from results import Run
from workplace import (
    Workplace,
    add_gold,
    arguments_of,
    count_rows,
    gold_tables,
    open_workplace,
    positive,
    table_bytes,
    verify,
)

HEADING = "Bronze and silver, from a Kafka"
HEADING_WITH_GOLD = "Bronze, silver and five gold tables, from a Kafka"
COMMIT_EVERY_MS = 2000


def parse_arguments():
    parser = arguments_of(__doc__)
    parser.add_argument("--messages", type=positive, default=2_000_000)
    parser.add_argument("--rate", type=int, default=0, help="messages a second; 0: all are there before it starts")
    add_gold(parser)
    return parser.parse_args()


def follow(workplace: Workplace, topic: Topic, worker: Sluice, messages: int, rate: int) -> Drained:
    """Runs the worker beside a paced generator, and stops it when both are done."""
    generator = workplace.generate(topic, "--messages", messages, "--rate", rate)
    started = time.monotonic()
    program = worker.start()
    meter = Meter(program.process.pid)
    meter.read_until(lambda: not generator.is_running(), patience=messages / rate + 120)
    generator.succeed()
    time.sleep(COMMIT_EVERY_MS / 1000 + 1)
    program.process.terminate()
    usage = meter.read_to_end(patience=120)
    program.succeed()
    return Drained(usage, time.monotonic() - started, 0.0)


def message_bytes(topic: Topic) -> float:
    """Mean size of a value, over the first messages of a partition."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": topic.servers, "group.id": topic.name})
    consumer.assign([confluent_kafka.TopicPartition(topic.name, 0, confluent_kafka.OFFSET_BEGINNING)])
    sizes = [len(message.value()) for message in consumer.consume(1000, timeout=30)]
    consumer.close()
    return sum(sizes) / len(sizes)


def main():
    arguments = parse_arguments()
    run = Run(arguments)
    with open_workplace(arguments) as workplace:
        topic, lake = workplace.topic(), workplace.folder / "lake"
        worker = Sluice(workplace, topic, lake, COMMIT_EVERY_MS, arguments.gold)
        if arguments.rate:
            drained = follow(workplace, topic, worker, arguments.messages, arguments.rate)
        else:
            workplace.generate_past(topic, arguments.messages)
            drained = worker.drain()
        verify(lake, arguments.messages)
        figures = {
            "rows": f"{arguments.messages:,}",
            "bytes a message": f"{message_bytes(topic):.0f}",
            "CPU-s a million rows": f"{drained.usage.cpu_seconds / arguments.messages * 1e6:.2f}",
            "rows/s": f"{arguments.messages / drained.wall_seconds:,.0f}",
            "peak RSS": mebibytes(drained.usage.peak_bytes),
            "bronze": mebibytes(table_bytes(lake / "bronze")),
            "silver": mebibytes(table_bytes(lake / "silver")),
        }
        if arguments.gold:
            figures["rows of gold"] = f"{sum(count_rows(table) for table in gold_tables(lake)):,}"
        run.record(HEADING_WITH_GOLD if arguments.gold else HEADING, figures)


if __name__ == "__main__":
    main()
