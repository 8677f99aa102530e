"""What a worker holds in memory: ten million messages of a million users, flat out.

    dev/bench memory                        # 10,000,000 messages; needs 6 GB of disk for topic and tables
    dev/bench memory --gold --messages 3600000 --event-rate 1000   # an hour, with the five windowed tables of the example
    dev/bench memory --messages 500000

The generator has a hundred thousand users, so messages are made here: of the same fields and size, users drawn evenly,
which is the worst for caches, at an event rate that fills the memory of deduplication for its ten minutes.
"""

import datetime
import random

import confluent_kafka
import duckdb
from deltalake import DeltaTable
from engines import Sluice
from kafka_topics import Topic
from measuring import mebibytes
from results import Run
from workplace import add_gold, arguments_of, count_messages, open_workplace, positive, verify

HEADING = "Memory"
HEADING_WITH_GOLD = "Memory with five gold tables"
COMMIT_EVERY_MS = 2000
EVENING = datetime.datetime(2026, 1, 5, 20, tzinfo=datetime.UTC)
CITIES = ("London, United Kingdom", "Bengaluru, India", "Paris, France", "Lagos, Nigeria", "Lima, Peru")
METHODS = ("credit_card", "debit_card", "paypal", "bank_transfer", "crypto")


def parse_arguments():
    parser = arguments_of(__doc__)
    parser.add_argument("--messages", type=positive, default=10_000_000)
    parser.add_argument("--users", type=positive, default=1_000_000)
    parser.add_argument("--event-rate", type=positive, default=10_000, help="messages for each second of event time")
    add_gold(parser)
    return parser.parse_args()


def message(number: int, user: int, at: str) -> str:
    """A transaction of about 0.5 kB; everything about it follows from its number and its user."""
    mixed = number * 0x9E3779B97F4A7C15 & (1 << 64) - 1
    text = f"{mixed:016x}"
    return (
        f'{{"transaction_id":"{number:08x}-{text[:4]}-{text[4:8]}-{text[8:12]}-{text[4:]}","user_id":{user},'
        f'"amount":{mixed % 200_000 / 100 + 0.01:.2f},"merchant":"Merchant {mixed % 10_000}","timestamp":"{at}",'
        f'"is_fraud":false,"payment_method":"{METHODS[mixed % 5]}","location":"{CITIES[mixed % 5]}",'
        f'"device_id":"android-{user:012x}","session_id":"{text}","channel":"mobile_app",'
        f'"user_agent":"Shop/8.2.0 (Linux; Android 16; Pixel 9 Pro Build/BP2A.250605.031) okhttp/5.1",'
        f'"request_id":"{text}{text[::-1]}","client_ip":"203.0.113.{user % 256}"}}'
    )


def produce(topic: Topic, messages: int, users: int, event_rate: int):
    """Fills the topic, keyed by user."""
    choose = random.Random(1)
    start_ms = round(EVENING.timestamp() * 1000)
    failures = []

    def delivered(error, _message):
        if error is not None:
            failures.append(error)

    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": topic.servers,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 200_000,
        }
    )
    shown_ms, at = None, ""
    for number in range(messages):
        at_ms = start_ms + number * 1000 // event_rate
        if at_ms != shown_ms:
            moment = datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC)
            shown_ms, at = at_ms, f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}Z"
        user = choose.randrange(users) + 1
        while True:
            try:
                value, key = message(number, user, at), str(user)
                producer.produce(topic.name, value, key, timestamp=at_ms, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 1000 == 0:
            producer.poll(0)
    assert producer.flush(120) == 0, "not all messages were acknowledged"
    assert not failures, f"a message was not delivered: {failures[0]}"
    assert count_messages(topic) == messages, f"the topic has {count_messages(topic)} of {messages} messages"


def count_users(lake) -> int:
    """How many users silver knows."""
    rows = DeltaTable(str(lake / "silver")).to_pyarrow_dataset()  # noqa: F841, DuckDB finds it by its name
    return duckdb.sql("SELECT count(DISTINCT user_id) FROM rows").fetchone()[0]


def main():
    arguments = parse_arguments()
    run = Run(arguments)
    with open_workplace(arguments) as workplace:
        topic, lake = workplace.topic(), workplace.folder / "lake"
        produce(topic, arguments.messages, arguments.users, arguments.event_rate)
        drained = Sluice(workplace, topic, lake, COMMIT_EVERY_MS, arguments.gold).drain()
        verify(lake, arguments.messages)
        figures = {
            "rows": f"{arguments.messages:,}",
            "users": f"{count_users(lake):,}",
            "peak RSS": mebibytes(drained.usage.peak_bytes),
            "CPU-s a million rows": f"{drained.usage.cpu_seconds / arguments.messages * 1e6:.2f}",
            "rows/s": f"{arguments.messages / drained.wall_seconds:,.0f}",
        }
        run.record(HEADING_WITH_GOLD if arguments.gold else HEADING, figures)


if __name__ == "__main__":
    main()
