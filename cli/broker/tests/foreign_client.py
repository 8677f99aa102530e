"""The embedded broker, proved by librdkafka (confluent-kafka) and by bytes on a raw socket.

Run with pytest. The broker is the example binary `broker`, found through SLUICE_BROKER_EXAMPLE or in the
target folder of a debug build. Nothing is simulated: kills are SIGKILL, and the full disk is a real limit on
the size of the process's files.
"""

import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    ConsumerGroupTopicPartitions,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)

ROOT = Path(__file__).resolve().parents[3]
BUILD = "cargo build -p sluice-broker --example broker"
DAY = 86_400_000
#: An event time long past, so that no test depends on today.
EPOCH = 1_700_000_000_000


def executable() -> Path:
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = Path(os.environ.get("SLUICE_BROKER_EXAMPLE", target / "debug/examples/broker"))
    assert path.exists(), f"{path} is missing; build it with: {BUILD}"
    return path


class Broker:
    """One broker process on one data directory; started again it keeps its port."""

    def __init__(self, data: Path, *arguments: str):
        self.data = data
        self.arguments = arguments
        self.port = 0
        self.process = None
        self.client = None

    def start(self, file_limit: int | None = None):
        command = [executable(), "--data", self.data, "--listen", f"127.0.0.1:{self.port}",
                   "--until-input-ends", "--retention-interval-ms", "200", *self.arguments]
        # Python ignores SIGXFSZ; with its signals kept, too large a file is an error and not the end.
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, restore_signals=False)
        line = self.process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:"), f"the broker did not start: {line!r}"
        self.port = int(line.rsplit(":", 1)[1])
        self.limit_files(file_limit)
        return self

    def limit_files(self, bytes_: int | None):
        """No file of the broker may grow beyond this: the same errors as on a full disk."""
        soft = resource.RLIM_INFINITY if bytes_ is None else bytes_
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Shuts the broker down in order."""
        self.process.stdin.close()
        assert self.process.wait(timeout=20) == 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def admin(self) -> AdminClient:
        """The one client for administration: its answers do not come once it is collected."""
        if self.client is None:
            self.client = AdminClient({"bootstrap.servers": self.address})
        return self.client

    def producer(self, **settings) -> Producer:
        settings = {name.replace("_", "."): value for name, value in settings.items()}
        return Producer({"bootstrap.servers": self.address, "linger.ms": 5, "message.timeout.ms": 60_000,
                         **settings})

    def consumer(self, group: str | None = None, **settings) -> Consumer:
        settings = {name.replace("_", "."): value for name, value in settings.items()}
        return Consumer({"bootstrap.servers": self.address, "group.id": group or f"group-{uuid.uuid4().hex}",
                         "auto.offset.reset": "earliest", "enable.auto.commit": False,
                         "session.timeout.ms": 6_000, "heartbeat.interval.ms": 500, **settings})

    def topic(self, partitions: int = 1, **config) -> str:
        """A new topic that keeps everything unless told otherwise."""
        name = f"topic-{uuid.uuid4().hex[:12]}"
        config = {"retention.ms": "-1", **{key.replace("_", "."): str(value) for key, value in config.items()}}
        self.admin().create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(10)
        return name

    def watermarks(self, topic: str, partition: int = 0) -> tuple[int, int]:
        consumer = self.consumer()
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        finally:
            consumer.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("broker")).start()
    yield broker
    broker.stop()


@pytest.fixture
def own(tmp_path):
    """A broker that its test may kill."""
    broker = Broker(tmp_path / "data").start()
    yield broker
    broker.kill()


def produce(broker: Broker, topic: str, count: int, partition: int = 0, **settings) -> list[KafkaError]:
    """Produces messages `0`, `1` and so on, one second apart, and returns the errors."""
    errors = []
    producer = broker.producer(**settings)
    for number in range(count):
        producer.produce(topic, str(number), key=f"key {number}", partition=partition,
                         timestamp=EPOCH + number * 1_000,
                         on_delivery=lambda error, _: error and errors.append(error))
        producer.poll(0)
    assert producer.flush(60) == 0
    return errors


def read(broker: Broker, topic: str, count: int, partitions: int = 1, start: int = OFFSET_BEGINNING,
         seconds: float = 30, **settings):
    """Reads `count` messages of all partitions, without a group."""
    consumer = broker.consumer(**settings)
    consumer.assign([TopicPartition(topic, number, start) for number in range(partitions)])
    messages = drain(consumer, count, seconds)
    consumer.close()
    return messages


def drain(consumer: Consumer, count: int, seconds: float = 30):
    messages = []
    deadline = time.monotonic() + seconds
    while len(messages) < count and time.monotonic() < deadline:
        for message in consumer.consume(1_000, 0.2):
            assert not message.error(), message.error()
            messages.append(message)
    return messages


def error_of(future) -> KafkaError:
    with pytest.raises(KafkaException) as refused:
        future.result(10)
    return refused.value.args[0]


def wait_until(condition, seconds: float = 30, what: str = "the condition"):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        time.sleep(0.05)


# Topics and configuration


def test_a_topic_is_created_with_its_partitions_and_an_id(shared):
    topic = shared.topic(8)
    described = shared.admin().describe_topics(TopicCollection([topic]))[topic].result(10)
    assert [len(partition.replicas) for partition in described.partitions] == [1] * 8
    assert str(described.topic_id) != "AAAAAAAAAAAAAAAAAAAAAA"


def test_a_topic_that_exists_or_is_impossible_is_refused(shared):
    topic = shared.topic()
    admin = shared.admin()
    def refusal(new):
        return error_of(admin.create_topics([new])[new.topic]).name()
    assert refusal(NewTopic(topic, 1, 1)) == "TOPIC_ALREADY_EXISTS"
    assert refusal(NewTopic("three-replicas", 1, 3)) == "INVALID_REPLICATION_FACTOR"
    assert refusal(NewTopic("not a name", 1, 1)) == "TOPIC_EXCEPTION"
    assert refusal(NewTopic("compacted", 1, 1, config={"cleanup.policy": "compact"})) == "INVALID_CONFIG"
    assert refusal(NewTopic("odd", 1, 1, config={"retention.ms": "soon"})) == "INVALID_CONFIG"


def test_a_topic_created_again_has_a_new_id_and_no_records_or_offsets(shared):
    topic = shared.topic()
    admin = shared.admin()
    produce(shared, topic, 10)
    consumer = shared.consumer("reader-of-a-deleted-topic")
    consumer.commit(offsets=[TopicPartition(topic, 0, 5)], asynchronous=False)
    def topic_id():
        return str(admin.describe_topics(TopicCollection([topic]))[topic].result(10).topic_id)
    first = topic_id()
    admin.delete_topics([topic])[topic].result(10)
    assert topic not in admin.list_topics(timeout=10).topics
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(10)
    assert topic_id() != first
    assert shared.watermarks(topic) == (0, 0)
    assert consumer.committed([TopicPartition(topic, 0)], timeout=10)[0].offset < 0
    consumer.close()


def test_partitions_are_added_and_written_to(shared):
    topic = shared.topic(2)
    admin = shared.admin()
    admin.create_partitions([NewPartitions(topic, 4)])[topic].result(10)
    assert len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 4
    assert error_of(admin.create_partitions([NewPartitions(topic, 3)])[topic]).name() == "INVALID_PARTITIONS"
    assert produce(shared, topic, 5, partition=3) == []
    assert shared.watermarks(topic, 3) == (0, 5)


def test_topic_configuration_is_described_and_altered(shared):
    topic = shared.topic(retention_ms=DAY)
    admin = shared.admin()
    def described():
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        return next(iter(admin.describe_configs([resource]).values())).result(10)
    assert described()["retention.ms"].value == str(DAY)
    assert not described()["retention.ms"].is_default
    assert described()["segment.bytes"].is_default
    def alter(name, value, operation):
        change = ConfigEntry(name, value, incremental_operation=operation)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[change])
        return next(iter(admin.incremental_alter_configs([resource]).values()))
    alter("retention.bytes", "5000", AlterConfigOpType.SET).result(10)
    alter("retention.ms", None, AlterConfigOpType.DELETE).result(10)
    assert described()["retention.bytes"].value == "5000"
    assert described()["retention.ms"].value == str(7 * DAY)
    assert error_of(alter("segment.bytes", "few", AlterConfigOpType.SET)).name() == "INVALID_CONFIG"
    assert error_of(alter("no.such.key", "1", AlterConfigOpType.SET)).name() == "INVALID_CONFIG"


def test_the_cluster_and_the_broker_describe_themselves(shared):
    admin = shared.admin()
    cluster = admin.describe_cluster(request_timeout=10).result()
    assert len(cluster.nodes) == 1 and cluster.cluster_id
    broker = str(next(iter(admin.list_topics(timeout=10).brokers)))
    described = next(iter(admin.describe_configs(
        [ConfigResource(ConfigResource.Type.BROKER, broker)]).values())).result(10)
    assert described["auto.create.topics.enable"].value == "false"


def test_an_unknown_topic_is_not_created_unless_the_broker_allows_it(shared, tmp_path):
    wanted = "never-created"
    errors = []
    producer = shared.producer(message_timeout_ms=3_000)
    producer.produce(wanted, b"x", on_delivery=lambda error, _: errors.append(error))
    producer.flush(20)
    assert errors[0] is not None and wanted not in shared.admin().list_topics(timeout=10).topics
    broker = Broker(tmp_path / "data", "--auto-create-partitions", "3").start()
    try:
        assert produce(broker, wanted, 3, partition=2) == []
        assert len(broker.admin().list_topics(timeout=10).topics[wanted].partitions) == 3
    finally:
        broker.kill()


# Producing and reading


def test_what_is_produced_is_read_with_key_headers_and_timestamp(shared):
    topic = shared.topic(4)
    producer = shared.producer()
    for number in range(400):
        producer.produce(topic, b"v" * 450, key=f"k{number}", partition=number % 4,
                         timestamp=EPOCH + number, headers={"n": str(number), "none": None})
    assert producer.flush(30) == 0
    messages = read(shared, topic, 400, partitions=4)
    offsets = {number: [] for number in range(4)}
    for message in messages:
        number = int(message.key()[1:])
        offsets[message.partition()].append(message.offset())
        assert message.partition() == number % 4
        assert message.timestamp() == (1, EPOCH + number)
        assert message.headers() == [("n", str(number).encode()), ("none", None)]
        assert message.value() == b"v" * 450
    assert offsets == {number: list(range(100)) for number in range(4)}


def test_null_keys_values_and_empty_values_are_told_apart(shared):
    topic = shared.topic()
    producer = shared.producer()
    for key, value in [(None, None), (b"", b""), (b"k", None), (None, b"v")]:
        producer.produce(topic, value, key=key)
    assert producer.flush(30) == 0
    assert [(m.key(), m.value()) for m in read(shared, topic, 4)] == [
        (None, None), (b"", b""), (b"k", None), (None, b"v")]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_compression_passes_through_and_is_searched_by_time(shared, codec):
    topic = shared.topic()
    assert produce(shared, topic, 1_000, compression_type=codec, linger_ms=50) == []
    messages = read(shared, topic, 1_000, check_crcs=True)
    assert [message.value() for message in messages] == [str(number).encode() for number in range(1_000)]
    consumer = shared.consumer()
    asked = [TopicPartition(topic, 0, EPOCH + 777_000), TopicPartition(topic, 0, EPOCH + 777_001)]
    assert [consumer.offsets_for_times([one], timeout=10)[0].offset for one in asked] == [777, 778]
    consumer.close()


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_every_kind_of_acknowledgement_stores_the_records(shared, acks):
    topic = shared.topic()
    assert produce(shared, topic, 100, acks=acks) == []
    wait_until(lambda: shared.watermarks(topic) == (0, 100), what="storing 100 records")


def test_large_messages_pass_up_to_the_topics_limit(shared):
    topic = shared.topic(max_message_bytes=3_000_000)
    outcome = []
    producer = shared.producer(message_max_bytes=10_000_000)
    for size in (2_900_000, 3_100_000):
        producer.produce(topic, os.urandom(size), on_delivery=lambda error, _: outcome.append(error and error.name()))
        producer.flush(30)
    assert outcome == [None, "MSG_SIZE_TOO_LARGE"]
    # More than a consumer wants at once: the first batch is served all the same.
    assert len(read(shared, topic, 1, fetch_message_max_bytes=1_000)[0].value()) == 2_900_000


def test_a_waiting_consumer_gets_a_record_at_once(shared):
    topic = shared.topic()
    consumer = shared.consumer(fetch_wait_max_ms=10_000)
    consumer.assign([TopicPartition(topic, 0, 0)])
    assert consumer.poll(1.5) is None
    producer = shared.producer(linger_ms=0)
    started = time.monotonic()
    producer.produce(topic, b"x")
    producer.flush(10)
    assert consumer.poll(10).value() == b"x"
    assert time.monotonic() - started < 2
    consumer.close()


def test_a_consumer_that_waits_for_many_bytes_gets_them_when_its_time_is_over(shared):
    topic = shared.topic()
    produce(shared, topic, 1)
    started = time.monotonic()
    assert len(read(shared, topic, 1, fetch_min_bytes=100_000, fetch_wait_max_ms=1_500)) == 1
    assert time.monotonic() - started > 1.2


def test_reading_starts_at_any_offset_and_goes_on_across_segments(shared):
    topic = shared.topic(segment_bytes=20_000)
    assert produce(shared, topic, 3_000, batch_num_messages=20) == []
    for start in (0, 1, 19, 20, 1_234, 2_999):
        messages = read(shared, topic, 3_000 - start, start=start)
        assert [message.offset() for message in messages] == list(range(start, 3_000))


# Lookups


def test_offsets_are_found_by_time(shared):
    topic = shared.topic(2)
    for partition in range(2):
        produce(shared, topic, 100, partition=partition, batch_num_messages=7)
    consumer = shared.consumer()
    def found(timestamp):
        asked = [TopicPartition(topic, number, timestamp) for number in range(2)]
        return [one.offset for one in consumer.offsets_for_times(asked, timeout=10)]
    assert found(EPOCH + 50_000) == [50, 50]
    assert found(EPOCH + 50_001) == [51, 51]
    assert found(0) == [0, 0]
    # librdkafka's -1 stands for the end of the partition.
    assert found(EPOCH + 99_001) == [-1, -1]
    consumer.close()


def test_the_ends_and_the_newest_record_are_listed(shared):
    topic = shared.topic()
    producer = shared.producer()
    for timestamp in (100, 300, 200):
        producer.produce(topic, b"x", timestamp=EPOCH + timestamp)
    producer.flush(10)
    admin = shared.admin()
    def listed(spec):
        result = next(iter(admin.list_offsets({TopicPartition(topic, 0): spec}).values())).result(10)
        return result.offset, result.timestamp
    assert listed(OffsetSpec.earliest())[0] == 0
    assert listed(OffsetSpec.latest())[0] == 3
    assert listed(OffsetSpec.max_timestamp()) == (1, EPOCH + 300)
    assert listed(OffsetSpec.for_timestamp(EPOCH + 101)) == (1, EPOCH + 300)


def test_a_topic_with_append_time_stamps_its_records(shared):
    topic = shared.topic(message_timestamp_type="LogAppendTime")
    before = time.time() * 1_000 - 1
    assert produce(shared, topic, 10) == []
    after = time.time() * 1_000 + 1
    for message in read(shared, topic, 10, check_crcs=True):
        kind, timestamp = message.timestamp()
        assert kind == 2 and before <= timestamp <= after
    consumer = shared.consumer()
    assert consumer.offsets_for_times([TopicPartition(topic, 0, int(before))], timeout=10)[0].offset == 0
    consumer.close()


# Deleting


def test_deleted_records_cannot_be_read_any_more(shared):
    topic = shared.topic()
    produce(shared, topic, 100)
    result = shared.admin().delete_records([TopicPartition(topic, 0, 40)])
    assert next(iter(result.values())).result(10).low_watermark == 40
    assert shared.watermarks(topic) == (40, 100)
    assert read(shared, topic, 60)[0].offset() == 40
    beyond = shared.admin().delete_records([TopicPartition(topic, 0, 101)])
    assert error_of(next(iter(beyond.values()))).name() == "OFFSET_OUT_OF_RANGE"
    consumer = shared.consumer(auto_offset_reset="error")
    consumer.assign([TopicPartition(topic, 0, 10)])
    assert consumer.poll(10).error().code() == KafkaError._AUTO_OFFSET_RESET
    consumer.close()


def test_old_segments_expire_by_age_and_the_rest_stays(own):
    topic = own.topic(segment_bytes=10_000, retention_ms=DAY)
    producer = own.producer(batch_num_messages=10)
    now = int(time.time() * 1_000)
    for number in range(400):
        producer.produce(topic, b"x" * 100, timestamp=now - 2 * DAY if number < 200 else now)
    assert producer.flush(30) == 0
    wait_until(lambda: own.watermarks(topic)[0] > 100, what="expiry")
    low, high = own.watermarks(topic)
    assert high == 400 and 100 < low <= 200
    assert read(own, topic, 400 - low)[0].offset() == low
    own.kill()
    own.start()
    assert own.watermarks(topic) == (low, high)


def test_a_partition_whose_records_all_expired_is_empty_and_goes_on(own):
    topic = own.topic(retention_ms=DAY)
    assert produce(own, topic, 50) == []
    wait_until(lambda: own.watermarks(topic) == (50, 50), what="expiry of everything")
    own.kill()
    own.start()
    assert own.watermarks(topic) == (50, 50)
    producer = own.producer()
    producer.produce(topic, b"fresh")
    producer.flush(10)
    assert [(m.offset(), m.value()) for m in read(own, topic, 1)] == [(50, b"fresh")]


def test_old_segments_expire_by_size(own):
    topic = own.topic(segment_bytes=10_000, retention_bytes=30_000)
    producer = own.producer(batch_num_messages=10)
    for _ in range(1_000):
        producer.produce(topic, os.urandom(100))
    assert producer.flush(30) == 0
    def stored():
        return sum(file.stat().st_size for file in own.data.glob("logs/*/*/*.log"))
    wait_until(lambda: stored() < 50_000, what="expiry by size")
    low, high = own.watermarks(topic)
    assert high == 1_000 and stored() >= 30_000
    assert len(read(own, topic, 1_000 - low)) == 1_000 - low


# Groups


def subscribe_and_drain(consumer, topic, count):
    consumer.subscribe([topic])
    return drain(consumer, count)


def test_a_group_goes_on_where_it_committed(shared):
    topic, group = shared.topic(4), f"group-{uuid.uuid4().hex}"
    for partition in range(4):
        produce(shared, topic, 100, partition=partition)
    consumer = shared.consumer(group)
    first = subscribe_and_drain(consumer, topic, 200)
    following = {}
    for message in first:
        following[message.partition()] = message.offset() + 1
    consumer.commit(offsets=[TopicPartition(topic, number, offset) for number, offset in following.items()],
                    asynchronous=False)
    consumer.close()
    consumer = shared.consumer(group)
    rest = subscribe_and_drain(consumer, topic, 400 - len(first))
    consumer.close()
    places = [(message.partition(), message.offset()) for message in first + rest]
    assert sorted(places) == [(partition, offset) for partition in range(4) for offset in range(100)]


@pytest.mark.parametrize("strategy", ["range", "roundrobin", "cooperative-sticky"])
def test_two_members_share_the_partitions_and_one_inherits_them(shared, strategy):
    topic, group = shared.topic(8), f"group-{uuid.uuid4().hex}"
    members = [shared.consumer(group, partition_assignment_strategy=strategy) for _ in range(2)]
    for member in members:
        member.subscribe([topic])
    def shares(*expected):
        for member in members:
            member.poll(0.1)
        return tuple(len(member.assignment()) for member in members) == expected
    wait_until(lambda: shares(4, 4), what="an even split")
    members.pop(0).close()
    wait_until(lambda: shares(8), what="the takeover")
    members[0].close()


def test_the_partitions_of_a_killed_member_are_taken_over(shared):
    topic, group = shared.topic(4), f"group-{uuid.uuid4().hex}"
    program = (
        "import sys\nfrom confluent_kafka import Consumer\n"
        f"consumer = Consumer({{'bootstrap.servers': '{shared.address}', 'group.id': '{group}',"
        " 'session.timeout.ms': 3000, 'heartbeat.interval.ms': 500})\n"
        f"consumer.subscribe(['{topic}'])\n"
        "while True:\n    consumer.poll(0.1)\n"
        "    if consumer.assignment(): print('assigned', flush=True)\n")
    member = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert member.stdout.readline() == "assigned\n"
    member.kill()
    member.wait()
    heir = shared.consumer(group)
    heir.subscribe([topic])
    def inherited():
        heir.poll(0.1)
        return len(heir.assignment()) == 4
    wait_until(inherited, what="the takeover")
    heir.close()


def test_a_static_member_comes_back_without_a_rebalance(shared):
    topic, group = shared.topic(4), f"group-{uuid.uuid4().hex}"
    rebalances = []
    def member(name):
        consumer = shared.consumer(group, group_instance_id=name)
        consumer.subscribe([topic], on_assign=lambda _, parts: rebalances.append((name, len(parts))))
        return consumer
    members = {name: member(name) for name in ("left", "right")}
    def settled(share):
        for consumer in members.values():
            consumer.poll(0.1)
        return all(len(consumer.assignment()) == share for consumer in members.values())
    wait_until(lambda: settled(2), what="an even split")
    described = shared.admin().describe_consumer_groups([group])[group].result(10)
    # The first member by its id leads, and ids start with the instance's name.
    follower = max(described.members, key=lambda one: one.member_id).group_instance_id
    before = len(rebalances)
    # Closing a static member does not leave the group.
    members.pop(follower).close()
    members[follower] = member(follower)
    wait_until(lambda: settled(2), what="the return")
    assert [name for name, _ in rebalances[before:]] == [follower]
    for consumer in members.values():
        consumer.close()


def test_groups_are_listed_described_and_deleted(shared):
    topic, group = shared.topic(), f"group-{uuid.uuid4().hex}"
    produce(shared, topic, 10)
    admin = shared.admin()
    consumer = shared.consumer(group)
    subscribe_and_drain(consumer, topic, 10)
    consumer.commit(offsets=[TopicPartition(topic, 0, 7, metadata="a note")], asynchronous=False)
    def described():
        return admin.describe_consumer_groups([group], request_timeout=10)[group].result()
    assert described().state.name == "STABLE"
    assert described().members[0].assignment.topic_partitions == [TopicPartition(topic, 0)]
    assert error_of(admin.delete_consumer_groups([group])[group]).name() == "NON_EMPTY_GROUP"
    consumer.close()
    wait_until(lambda: described().state.name == "EMPTY", what="leaving")
    assert group in {one.group_id for one in admin.list_consumer_groups(request_timeout=10).result().valid}
    offsets = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(10)
    assert [(one.topic, one.offset, one.metadata) for one in offsets.topic_partitions] == [(topic, 7, "a note")]
    admin.delete_consumer_groups([group])[group].result(10)
    assert group not in {one.group_id for one in admin.list_consumer_groups(request_timeout=10).result().valid}
    assert error_of(admin.delete_consumer_groups([group])[group]).name() == "GROUP_ID_NOT_FOUND"


def test_a_commit_for_an_unknown_partition_is_refused(shared):
    consumer = shared.consumer()
    with pytest.raises(KafkaException) as refused:
        consumer.commit(offsets=[TopicPartition("no-such-topic", 0, 1)], asynchronous=False)
    assert refused.value.args[0].name() == "UNKNOWN_TOPIC_OR_PART"
    consumer.close()


# What survives


def test_everything_survives_an_orderly_restart(own):
    topic, group = own.topic(2, segment_bytes=10_000), "keeps"
    produce(own, topic, 500, partition=1, batch_num_messages=10)
    consumer = own.consumer(group)
    consumer.commit(offsets=[TopicPartition(topic, 1, 123)], asynchronous=False)
    consumer.close()
    own.stop()
    own.start()
    assert own.watermarks(topic, 1) == (0, 500)
    assert [message.offset() for message in read(own, topic, 500, partitions=2)] == list(range(500))
    consumer = own.consumer(group)
    assert consumer.committed([TopicPartition(topic, 1)], timeout=10)[0].offset == 123
    consumer.close()


def test_killing_the_broker_in_the_middle_of_an_idempotent_produce_loses_and_doubles_nothing(own):
    topic, count, partitions = own.topic(4, segment_bytes=2_000_000), 200_000, 4
    acknowledged = [0] * partitions
    failed = []
    def delivered(error, message):
        if error:
            failed.append(error)
        else:
            acknowledged[message.partition()] += 1
    producer = own.producer(enable_idempotence=True, queue_buffering_max_messages=50_000,
                            reconnect_backoff_max_ms=200)
    done = threading.Event()
    def kill_repeatedly():
        while not done.wait(0.7):
            own.kill()
            own.start()
    killer = threading.Thread(target=kill_repeatedly)
    killer.start()
    try:
        for number in range(count):
            while True:
                try:
                    producer.produce(topic, f"{number}".ljust(200), partition=number % partitions,
                                     on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
            if number % 20_000 == 19_999:
                producer.poll(0.5)
        assert producer.flush(60) == 0
    finally:
        done.set()
        killer.join()
    assert failed == []
    assert acknowledged == [count // partitions] * partitions
    own.kill()
    own.start()
    seen = {number: [] for number in range(partitions)}
    for message in read(own, topic, count, partitions=partitions, seconds=60, check_crcs=True):
        seen[message.partition()].append(int(message.value()))
    for partition, numbers in seen.items():
        assert numbers == list(range(partition, count, partitions))


def test_committed_offsets_survive_a_kill(own):
    topic = own.topic(3)
    consumer = own.consumer("survivor")
    for offset in range(1, 50):
        consumer.commit(offsets=[TopicPartition(topic, number, offset) for number in range(3)], asynchronous=False)
    own.kill()
    own.start()
    committed = consumer.committed([TopicPartition(topic, number) for number in range(3)], timeout=20)
    assert [one.offset for one in committed] == [49] * 3
    consumer.close()


def test_a_full_disk_is_told_to_the_producer_and_forgotten_when_there_is_room(own):
    topic = own.topic()
    assert produce(own, topic, 100) == []
    own.limit_files(64 << 10)
    errors = []
    producer = own.producer(retries=0, message_timeout_ms=20_000, linger_ms=0)
    for _ in range(30):
        producer.produce(topic, os.urandom(10_000), on_delivery=lambda error, _: errors.append(error and error.name()))
        producer.flush(20)
    stored = errors.count(None)
    assert 0 < stored < 10 and set(errors) - {None} == {"KAFKA_STORAGE_ERROR"}
    assert own.watermarks(topic) == (0, 100 + stored)
    # A producer that retries gets through as soon as there is room.
    patient = own.producer(enable_idempotence=True)
    delivered = []
    patient.produce(topic, os.urandom(30_000), on_delivery=lambda error, _: delivered.append(error))
    assert patient.flush(1) == 1
    own.limit_files(None)
    assert patient.flush(30) == 0 and delivered == [None]
    own.kill()
    own.start()
    offsets = [message.offset() for message in read(own, topic, 101 + stored, check_crcs=True)]
    assert offsets == list(range(101 + stored))


def test_a_second_broker_on_the_same_directory_is_refused(own):
    second = subprocess.run([executable(), "--data", own.data, "--listen", "127.0.0.1:0"],
                            capture_output=True, text=True, timeout=20)
    assert second.returncode != 0 and "another broker uses it" in second.stderr


# Transactions


def test_transactions_are_refused_for_good(shared):
    producer = Producer({"bootstrap.servers": shared.address, "transactional.id": "t"})
    with pytest.raises(KafkaException) as refused:
        producer.init_transactions(20)
    assert refused.value.args[0].fatal()


# Bytes that no client sends


def exchange(broker: Broker, request: bytes, length: int | None = None) -> bytes | None:
    """Sends one request; the response, or None if the connection was closed instead."""
    with socket.create_connection(("127.0.0.1", broker.port), timeout=20) as connection:
        connection.sendall(struct.pack(">i", len(request) if length is None else length) + request)
        try:
            head = connection.recv(4, socket.MSG_WAITALL)
            if len(head) < 4:
                return None
            return connection.recv(struct.unpack(">i", head)[0], socket.MSG_WAITALL)
        except ConnectionError:
            return None


def header(api: int, version: int, correlation: int = 7) -> bytes:
    return struct.pack(">hhih", api, version, correlation, 4) + b"test"


def resident_bytes(broker: Broker) -> int:
    status = Path(f"/proc/{broker.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) << 10


def test_an_unknown_version_of_the_version_request_is_answered_in_the_first_one(shared):
    response = exchange(shared, header(18, 99) + b"whatever")
    correlation, error, count = struct.unpack(">ihi", response[:10])
    assert (correlation, error) == (7, 35)
    spoken = {struct.unpack(">hhh", response[10 + 6 * n:16 + 6 * n]) for n in range(count)}
    assert (18, 0, 4) in spoken


def test_unknown_apis_and_versions_close_the_connection(shared):
    assert exchange(shared, header(3, 99)) is None
    assert exchange(shared, header(999, 0)) is None
    assert exchange(shared, header(24, 0)) is None


def test_malformed_requests_close_the_connection_and_nothing_else(own):
    metadata = header(3, 1)
    malformed = {
        "an empty request": b"",
        "half a header": b"\0\x03\0",
        "a count of two billion": metadata + b"\x7f\xff\xff\xff",
        "a negative count": metadata + b"\xff\xff\xff\x00",
        "a text beyond the end": metadata + b"\0\0\0\x01\x7f\xff",
        "text that is no UTF-8": metadata + b"\0\0\0\x01\0\x02\xff\xfe",
        "a compact count of four billion": header(3, 9) + b"\0" + b"\xff\xff\xff\xff\x0f",
        "a client id beyond the end": struct.pack(">hhih", 3, 1, 7, 30_000),
        "tags without an end": header(3, 9) + b"\xff\xff\xff\xff\x0f",
        "records beyond the end": header(0, 3) + b"\xff\xff\0\x01\0\0\0\0\0\0\0\x01\0\x01a\0\0\0\x01\0\0\0\0\x7f\xff\xff\xff",
    }
    for what, request in malformed.items():
        assert exchange(own, request) is None, what
    assert exchange(own, b"", length=-1) is None
    assert exchange(own, b"", length=2_000_000_000) is None
    assert own.process.poll() is None
    assert resident_bytes(own) < 60 << 20
    assert own.topic() in own.admin().list_topics(timeout=10).topics


def test_random_bytes_behind_valid_headers_never_stop_the_broker(own):
    topic = own.topic()
    produce(own, topic, 10)
    generator = __import__("random").Random(20)
    for round_ in range(40):
        for api, newest in [(0, 13), (1, 16), (2, 9), (3, 13), (8, 9), (9, 9), (10, 6), (11, 9), (12, 4), (13, 5),
                            (14, 5), (15, 6), (16, 5), (18, 4), (19, 7), (20, 6), (21, 2), (22, 5), (32, 4),
                            (33, 2), (37, 3), (42, 2), (44, 1), (60, 2)]:
            body = generator.randbytes(generator.randrange(60))
            with socket.create_connection(("127.0.0.1", own.port), timeout=20) as connection:
                request = header(api, generator.randrange(newest + 1)) + body
                connection.sendall(struct.pack(">i", len(request)) + request)
    assert own.process.poll() is None
    assert own.watermarks(topic) == (0, 10)
    assert resident_bytes(own) < 80 << 20


def test_a_batch_with_a_wrong_checksum_is_refused(shared):
    topic = shared.topic()
    batch = struct.pack(">qiibIhiqqqhii", 0, 49 + 7, -1, 2, 0xDEADBEEF, 0, 0, EPOCH, EPOCH, -1, -1, -1, 1) + b"\x0c\0\0\0\x01\x00\x00"
    name = topic.encode()
    body = (struct.pack(">hhiih", -1, -1, 1_000, 1, len(name)) + name
            + struct.pack(">iii", 1, 0, len(batch)) + batch)
    response = exchange(shared, header(0, 3) + body)
    at = 4 + 4 + 2 + len(name) + 4
    partition, error = struct.unpack(">ih", response[at:at + 6])
    assert (partition, error) == (0, 2)
    assert shared.watermarks(topic) == (0, 0)


def test_a_request_that_trickles_in_and_requests_in_one_go_are_answered(shared):
    request = header(18, 0)
    framed = struct.pack(">i", len(request)) + request
    with socket.create_connection(("127.0.0.1", shared.port), timeout=20) as connection:
        for byte in framed:
            connection.sendall(bytes([byte]))
            time.sleep(0.002)
        connection.sendall(framed * 5)
        for _ in range(6):
            length = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))[0]
            response = connection.recv(length, socket.MSG_WAITALL)
            assert struct.unpack(">ih", response[:6]) == (7, 0)


def test_many_idle_and_vanishing_connections_do_no_harm(own):
    connections = [socket.create_connection(("127.0.0.1", own.port), timeout=20) for _ in range(200)]
    for connection in connections[::2]:
        connection.sendall(struct.pack(">i", 50_000_000))
    assert own.topic() in own.admin().list_topics(timeout=20).topics
    for connection in connections:
        connection.close()
    topic = own.topic()
    assert produce(own, topic, 100) == []
    assert resident_bytes(own) < 80 << 20
