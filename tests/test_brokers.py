"""The broker dies and comes back, and asks for certificates or passwords: nothing is lost, nothing is doubled."""

import random
import time
import uuid

import pytest

import lakes
from accounts import assert_nothing_lost_or_doubled, await_version, newest_version
from clock import Clock
from fault_kinds import DAY
from faults import COMMIT, TRAFFIC
from kafka_service import KafkaService
from kafka_topics import Topic
from oracle import decode_json, run_pipeline

DEATHS = 3


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory):
    """A Kafka of this file's own, with all its listeners."""
    service = KafkaService(tmp_path_factory.mktemp("kafka"))
    service.run("up")
    yield service
    service.run("down")


@pytest.fixture
def topic(own_kafka):
    topic = Topic(own_kafka.address(), f"test-{uuid.uuid4().hex[:12]}", partitions=8)
    topic.create()
    yield topic
    topic.delete()


def test_a_broker_that_dies_under_load_and_comes_back_loses_and_doubles_nothing(
    own_kafka, topic, ecommerce, ingest, generate, lake, seed
):
    choices = random.Random(seed)
    ecommerce["commit"] = COMMIT
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    worker = ingest(ecommerce)
    await_version(lake, worker, beyond=3)
    for _ in range(DEATHS):
        own_kafka.run("crash")
        time.sleep(choices.uniform(0, 4))
        own_kafka.run("resume")
        await_version(lake, worker, beyond=newest_version(lake) + 3)
        assert producer.is_running(), producer.output()[-4000:]
    assert producer.stop() == 0, producer.output()[-4000:]
    assert worker.stop() == 0, worker.output()[-4000:]
    ingest(ecommerce, "--until-caught-up").succeed()
    assert_nothing_lost_or_doubled(topic, lake)


def test_a_wall_clock_that_jumps_back_lets_nobody_wait_for_the_broker_until_it_has_caught_up(
    own_kafka, topic, ecommerce, ingest, generate, lake, seed, tmp_path
):
    """Kafka's client waits by the wall clock, among other things before it tries a broker again that was gone."""
    clock = Clock(tmp_path)
    ecommerce["commit"] = COMMIT
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    clock.jump(2 * DAY)
    worker = ingest(ecommerce, environment=clock.environment)
    await_version(lake, worker, beyond=3)
    own_kafka.run("crash")
    time.sleep(2)
    clock.jump(0)
    own_kafka.run("resume")
    await_version(lake, worker, beyond=newest_version(lake) + 3)
    assert producer.stop() == 0, producer.output()[-4000:]
    assert worker.stop() == 0, worker.output()[-4000:]
    ingest(ecommerce, "--until-caught-up").succeed()
    assert_nothing_lost_or_doubled(topic, lake)


def security(own_kafka, kind: str) -> tuple[str, dict]:
    """A listener, and what a configuration says of it."""
    user = own_kafka.user()
    tls = {"caPath": str(user / "ca.crt")}
    if kind == "certificate":
        return "mtls", {"tls": tls | {"certificatePath": str(user / "user.crt"), "keyPath": str(user / "user.key")}}
    (user / "name").write_text("sluice")
    sasl = {"mechanism": kind, "usernamePath": str(user / "name"), "passwordPath": str(user / "password")}
    return "sasl", {"tls": tls, "sasl": sasl}


@pytest.mark.parametrize("kind", ["certificate", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_worker_reads_through_each_kind_of_security(own_kafka, topic, ecommerce, ingest, generate, lake, seed, kind):
    generate(topic, "--seed", seed, "--messages", 5_000, "--rate", 0, *TRAFFIC[2:]).succeed()
    listener, said = security(own_kafka, kind)
    ecommerce["source"]["kafka"] |= {"bootstrapServers": own_kafka.address(listener), "security": said}
    ingest(ecommerce, "--until-caught-up").succeed()
    lakes.assert_lake(lake, run_pipeline(topic.read_all(), decode_json))
