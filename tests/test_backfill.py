"""Where Kafka no longer has the pipeline's messages, a scorer reads their rows in bronze: the same scores and alerts,
exactly once, wherever it is killed.
"""

import json
import random
import signal
import uuid

import pytest

import lakes
import pipelines
import scorers
from kafka_topics import Topic
from score_tables import NAME
from scorers import assert_scored
from test_generated_stream import SHARES, TRAFFIC as PAST

# An epoch for each page of rows, and for each batch of messages.
SMALL_EPOCHS = {"everyMs": 50, "maxBytes": 1}
STEPS = [
    "after_alerts",
    "after_acknowledgement",
    "before_manifest",
    "after_manifest",
    "before_commit_fraud_transactions",
    "after_all_commits",
]


@pytest.fixture
def configuration(ecommerce, alerts_topic) -> dict:
    """The example's scorer beside its pipeline."""
    return scorers.configuration(ecommerce, alerts=alerts_topic.name) | {"commit": SMALL_EPOCHS}


def ends(messages: list) -> dict:
    """The offset behind the last message of each partition."""
    return {message.partition: message.offset + 1 for message in messages}


def positions(lake) -> dict:
    """Where the scorer stands, by its newest manifest."""
    newest = max((lake / "_sluice/score-ecommerce/0/0").glob("*.json"))
    partitions = json.loads(newest.read_text())["partitions"]
    return {int(partition): progress["nextOffset"] for partition, progress in partitions.items()}


def test_a_scorer_that_is_killed_at_each_step_scores_rows_of_bronze_as_their_messages(
    topic, alerts_topic, ecommerce, configuration, ingest, score, generate, lake, seed
):
    choices = random.Random(seed)
    generate(topic, "--seed", seed, "--messages", 20_000, *PAST, *SHARES).succeed()
    messages = topic.read_all()
    ingest(ecommerce, "--until-caught-up").succeed()
    for partition, end in ends(messages).items():
        # Of some partitions Kafka has nothing at all any more.
        topic.delete_before(partition, end if partition % 3 == 0 else choices.randint(1, end))
    for step in STEPS:
        hit = choices.randint(1, 2)
        worker = score(configuration, scorers.rule_set(), environment={"SLUICE_FAILPOINT": f"{step}={hit}"})
        code = worker.wait()
        assert code == -signal.SIGKILL, f"{step}={hit} never fired; exit code {code}:\n{worker.output()[-4000:]}"
    generate(topic, "--seed", seed + 1, "--messages", 2_000, *PAST, *SHARES).succeed()
    messages += [message for message in topic.read_all() if message.offset >= ends(messages)[message.partition]]
    messages.sort(key=lambda message: (message.partition, message.offset))
    score(configuration, scorers.rule_set(), "--until-caught-up").succeed()
    assert_scored(topic, alerts_topic, lake, pipelines.SCORER, messages=messages)


@pytest.fixture
def narrow_topic(kafka):
    """A topic of one partition."""
    topic = Topic(kafka, f"test-{uuid.uuid4().hex[:12]}", partitions=1)
    topic.create()
    yield topic
    topic.delete()


def test_a_partition_goes_on_in_the_middle_of_its_rows(
    narrow_topic, alerts_topic, ingest, score, generate, lake, seed
):
    topic = narrow_topic
    generate(topic, "--seed", seed, "--messages", 40_000, *PAST, *SHARES).succeed()
    messages = topic.read_all()
    pipeline = pipelines.ecommerce(topic.servers, topic.name, lake)
    ingest(pipeline, "--until-caught-up").succeed()
    low = ends(messages)[0] - 100
    topic.delete_before(0, low)
    configuration = scorers.configuration(pipeline, alerts=alerts_topic.name) | {"commit": SMALL_EPOCHS}
    worker = score(configuration, scorers.rule_set(), environment={"SLUICE_FAILPOINT": "after_all_commits=1"})
    assert worker.wait() == -signal.SIGKILL, worker.output()[-4000:]
    assert 0 < positions(lake)[0] < low
    score(configuration, scorers.rule_set(), "--until-caught-up").succeed()
    assert positions(lake) == ends(messages)
    assert_scored(topic, alerts_topic, lake, pipelines.SCORER, messages=messages)


def test_a_scorer_that_was_away_for_longer_than_kafka_keeps_messages_goes_on_where_it_was(
    topic, alerts_topic, ecommerce, configuration, ingest, score, generate, lake, seed
):
    generate(topic, "--seed", seed, "--messages", 5_000, *PAST, *SHARES).succeed()
    ingest(ecommerce, "--until-caught-up").succeed()
    score(configuration, scorers.rule_set(), "--until-caught-up").succeed()
    before = lakes.read_with_delta_rs(lake / NAME).num_rows
    generate(topic, "--seed", seed + 1, "--messages", 5_000, *PAST, *SHARES).succeed()
    messages = topic.read_all()
    ingest(ecommerce, "--until-caught-up").succeed()
    for partition, end in ends(messages).items():
        topic.delete_before(partition, end - 10)
    worker = score(configuration, scorers.rule_set())
    worker.await_report(lambda last: last["lag"] == 0, "caught up")
    assert worker.stop() == 0, worker.output()[-4000:]
    assert lakes.read_with_delta_rs(lake / NAME).num_rows > before
    assert_scored(topic, alerts_topic, lake, pipelines.SCORER, messages=messages)


def test_a_scorer_waits_for_rows_that_bronze_does_not_have_and_skips_nothing(
    topic, alerts_topic, ecommerce, configuration, ingest, score, generate, lake, seed
):
    generate(topic, "--seed", seed, "--messages", 2_000, *PAST, *SHARES).succeed()
    messages = topic.read_all()
    ingest(ecommerce, "--until-caught-up").succeed()
    score(configuration, scorers.rule_set(), "--until-caught-up").succeed()
    end = ends(messages)[3]
    key = next(message.key for message in messages if message.partition == 3)
    topic.produce([(3, messages[0].timestamp, key, b"{}")] * 20)
    # Nobody has read these: neither the pipeline nor the scorer.
    topic.delete_before(3, end + 10)
    worker = score(configuration, scorers.rule_set())
    last = worker.await_report(lambda last: last["problems"], "missing rows")
    (problem,) = last["problems"]
    assert problem["reason"] == "OffsetsExpired"
    assert f"goes on at offset {end}" in problem["message"]
    assert f"bronze has the rows up to offset {end}" in problem["message"]
    assert worker.stop() == 0, worker.output()[-4000:]
    worker = score(configuration, scorers.rule_set(), "--until-caught-up")
    assert worker.wait() != 0
    assert "OffsetsExpired" in worker.output(), worker.output()[-4000:]
    assert positions(lake)[3] == end
    assert_scored(topic, alerts_topic, lake, pipelines.SCORER, messages=messages)
