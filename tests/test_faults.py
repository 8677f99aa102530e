"""Faults of every kind, once and a few at random: `make prove` meets them by the dozen (`prove_faults.py`).

SLUICE_SEED repeats a run.
"""

import json
import pathlib
import random

import pytest

from accounts import assert_nothing_lost_or_doubled, newest_version
from faults import TRAFFIC
from trials import place_of


def seed_for(place: str, seed: int) -> int:
    return next(number for number in range(seed, seed + 3) if place_of(number) == place)


def test_every_kind_of_fault_on_a_disk_loses_and_doubles_nothing(trial, seed):
    trial(seed_for("disk", seed), every_kind=True).run()


def test_faults_at_random_in_a_bucket_lose_and_double_nothing(trial, seed):
    trial(seed_for("bucket", seed)).run()


def newest_manifest(lake) -> pathlib.Path:
    return max((lake / "_sluice/ingest/0/0").glob("0*.json"))


def newest_state(lake) -> pathlib.Path:
    state = json.loads(newest_manifest(lake).read_text())["state"]
    return lake / [*filter(None, [state.get("base")]), *state["deltas"]][-1]["path"]


@pytest.mark.parametrize("file", [newest_manifest, newest_state])
def test_a_torn_file_that_everything_rests_on_stops_the_shard_and_is_named_until_it_is_restored(
    topic, ecommerce, ingest, generate, lake, seed, file
):
    for part in range(2):
        generate(topic, "--seed", seed + part, "--messages", 2_000, "--rate", 0, *TRAFFIC[2:]).succeed()
        ingest(ecommerce, "--until-caught-up").succeed()
    torn = file(lake)
    whole = torn.read_bytes()
    torn.write_bytes(whole[: random.Random(seed).randrange(len(whole))])
    before = newest_version(lake)
    stopped = ingest(ecommerce, "--until-caught-up")
    assert stopped.wait() == 1, stopped.output()
    assert torn.name in stopped.output() and "restore the file from a copy of the lake" in stopped.output()
    assert newest_version(lake) == before
    torn.write_bytes(whole)
    generate(topic, "--seed", seed + 2, "--messages", 2_000, "--rate", 0, *TRAFFIC[2:]).succeed()
    ingest(ecommerce, "--until-caught-up").succeed()
    assert_nothing_lost_or_doubled(topic, lake)
