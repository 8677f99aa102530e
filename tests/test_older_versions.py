"""What an earlier release wrote is read by this one, and goes on; what a later one wrote is refused by name."""

import json
import struct

import pytest

import lakes
from accounts import assert_nothing_lost_or_doubled, await_version, newest_version
from conftest import ROOT
from faults import COMMIT, TRAFFIC
from kafka_topics import Topic
from older_lakes import OLDER_LAKES
from oracle import decode_json, run_pipeline

# Later than every format that will be.
LATER = 99


@pytest.fixture(params=OLDER_LAKES, ids=lambda older: older.folder.name)
def older(request):
    return request.param


@pytest.fixture
def topic(kafka, older):
    """The topic of an older lake, made again: the same name, partitions, offsets, and messages."""
    topic = Topic(kafka, older.topic_name, older.partitions)
    topic.create()
    topic.produce((message.partition, message.timestamp, message.key, message.value) for message in older.messages)
    yield topic
    topic.delete()


@pytest.fixture
def configuration(older, topic, lake):
    older.copy_to(lake)
    return older.configuration(topic.servers, lake)


class Workers:
    """The workers of a pipeline, cut by cut. Each cut is a newer deployment."""

    def __init__(self, configuration: dict, ingest):
        self.configuration, self.ingest = configuration, ingest
        self.revision = 10

    def start(self, shards: int, *flags) -> list:
        self.revision += 1
        self.configuration |= {"shards": shards}
        flags = ("--deployment-revision", self.revision, *flags)
        return [self.ingest(self.configuration, "--shard", shard, *flags) for shard in range(shards)]

    def catch_up(self, shards: int):
        for worker in self.start(shards, "--until-caught-up"):
            worker.succeed()


def versions(lake) -> dict:
    return {name: lakes.DeltaTable(str(lake / name)).version() for name in lakes.TABLES}


def copies_of(messages: list) -> list:
    """The newest silver row of each partition once more: only what the old state remembers tells that it is a copy."""
    newest = {row["partition"]: row["offset"] for row in run_pipeline(messages, decode_json).silver}
    chosen = [message for message in messages if newest.get(message.partition) == message.offset]
    return [(message.partition, message.timestamp + 1, message.key, message.value) for message in chosen]


def test_an_older_lake_holds_what_its_messages_say_for_every_reader(older):
    expected = run_pipeline(older.messages, decode_json)
    lakes.assert_lake(older.folder / "lake", expected, readers=lakes.READERS)


def test_an_older_lake_goes_on_with_more_traffic_and_another_cut(
    older, topic, configuration, ingest, generate, lake, seed
):
    messages = topic.read_all()
    assert messages == older.messages
    before, shards = versions(lake), configuration["shards"]
    workers = Workers(configuration, ingest)
    workers.catch_up(shards)
    assert versions(lake) == before, "there was nothing new"

    copies = copies_of(messages)
    assert len(copies) == older.partitions
    topic.produce(copies)
    configuration["commit"] = COMMIT
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    running = workers.start(shards)
    await_version(lake, running[0], beyond=newest_version(lake) + 4)
    recut = workers.start(shards + 1)
    for worker in running:
        worker.await_output("standing by")
    await_version(lake, recut[0], beyond=newest_version(lake) + 4)
    assert producer.stop() == 0, producer.output()[-4000:]
    for worker in running + recut:
        worker.kill()
    workers.catch_up(shards + 1)

    assert_nothing_lost_or_doubled(topic, lake)
    ends = {partition: 1 + max(m.offset for m in messages if m.partition == partition) for partition, *_ in copies}
    duplicates = run_pipeline(topic.read_all(), decode_json).duplicates
    assert set(ends.items()) <= set(duplicates), "the copies are no test of the memory"


def state_file(lake):
    """One that the newest manifest of shard 0 names."""
    newest = max((lake / "_sluice/ingest/1/0").glob("*.json"))
    state = json.loads(newest.read_text())["state"]
    return lake / [*state.get("deltas", []), state.get("base")][0]["path"]


def document(*pattern):
    """The last file of that name."""
    return lambda lake: max(lake.glob("/".join(pattern)))


KINDS = {
    "lake": document("_sluice/lake.json"),
    "generation": document("_sluice/ingest/1/generation.json"),
    "manifest": document("_sluice/ingest/1/0/*.json"),
    "state": state_file,
}


def make_later(file):
    """As a later release might write it: another format version, and nothing else that is known."""
    if file.suffix == ".json":
        file.write_text(json.dumps({"formatVersion": LATER, "content": {"of": "a later release"}}))
    else:
        content = file.read_bytes()
        file.write_bytes(content[:8] + struct.pack("<I", LATER) + b"a later release")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_a_later_release_is_refused_with_its_version_and_the_fix(kind, topic, configuration, ingest, lake):
    file = KINDS[kind](lake)
    make_later(file)
    before = versions(lake)
    worker = ingest(configuration, "--shard", 0, "--deployment-revision", 11, "--until-caught-up")
    assert worker.wait() != 0
    said = worker.output()
    assert f"format version {LATER}" in said and "newer" in said, said[-4000:]
    assert str(file.relative_to(lake)) in said, said[-4000:]
    assert versions(lake) == before


def test_a_configuration_of_a_later_release_is_refused_with_its_version_and_the_fix(configuration, ingest, lake):
    before = versions(lake)
    worker = ingest({"formatVersion": LATER, "everything": "else"})
    assert worker.wait() != 0
    assert f"format version {LATER}" in worker.output(), worker.output()
    assert "run a worker of the operator's release" in worker.output(), worker.output()
    assert versions(lake) == before


def test_each_older_lake_is_described():
    text = (ROOT / "tests/older_versions/README.md").read_text()
    assert OLDER_LAKES
    for older in OLDER_LAKES:
        assert f"## {older.folder.name}\n" in text, older.folder
