"""Kills: nothing is lost, nothing is doubled.

A real worker process is killed with SIGKILL, at each named step of the epoch protocol and at random moments, while a
producer runs. SLUICE_KILLS sets the number of random kills, SLUICE_SEEDS how often the named steps are gone through
(each time with another seed), SLUICE_SEED repeats a run.
"""

import collections
import os
import random
import re
import signal
import time

import pytest

import lakes
from conftest import ROOT
from oracle import Message, Transaction, decode_json, run_pipeline
from processes import PATIENCE

KILLS = int(os.environ.get("SLUICE_KILLS", "8"))
SEEDS = int(os.environ.get("SLUICE_SEEDS", "1"))

# Epochs so short that a run meets every step many times.
COMMIT = {"everyMs": 50, "maxBytes": 64 * 2**20}
TRAFFIC = ("--rate", "1000", "--duplicates", "0.05", "--late", "0.02", "--malformed", "0.02", "--odd", "0.02")


def failpoints() -> list:
    """The names in `sluice_lake::failpoint::ALL`, in the order in which an epoch meets them."""
    source = (ROOT / "workers/lake/src/failpoint.rs").read_text()
    listed = re.search(r"pub const ALL: &\[&str\] = &\[(.*?)\];", source, re.DOTALL)
    names = re.findall(r'"(\w+)"', listed[1])
    assert len(names) >= 10, names
    return names


def assert_accounts(lake, messages: list):
    """What the issue demands, from the tables themselves and a foreign consumer's messages."""
    tables = {name: lakes.read_with_delta_rs(lake / name) for name in lakes.TABLES}
    rows = {name: table.to_pylist() for name, table in tables.items()}

    def positions(rows):
        return collections.Counter((row["topic"], row["partition"], row["offset"]) for row in rows)

    decode_refusals = [row for row in rows["quarantine"] if row["stage"] == "decode"]
    silver_refusals = [row for row in rows["quarantine"] if row["stage"] == "silver"]
    delivered = collections.Counter((message.topic, message.partition, message.offset) for message in messages)
    stored = positions(rows["bronze"]) + positions(decode_refusals)
    assert stored == delivered, f"lost {list(delivered - stored)[:5]}, doubled or foreign {list(stored - delivered)[:5]}"

    duplicates = collections.Counter(partition for partition, _ in duplicates_of_bronze(rows["bronze"]))
    for partition in {message.partition for message in messages}:
        counts = [
            sum(1 for row in part if row["partition"] == partition)
            for part in (rows["silver"], silver_refusals, rows["bronze"])
        ]
        silver, refused, bronze = counts
        assert silver + refused + duplicates[partition] == bronze, f"partition {partition}: {counts} {duplicates}"


def duplicates_of_bronze(bronze: list) -> list:
    """Which bronze rows are copies, computed from nothing but bronze."""

    def message(row) -> Message:
        fields = Transaction(*(row[name] for name in Transaction._fields))
        timestamp = round(row["kafka_timestamp"].timestamp() * 1000)
        return Message(row["topic"], row["partition"], row["offset"], timestamp, None, fields)

    in_order = sorted(bronze, key=lambda row: (row["partition"], row["offset"]))
    return run_pipeline(map(message, in_order), lambda fields: fields).duplicates


def assert_nothing_lost_or_doubled(topic, lake):
    messages = topic.read_all()
    assert_accounts(lake, messages)
    lakes.assert_lake(lake, run_pipeline(messages, decode_json))


@pytest.mark.parametrize("round_number", range(SEEDS))
def test_a_kill_at_each_step_of_the_epoch_protocol_loses_and_doubles_nothing(
    topic, ecommerce, ingest, generate, lake, seed, round_number
):
    ecommerce["commit"] = COMMIT
    seed += round_number
    choices = random.Random(seed)
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    for name in failpoints():
        # A process claims and recovers once, and makes few checkpoints; the other steps come with every epoch.
        rare = name in ("after_claim", "after_recover") or "checkpoint" in name
        hit = 1 if rare else choices.randint(1, 8)
        armed = {"SLUICE_FAILPOINT": f"{name}={hit}"}
        worker = ingest(ecommerce, environment=armed)
        code = worker.wait()
        assert code == -signal.SIGKILL, f"{name}={hit} never fired; exit code {code}:\n{worker.output()[-4000:]}"
        assert producer.is_running(), producer.output()[-4000:]
    assert producer.stop() == 0, producer.output()[-4000:]
    ingest(ecommerce, "--until-caught-up").succeed()
    assert_nothing_lost_or_doubled(topic, lake)


def test_kills_at_random_moments_of_two_shards_lose_and_double_nothing(
    topic, ecommerce, ingest, generate, lake, seed
):
    ecommerce |= {"commit": COMMIT, "shards": 2}
    choices = random.Random(seed)
    producer = generate(topic, "--seed", seed, *TRAFFIC)

    def start(shard, *flags):
        return ingest(ecommerce, "--shard", shard, *flags)

    workers = [start(0), start(1)]
    for _ in range(KILLS):
        time.sleep(choices.uniform(0.05, 3))
        shard = choices.randrange(2)
        assert workers[shard].is_running(), workers[shard].output()[-4000:]
        workers[shard].kill()
        workers[shard] = start(shard)
    assert producer.stop() == 0, producer.output()[-4000:]
    for worker in workers:
        worker.kill()
    for last in [start(0, "--until-caught-up"), start(1, "--until-caught-up")]:
        last.succeed()
    assert_nothing_lost_or_doubled(topic, lake)


def test_a_worker_that_lost_its_chain_stands_by_and_takes_over_when_its_successor_is_gone(
    topic, ecommerce, ingest, generate, lake, seed
):
    ecommerce["commit"] = COMMIT
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    paused = ingest(ecommerce)
    await_version(lake, paused, beyond=1)
    paused.process.send_signal(signal.SIGSTOP)
    successor = ingest(ecommerce)
    await_version(lake, successor, beyond=newest_version(lake) + 3)

    # Awake again it must notice that the chain is another's, whatever it was about to write.
    paused.process.send_signal(signal.SIGCONT)
    paused.await_output("standing by")
    await_version(lake, successor, beyond=newest_version(lake) + 3)
    successor.kill()
    before = newest_version(lake)
    await_version(lake, paused, beyond=before + 3)
    assert producer.stop() == 0, producer.output()[-4000:]
    assert paused.stop() == 0, paused.output()[-4000:]
    ingest(ecommerce, "--until-caught-up").succeed()
    assert_nothing_lost_or_doubled(topic, lake)


def newest_version(lake) -> int:
    return lakes.DeltaTable(str(lake / "bronze")).version()


def await_version(lake, worker, beyond: int):
    """Waits until bronze has a version after this one."""
    deadline = time.monotonic() + PATIENCE
    while not (lake / f"bronze/_delta_log/{beyond + 1:020}.json").exists():
        assert worker.is_running(), worker.output()[-4000:]
        assert time.monotonic() < deadline, f"bronze has no version after {beyond}:\n{worker.output()[-4000:]}"
        time.sleep(0.05)
