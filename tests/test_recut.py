"""Another number of shards, or another configuration, under load: nothing is lost, nothing is doubled.

SLUICE_SEEDS sets how often the steps of a re-cut are gone through, each time with another seed; SLUICE_SEED repeats a
run.
"""

import copy
import os
import random
import signal
import time

import pytest

import lakes
from accounts import assert_nothing_lost_or_doubled, await_version, newest_version
from deltalake import DeltaTable
from faults import STEPS_OF_A_RECUT, TRAFFIC, is_met_by_one
from job import Job
from processes import PATIENCE

SEEDS = int(os.environ.get("SLUICE_SEEDS", "1"))


@pytest.fixture
def job(ecommerce, ingest) -> Job:
    return Job(ecommerce, ingest)


def await_table(lake):
    deadline = time.monotonic() + PATIENCE
    while not (lake / "bronze/_delta_log/00000000000000000003.json").exists():
        assert time.monotonic() < deadline, "no commits"
        time.sleep(0.05)


def test_one_shard_becomes_three_and_three_become_two_under_load(topic, job, generate, lake, seed):
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    job.cut(1)
    await_table(lake)
    for shards in (3, 2):
        for old in job.cut(shards).values():
            # Nobody ends it: it learns that its generation is over, and leaves the topic to the new one.
            old.await_output("standing by")
        job.await_progress(lake)
    assert producer.stop() == 0, producer.output()[-4000:]
    job.catch_up()
    assert_nothing_lost_or_doubled(topic, lake)
    generations = sorted(path.name for path in (lake / "_sluice/ingest").iterdir() if path.name.isdigit())
    assert generations == ["0", "1", "2"]


@pytest.mark.parametrize("round_number", range(SEEDS))
def test_a_kill_at_each_step_of_a_recut_loses_and_doubles_nothing(topic, job, generate, lake, seed, round_number):
    choices = random.Random(seed + round_number)
    producer = generate(topic, "--seed", seed + round_number, *TRAFFIC)
    job.cut(1)
    await_table(lake)
    shards = 1
    for step in STEPS_OF_A_RECUT:
        before = shards
        shards = choices.choice([count for count in (1, 2, 3, 4) if count != shards])
        alone = is_met_by_one(step)
        armed = 0 if alone else choices.randrange(shards)
        if alone:
            old = job.leave(shards)
            job.start(0, step)
        else:
            old = job.cut(shards, (armed, step))
        code = job.workers[armed].wait()
        output = job.workers[armed].output()
        assert code == -signal.SIGKILL, f"{before} to {shards}: {step} never fired; exit code {code}:\n{output[-4000:]}"
        for shard in range(shards):
            if shard == armed or alone:
                job.start(shard)
        time.sleep(choices.uniform(0, 0.5))
        for worker in old.values():
            worker.kill()
        job.await_progress(lake, versions=2)
    assert producer.stop() == 0, producer.output()[-4000:]
    job.catch_up()
    assert_nothing_lost_or_doubled(topic, lake)


@pytest.mark.parametrize("step", ["before_manifest", "after_manifest", "after_commit_bronze", "after_all_commits"])
def test_a_shard_that_dies_in_an_epoch_and_never_comes_back_leaves_everything_to_the_next_cut(
    topic, job, generate, lake, seed, step
):
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    job.cut(2, (1, f"{step}=5"))
    assert job.workers[1].wait() == -signal.SIGKILL, job.workers[1].output()[-4000:]
    for old in job.cut(1).values():
        old.kill()
    job.await_progress(lake)
    assert producer.stop() == 0, producer.output()[-4000:]
    job.catch_up()
    assert_nothing_lost_or_doubled(topic, lake)


def test_zombies_of_old_cuts_wake_up_and_write_nothing(topic, job, generate, lake, seed):
    choices = random.Random(seed)
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    job.cut(1)
    await_table(lake)
    zombies = []
    for shards in (3, 2, 1):
        for worker in job.workers.values():
            time.sleep(choices.uniform(0, 0.1))
            worker.process.send_signal(signal.SIGSTOP)
            zombies.append(worker)
        job.cut(shards)
        job.await_progress(lake)
    for zombie in zombies:
        zombie.process.send_signal(signal.SIGCONT)
    for zombie in zombies:
        zombie.await_output("standing by")
    job.await_progress(lake)
    assert producer.stop() == 0, producer.output()[-4000:]
    for zombie in zombies:
        zombie.kill()
    job.catch_up()
    assert_nothing_lost_or_doubled(topic, lake)


def with_column(configuration: dict, name: str, expression: str, revision: str) -> dict:
    changed = copy.deepcopy(configuration)
    changed["silver"]["columns"].append({"name": name, "expr": expression})
    return changed | {"revision": revision}


def test_a_new_configuration_is_in_force_for_all_shards_from_one_moment_on(topic, job, generate, lake, seed):
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    job.cut(2)
    await_table(lake)
    old_one = job.workers[1]
    job.configuration = with_column(job.configuration, "doubled", "amount * 2", "another")
    job.revision += 1
    job.start(0)
    # The other shard still has the old configuration: it must not go on with it.
    old_one.await_output("standing by")
    job.start(1)
    job.await_progress(lake)
    assert producer.stop() == 0, producer.output()[-4000:]
    job.catch_up()
    rows = lakes.read_with_delta_rs(lake / "silver").select(["partition", "offset", "amount", "doubled"]).to_pylist()
    for partition in range(topic.partitions):
        mine = sorted((row for row in rows if row["partition"] == partition), key=lambda row: row["offset"])
        has_column = [row["doubled"] is not None for row in mine]
        assert has_column == sorted(has_column), f"partition {partition}: the old configuration came back"
    assert any(row["doubled"] == 2 * row["amount"] for row in rows) and any(row["doubled"] is None for row in rows)
    delivered = [(message.partition, message.offset) for message in topic.read_all()]
    stored = [
        (row["partition"], row["offset"])
        for name in ("bronze", "quarantine")
        for row in lakes.read_with_delta_rs(lake / name).to_pylist()
        if row.get("stage") != "silver"
    ]
    assert sorted(stored) == sorted(delivered)


def test_a_configuration_that_the_tables_refuse_stops_nobody(topic, job, generate, lake, seed):
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    job.cut(1)
    await_table(lake)
    worker = job.workers[0]
    wrong = copy.deepcopy(job.configuration)
    (column,) = [one for one in wrong["silver"]["columns"] if one["name"] == "amount_category"]
    column["expr"] = "amount"
    refused = job.ingest(wrong | {"revision": "wrong"}, "--deployment-revision", 9)
    refused.await_output("amount_category")
    before = newest_version(lake)
    await_version(lake, worker, beyond=before + 3)
    assert "standing by" not in worker.output()
    refused.kill()
    assert producer.stop() == 0, producer.output()[-4000:]
    job.catch_up()
    assert_nothing_lost_or_doubled(topic, lake)


def test_an_older_deployment_takes_the_job_back_only_when_the_newer_one_is_gone(topic, job, generate, lake, seed):
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    job.cut(1)
    await_table(lake)
    older = job.workers[0]
    job.cut(2)
    older.await_output("standing by")
    job.await_progress(lake)
    assert (lake / "_sluice/ingest/1").is_dir() and not (lake / "_sluice/ingest/2").exists()
    for worker in job.workers.values():
        worker.kill()
    silent = newest_version(lake)
    await_version(lake, older, beyond=silent + 3)
    assert (lake / "_sluice/ingest/2").is_dir()
    assert producer.stop() == 0, producer.output()[-4000:]
    older.kill()
    job.revision += 1
    job.catch_up()
    assert_nothing_lost_or_doubled(topic, lake)


def test_partitions_that_are_added_to_the_topic_are_read_by_their_shards(topic, job, generate, lake, seed):
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    job.cut(3)
    await_table(lake)
    topic.grow(11)
    # Producers see new partitions when they ask for the topic anew.
    assert producer.stop() == 0, producer.output()[-4000:]
    producer = generate(topic, "--seed", seed + 1, *TRAFFIC)
    job.cut(2)
    job.await_progress(lake)
    assert producer.stop() == 0, producer.output()[-4000:]
    job.catch_up()
    assert {row for row in lakes.read_with_delta_rs(lake / "bronze")["partition"].to_pylist()} == set(range(11))
    assert_nothing_lost_or_doubled(topic, lake)
    assert DeltaTable(str(lake / "bronze")).version() > 0
