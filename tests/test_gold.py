"""Tables of windows: what the merge publishes is what a batch recomputation of silver gives, whatever is killed when.

SLUICE_SEEDS sets how often the named steps are gone through, each time with another seed; SLUICE_SEED repeats a run.
"""

import os
import random
import signal
import time

import pytest
import requests
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

import gold_tables
import lakes
import pipelines
from faults import TRAFFIC, failpoints
from job import Job
from oracle import decode_json, late_rows, run_gold, run_pipeline
from processes import PATIENCE

SEEDS = int(os.environ.get("SLUICE_SEEDS", "1"))
COMMIT = {"everyMs": 200, "maxBytes": 64 * 2**20}
TABLES = ("transactions", "merchant", "user", "country", "hourly_summary")

# These come once a minute, when a base is due, or at once after a start that finds one overdue.
STEPS_OF_A_BASE = [
    *("merge_before_spill", "merge_after_spill", "merge_before_state_file", "merge_after_state_file"),
    *("merge_before_forget", "merge_after_forget"),
]
STEPS_OF_A_START = ["merge_before_claim", "merge_after_claim", "merge_after_recover"]
STEPS_OF_AN_EPOCH = [step for step in failpoints("OF_GOLD") if step not in [*STEPS_OF_A_BASE, *STEPS_OF_A_START]]


@pytest.fixture
def configuration(ecommerce) -> dict:
    """The example with its windows, published every second."""
    return pipelines.with_gold(ecommerce, emit_every_ms=1_000) | {"commit": COMMIT}


@pytest.fixture
def job(configuration, ingest) -> Job:
    return Job(configuration, ingest, commit=COMMIT)


def assert_all_tables(topic, lake, readers=("delta-rs",)):
    """All tables are what the topic's messages must become; those of windows what silver, in order, makes of them."""
    messages = topic.read_all()
    expected = run_pipeline(messages, decode_json)
    gold = run_gold(lakes.read_with_delta_rs(lake / "silver"), pipelines.SPEC)
    expected.quarantine.extend(late_rows(messages, gold))
    lakes.assert_lake(lake, expected, readers)
    gold_tables.assert_declared(lake)
    gold_tables.assert_late_rows(lakes.read_with_delta_rs(lake / "quarantine"), gold)
    gold_tables.assert_gold(lake, gold, gold_tables.finality_of(gold, topic.partitions), readers)
    return gold


def assert_history(lake, gold):
    for name, table in gold.tables.items():
        gold_tables.assert_history(lake / name, table)


def await_published(lake, worker, beyond: int = 0):
    """Waits until every table of windows has a version after this one."""
    deadline = time.monotonic() + PATIENCE
    for name in TABLES:
        while not (lake / f"gold/{name}/_delta_log/{beyond + 1:020}.json").exists():
            assert worker.is_running(), worker.output()[-4000:]
            assert time.monotonic() < deadline, f"gold/{name} has no version {beyond + 1}:\n{worker.output()[-4000:]}"
            time.sleep(0.1)


def published(lake) -> int:
    return max(DeltaTable(str(lake / "gold" / name)).version() for name in TABLES)


def test_the_tables_of_the_example_fill_and_equal_a_batch_recomputation(
    topic, configuration, ingest, generate, lake, seed
):
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    worker = ingest(configuration)
    await_published(lake, worker, beyond=4)
    assert producer.stop() == 0, producer.output()[-4000:]
    assert worker.stop() == 0, worker.output()[-4000:]
    ingest(configuration, "--until-caught-up").succeed()
    assert_history(lake, assert_all_tables(topic, lake, readers=lakes.READERS))
    # Nothing new came: nothing is published again.
    before = published(lake)
    ingest(configuration, "--until-caught-up").succeed()
    assert published(lake) == before


@pytest.mark.parametrize("round_number", range(SEEDS))
def test_a_kill_at_each_step_of_the_merge_loses_and_doubles_nothing(
    topic, configuration, ingest, generate, lake, seed, round_number
):
    seed += round_number
    choices = random.Random(seed)
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    for step in [*STEPS_OF_A_START, *STEPS_OF_AN_EPOCH]:
        hit = 1 if step in STEPS_OF_A_START else choices.randint(1, 4)
        worker = ingest(configuration, environment={"SLUICE_FAILPOINT": f"{step}={hit}"})
        code = worker.wait()
        assert code == -signal.SIGKILL, f"{step}={hit} never fired; exit code {code}:\n{worker.output()[-4000:]}"
    assert producer.stop() == 0, producer.output()[-4000:]
    ingest(configuration, "--until-caught-up").succeed()
    assert_history(lake, assert_all_tables(topic, lake))


# In a minute come hours of event time: most windows are final by then, and leave memory.
HASTE = ("--rate", "250", *TRAFFIC[2:], "--start-time", "2026-01-05T00:00:00Z", "--event-rate", "0.5")


# A base is due after a minute: the last step has met all others on its way.
@pytest.mark.parametrize("step", STEPS_OF_A_BASE if os.environ.get("SLUICE_PROVE") else STEPS_OF_A_BASE[-1:])
def test_a_kill_at_a_step_of_a_base_loses_and_doubles_nothing(topic, configuration, ingest, generate, lake, seed, step):
    producer = generate(topic, "--seed", seed, *HASTE)
    worker = ingest(configuration, environment={"SLUICE_FAILPOINT": f"{step}=1"})
    code = worker.wait()
    assert code == -signal.SIGKILL, f"{step} never fired; exit code {code}:\n{worker.output()[-4000:]}"
    assert producer.stop() == 0, producer.output()[-4000:]
    if step != "merge_before_spill":
        assert list(lake.glob("_sluice/merge/spilled/0/0/gold/*/*.windows")), "no window has left memory"
    ingest(configuration, "--until-caught-up").succeed()
    assert_history(lake, assert_all_tables(topic, lake))
    epochs = sorted(int(path.name.split("-")[0]) for path in lake.glob("_sluice/ingest/partial-aggregates/0/0/*"))
    assert epochs, "partial aggregates that no base covers are gone"
    if step == "merge_after_forget":
        assert epochs[0] > 10, f"the base covers epoch {epochs[0]}, which is still there"


def test_two_shards_and_other_cuts_make_the_same_tables_as_one(topic, job, generate, lake, seed):
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    job.cut(1)
    await_published(lake, job.workers[0])
    for shards in (3, 2):
        for old in job.cut(shards).values():
            old.await_output("standing by")
            old.kill()
        await_published(lake, job.workers[0], beyond=published(lake) + 2)
    assert producer.stop() == 0, producer.output()[-4000:]
    job.catch_up()
    assert_history(lake, assert_all_tables(topic, lake))
    generations = sorted(path.name for path in (lake / "_sluice/merge").iterdir() if path.name.isdigit())
    assert generations == ["0", "1", "2"]


def test_upkeep_beside_the_merge_takes_nothing_that_it_needs(
    topic, configuration, ingest, maintain, generate, lake, seed
):
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    worker = ingest(configuration)
    for _ in range(3):
        await_published(lake, worker, beyond=published(lake) + 1 if (lake / "gold/user").exists() else 1)
        maintain(configuration, "--retention", "7d").succeed()
    worker.kill()
    for name in TABLES:
        kept = DeltaTable(str(lake / "gold" / name)).metadata().configuration
        assert kept["delta.logRetentionDuration"] == "interval 6 hours", name
        assert kept["delta.deletedFileRetentionDuration"] == "interval 6 hours", name
    assert producer.stop() == 0, producer.output()[-4000:]
    ingest(configuration, "--until-caught-up").succeed()
    assert_history(lake, assert_all_tables(topic, lake))


def test_the_report_and_the_metrics_tell_of_the_tables(topic, configuration, ingest, generate, lake, seed, free_port):
    address = f"127.0.0.1:{free_port}"
    generate(topic, "--seed", seed, "--messages", 2_000, "--rate", 0).succeed()
    worker = ingest(configuration, "--listen", address)
    await_published(lake, worker)
    deadline = time.monotonic() + PATIENCE
    while True:
        report = requests.get(f"http://{address}/report", timeout=10).json()
        versions = {name: DeltaTable(str(lake / "gold" / name)).version() for name in TABLES}
        told = {table["name"]: table for table in report["tables"]}
        if all(told.get(f"gold/{name}", {}).get("version") == version for name, version in versions.items()):
            break
        assert time.monotonic() < deadline, report
        time.sleep(0.2)
    for name in TABLES:
        rows = lakes.read_with_delta_rs(lake / "gold" / name).num_rows
        assert told[f"gold/{name}"]["rows"] == rows > 0, name
    gold = report["gold"]
    assert gold["openWindows"] > 0 and gold["groups"] > 0 and gold["publishedAtMs"] is not None, gold
    assert [table["name"] for table in gold["tables"]] == [f"gold/{name}" for name in TABLES]
    metrics = requests.get(f"http://{address}/metrics", timeout=10).text
    assert f"sluice_gold_groups {gold['groups']}\n" in metrics
    assert 'sluice_gold_corrections_total{table="gold/user"} 0\n' in metrics
    assert worker.stop() == 0, worker.output()[-4000:]


def test_another_tool_that_rewrites_a_table_is_told_and_ingest_goes_on(
    topic, configuration, ingest, generate, lake, seed, free_port
):
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    address = f"127.0.0.1:{free_port}"
    worker = ingest(configuration, "--listen", address)
    await_published(lake, worker, beyond=4)
    optimized = _optimize(lake / "gold/merchant")
    problem = worker.await_problem(address)
    assert problem["reason"] == "ForeignWriter" and "gold/merchant" in problem["message"], problem
    assert requests.get(f"http://{address}/report", timeout=10).json()["phase"] == "Running"
    silver = DeltaTable(str(lake / "silver")).version()
    deadline = time.monotonic() + PATIENCE
    while DeltaTable(str(lake / "silver")).version() < silver + 3:
        assert time.monotonic() < deadline, worker.output()[-4000:]
        time.sleep(0.2)
    # What the message says mends it.
    DeltaTable(str(lake / "gold/merchant")).restore(optimized - 1)
    assert producer.stop() == 0, producer.output()[-4000:]
    worker.kill()
    ingest(configuration, "--until-caught-up").succeed()
    assert_all_tables(topic, lake)


def _optimize(table) -> int:
    """Another tool puts the files of a day into one, and gives the version that has it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        opened = DeltaTable(str(table))
        try:
            if opened.optimize.compact()["numFilesRemoved"] > 0:
                return opened.version()
        except CommitFailedError:
            pass  # the merge was faster
        assert time.monotonic() < deadline
        time.sleep(0.1)
