"""Kills: nothing is lost, nothing is doubled.

A real worker process is killed with SIGKILL, at each named step of the epoch protocol and at random moments, while a
producer runs. SLUICE_KILLS sets the number of random kills, SLUICE_SEEDS how often the named steps are gone through
(each time with another seed), SLUICE_SEED repeats a run.
"""

import os
import random
import signal
import time

import pytest

from accounts import assert_nothing_lost_or_doubled, await_version, newest_version
from faults import COMMIT, TRAFFIC, failpoints

KILLS = int(os.environ.get("SLUICE_KILLS", "8"))
SEEDS = int(os.environ.get("SLUICE_SEEDS", "1"))


@pytest.mark.parametrize("round_number", range(SEEDS))
def test_a_kill_at_each_step_of_the_epoch_protocol_loses_and_doubles_nothing(
    topic, ecommerce, ingest, generate, lake, seed, round_number
):
    ecommerce["commit"] = COMMIT
    seed += round_number
    choices = random.Random(seed)
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    for name in failpoints("OF_A_CHAIN"):
        # A process claims and recovers once, and makes few checkpoints; the other steps come with every epoch.
        rare = name in ("before_claim", "after_claim", "after_recover") or "checkpoint" in name
        hit = 1 if rare else choices.randint(1, 8)
        armed = {"SLUICE_FAILPOINT": f"{name}={hit}"}
        worker = ingest(ecommerce, environment=armed)
        code = worker.wait()
        assert code == -signal.SIGKILL, f"{name}={hit} never fired; exit code {code}:\n{worker.output()[-4000:]}"
        assert producer.is_running(), producer.output()[-4000:]
    assert producer.stop() == 0, producer.output()[-4000:]
    ingest(ecommerce, "--until-caught-up").succeed()
    assert_nothing_lost_or_doubled(topic, lake)


def test_kills_at_random_moments_of_two_shards_lose_and_double_nothing(topic, ecommerce, ingest, generate, lake, seed):
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
