"""The headline: a generated topic on a real Kafka becomes the specification's tables, to the row.

The generator's messages are read back by a foreign consumer; the oracle says what they must become; the tables are
read by readers that are not ours and compared in every column.
"""

import collections
import json
import os
import pathlib
import uuid
from dataclasses import replace

import pytest
import requests

import gold_tables
import lakes
import pipelines
from conftest import ROOT
from kafka_topics import Topic
from oracle import Lake, decode_avro, decode_json, late_rows, run_gold, run_pipeline
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


def assert_everything_is_at_work(lake: Lake, reasons: set):
    """A comparison says little if the input did not put every rule to work."""
    assert {(row["stage"], row["reason"]) for row in lake.quarantine} == reasons
    copies = collections.Counter(row["transaction_id"] for row in lake.silver)
    assert len(lake.duplicates) > MESSAGES / 400, "few duplicates"
    assert sum(1 for count in copies.values() if count > 1) > MESSAGES / 2000, "few copies after the horizon"


@pytest.fixture(scope="module")
def json_stream(kafka, worker_program, seed, tmp_path_factory):
    """A topic of generated JSON, and what it must become."""
    topic = Topic(kafka, f"test-json-{uuid.uuid4().hex[:12]}", partitions=8)
    send_generated(worker_program, topic, tmp_path_factory.mktemp("generate") / "log", seed)
    messages = topic.read_all()
    assert len(messages) == MESSAGES
    expected = run_pipeline(messages, decode_json)
    assert_everything_is_at_work(expected, JSON_REASONS)
    yield topic, expected
    topic.delete()


def test_a_generated_json_topic_becomes_the_oracles_tables(json_stream, ingest, lake):
    topic, expected = json_stream
    ingest(pipelines.ecommerce(topic.servers, topic.name, lake), "--until-caught-up").succeed()
    lakes.assert_lake(lake, expected, readers=lakes.READERS)


def test_two_shards_make_the_same_tables_as_one(json_stream, ingest, lake):
    topic, expected = json_stream
    configuration = {**pipelines.ecommerce(topic.servers, topic.name, lake), "shards": 2}
    shards = [ingest(configuration, "--until-caught-up", "--shard", shard) for shard in (0, 1)]
    for shard in shards:
        shard.succeed()
    lakes.assert_lake(lake, expected)


def test_the_example_manifest_in_local_mode_makes_the_same_tables(json_stream, sluice_program, run, tmp_path):
    topic, expected = json_stream
    manifest = (ROOT / "manifests/examples/ecommerce/pipeline.yaml").read_text()
    assert "topic: ecommerce.transactions" in manifest
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "pipeline.yaml").write_text(manifest.replace("topic: ecommerce.transactions", f"topic: {topic.name}"))
    flags = ("--broker", topic.servers, "--lake", tmp_path / "lakes", "--state", tmp_path / "state")
    run(sluice_program, "up", "-f", folder, *flags, "--until-caught-up").succeed()
    lake = tmp_path / "lakes/default/ecommerce"
    gold = run_gold(lakes.read_with_delta_rs(lake / "silver"), pipelines.SPEC)
    late = late_rows(topic.read_all(), gold)
    assert len(late) > MESSAGES / 2000, "few late rows"
    lakes.assert_lake(lake, replace(expected, quarantine=expected.quarantine + late), readers=lakes.READERS)
    gold_tables.assert_late_rows(lakes.read_with_delta_rs(lake / "quarantine"), gold)
    gold_tables.assert_gold(lake, gold, gold_tables.finality_of(gold, topic.partitions), readers=lakes.READERS)


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
    expected = run_pipeline(topic.read_all(), lambda value: decode_avro(value, schemas))
    assert_everything_is_at_work(expected, AVRO_REASONS)

    configuration = pipelines.ecommerce(topic.servers, topic.name, lake, registry=registry)
    ingest(configuration, "--until-caught-up", "--schema-not-found-after", "2s").succeed()
    lakes.assert_lake(lake, expected, readers=lakes.READERS)
    topic.delete()
