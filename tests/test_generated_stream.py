"""The headline: a generated topic on a real Kafka becomes the specification's tables, to the row.

The generator's messages are read back by a foreign consumer; the oracle says what they must become; the tables are
read by readers that are not ours and compared in every column.
"""

import collections
import json
import os
import pathlib
import uuid

import pytest
import requests

import gold_tables
import lakes
import pipelines
from conftest import ROOT
from kafka_topics import Topic
from oracle import Gold, Lake, decode_avro, decode_json
from processes import Program

MESSAGES = int(os.environ.get("SLUICE_MESSAGES", "200000"))

# Saturday begins half an hour into it. More of everything that is rare, so that every rule is at work.
TRAFFIC = ("--start-time", "2026-01-02T23:30:00Z", "--event-rate", "50", "--rate", "0")
SHARES = ("--duplicates", "0.02", "--late", "0.02", "--malformed", "0.01", "--odd", "0.01")

COMMON_REASONS = {
    ("decode", "EmptyValue"),
    ("decode", "MissingField"),
    ("decode", "WrongType"),
    ("silver", "MissingId"),
    ("silver", "NonPositiveAmount"),
    ("silver", "BadTimestamp"),
    ("silver", "FutureTimestamp"),
}
JSON_REASONS = COMMON_REASONS | {("decode", "MalformedJson")}
AVRO_REASONS = COMMON_REASONS | {
    ("decode", "MalformedAvro"),
    ("decode", "UnknownSchemaId"),
    ("decode", "TrailingBytes"),
    ("silver", "NonFiniteAmount"),
}


def send_generated(worker_program, topic: Topic, log: pathlib.Path, seed: int, *flags):
    """Fills a topic; the generator creates it."""
    arguments = ("--bootstrap-servers", topic.servers, "--topic", topic.name, "--partitions", topic.partitions)
    Program(
        [worker_program, "generate", *arguments, "--seed", seed, "--messages", MESSAGES, *TRAFFIC, *SHARES, *flags],
        log,
    ).succeed()


def assert_lake(folder: pathlib.Path, expected: tuple[Lake, Gold], topic: Topic, readers=("delta-rs",)):
    """All tables are as they must be."""
    rows, gold = expected
    lakes.assert_lake(folder, rows, readers)
    gold_tables.assert_declared(folder)
    gold_tables.assert_late_rows(lakes.read_with_delta_rs(folder / "quarantine"), gold)
    gold_tables.assert_gold(folder, gold, gold_tables.finality_of(gold, topic.partitions), readers)


def assert_everything_is_at_work(expected: tuple[Lake, Gold], reasons: set):
    """A comparison says little if the input did not put every rule to work."""
    lake, gold = expected
    assert {(row["stage"], row["reason"]) for row in lake.quarantine} == reasons | {("late", "LateRow")}
    windows = {window["table"] for windows in gold.late.values() for window in windows}
    assert windows == set(gold.tables), "no row is late for some of the tables"
    copies = collections.Counter(row["transaction_id"] for row in lake.silver)
    assert len(lake.duplicates) > MESSAGES / 400, "few duplicates"
    assert sum(1 for count in copies.values() if count > 1) > MESSAGES / 2000, "few copies after the horizon"


def configuration(topic: Topic, lake: pathlib.Path, **of_source) -> dict:
    """The example with its windows, published every second."""
    return pipelines.with_gold(pipelines.ecommerce(topic.servers, topic.name, lake, **of_source), emit_every_ms=1_000)


@pytest.fixture(scope="module")
def json_stream(kafka, worker_program, seed, tmp_path_factory):
    """A topic of generated JSON, and what it must become."""
    topic = Topic(kafka, f"test-json-{uuid.uuid4().hex[:12]}", partitions=8)
    send_generated(worker_program, topic, tmp_path_factory.mktemp("generate") / "log", seed)
    messages = topic.read_all()
    assert len(messages) == MESSAGES
    expected = gold_tables.expected_of(messages, decode_json)
    assert_everything_is_at_work(expected, JSON_REASONS)
    yield topic, expected
    topic.delete()


def test_a_generated_json_topic_becomes_the_oracles_tables(json_stream, ingest, lake):
    topic, expected = json_stream
    ingest(configuration(topic, lake), "--until-caught-up").succeed()
    assert_lake(lake, expected, topic, readers=lakes.READERS)


def test_two_shards_make_the_same_tables_as_one(json_stream, ingest, lake):
    topic, expected = json_stream
    both = configuration(topic, lake) | {"shards": 2}
    shards = [ingest(both, "--until-caught-up", "--shard", shard) for shard in (0, 1)]
    for shard in shards:
        shard.succeed()
    assert_lake(lake, expected, topic)


def test_the_example_manifest_in_local_mode_makes_the_same_tables(json_stream, sluice_program, run, tmp_path):
    topic, expected = json_stream
    manifest = (ROOT / "manifests/examples/ecommerce/pipeline.yaml").read_text()
    assert "topic: ecommerce.transactions" in manifest
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "pipeline.yaml").write_text(manifest.replace("topic: ecommerce.transactions", f"topic: {topic.name}"))
    flags = ("--broker", topic.servers, "--lake", tmp_path / "lakes", "--state", tmp_path / "state")
    run(sluice_program, "up", "-f", folder, *flags, "--until-caught-up").succeed()
    assert_lake(tmp_path / "lakes/default/ecommerce", expected, topic, readers=lakes.READERS)


def registered_schemas(registry: str) -> dict:
    """All schemas of a registry, by id."""
    schemas = {}
    while True:
        answer = requests.get(f"{registry}/schemas/ids/{len(schemas) + 1}", timeout=30)
        if answer.status_code == 404:
            return schemas
        answer.raise_for_status()
        schemas[len(schemas) + 1] = json.loads(answer.json()["schema"])


def test_a_generated_avro_topic_becomes_the_oracles_tables(
    kafka, worker_program, seed, registry, ingest, lake, tmp_path
):
    topic = Topic(kafka, f"test-avro-{uuid.uuid4().hex[:12]}", partitions=8)
    send_generated(
        worker_program, topic, tmp_path / "generate.log", seed, "--format", "avro", "--schema-registry", registry
    )
    schemas = registered_schemas(registry)
    expected = gold_tables.expected_of(topic.read_all(), lambda value: decode_avro(value, schemas))
    assert_everything_is_at_work(expected, AVRO_REASONS)

    flags = ("--until-caught-up", "--schema-not-found-after", "2s")
    ingest(configuration(topic, lake, registry=registry), *flags).succeed()
    assert_lake(lake, expected, topic, readers=lakes.READERS)
    topic.delete()
