"""Whether a lake holds what a topic delivered, nothing lost and nothing doubled."""

import collections
import time

import lakes
from oracle import Message, Transaction, decode_json, run_pipeline
from processes import PATIENCE


def _assert_accounts(lake, messages: list):
    """Nothing lost, nothing doubled: from the tables themselves and a foreign consumer's messages."""
    tables = {name: lakes.read_with_delta_rs(lake / name) for name in lakes.TABLES}
    rows = {name: table.to_pylist() for name, table in tables.items()}

    def positions(rows):
        return collections.Counter((row["topic"], row["partition"], row["offset"]) for row in rows)

    decode_refusals = [row for row in rows["quarantine"] if row["stage"] == "decode"]
    silver_refusals = [row for row in rows["quarantine"] if row["stage"] == "silver"]
    delivered = collections.Counter((message.topic, message.partition, message.offset) for message in messages)
    stored = positions(rows["bronze"]) + positions(decode_refusals)
    assert stored == delivered, (
        f"lost {list(delivered - stored)[:5]}, doubled or foreign {list(stored - delivered)[:5]}"
    )

    duplicates = collections.Counter(partition for partition, _ in _duplicates_of_bronze(rows["bronze"]))
    for partition in {message.partition for message in messages}:
        counts = [
            sum(1 for row in part if row["partition"] == partition)
            for part in (rows["silver"], silver_refusals, rows["bronze"])
        ]
        silver, refused, bronze = counts
        assert silver + refused + duplicates[partition] == bronze, f"partition {partition}: {counts} {duplicates}"


def _duplicates_of_bronze(bronze: list) -> list:
    """Which bronze rows are copies, computed from nothing but bronze."""

    def message(row) -> Message:
        fields = Transaction(*(row[name] for name in Transaction._fields))
        timestamp = round(row["kafka_timestamp"].timestamp() * 1000)
        return Message(row["topic"], row["partition"], row["offset"], timestamp, None, fields)

    in_order = sorted(bronze, key=lambda row: (row["partition"], row["offset"]))
    return run_pipeline(map(message, in_order), lambda fields: fields).duplicates


def assert_nothing_lost_or_doubled(topic, *filled):
    messages = topic.read_all()
    expected = run_pipeline(messages, decode_json)
    for lake in filled:
        _assert_accounts(lake, messages)
        lakes.assert_lake(lake, expected)


def newest_version(lake) -> int:
    return lakes.DeltaTable(str(lake / "bronze")).version()


def await_version(lake, worker, beyond: int):
    """Waits until bronze has a version after this one."""
    deadline = time.monotonic() + PATIENCE
    while not (lake / f"bronze/_delta_log/{beyond + 1:020}.json").exists():
        assert worker.is_running(), worker.output()[-4000:]
        assert time.monotonic() < deadline, f"bronze has no version after {beyond}:\n{worker.output()[-4000:]}"
        time.sleep(0.05)
