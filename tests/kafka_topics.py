"""Topics of the test Kafka, through a client that is not ours."""

import time

import confluent_kafka
from confluent_kafka import admin

from oracle import Message

DEADLINE = 60


class Topic:
    """A topic of one test."""

    def __init__(self, servers: str, name: str, partitions: int):
        self.servers = servers
        self.name = name
        self.partitions = partitions

    def create(self):
        client = admin.AdminClient({"bootstrap.servers": self.servers})
        # Event times, and with them Kafka timestamps, lie in the past.
        new = admin.NewTopic(
            self.name, num_partitions=self.partitions, replication_factor=1, config={"retention.ms": "-1"}
        )
        client.create_topics([new])[self.name].result(DEADLINE)
        self._await_leaders(client)

    def _await_leaders(self, client):
        deadline = time.monotonic() + DEADLINE
        while True:
            topic = client.list_topics(self.name, timeout=10).topics[self.name]
            if len(topic.partitions) == self.partitions and all(p.leader >= 0 for p in topic.partitions.values()):
                return
            assert time.monotonic() < deadline, f"topic {self.name} has no leaders after {DEADLINE} s"
            time.sleep(0.1)

    def grow(self, partitions: int):
        """Adds partitions."""
        client = admin.AdminClient({"bootstrap.servers": self.servers})
        client.create_partitions([admin.NewPartitions(self.name, partitions)])[self.name].result(DEADLINE)
        self.partitions = partitions
        self._await_leaders(client)

    def delete(self):
        client = admin.AdminClient({"bootstrap.servers": self.servers})
        client.delete_topics([self.name])[self.name].result(DEADLINE)
        # The answer comes before the broker has forgotten the topic.
        deadline = time.monotonic() + DEADLINE
        while self.name in client.list_topics(timeout=10).topics:
            assert time.monotonic() < deadline, f"topic {self.name} is still there after {DEADLINE} s"
            time.sleep(0.1)

    def produce(self, messages):
        """Sends (partition, timestamp in ms, key, value) in order, and waits until all are acknowledged."""
        failures = []

        def delivered(error, _message):
            if error is not None:
                failures.append(error)

        producer = confluent_kafka.Producer(
            {"bootstrap.servers": self.servers, "enable.idempotence": True, "linger.ms": 5}
        )
        for partition, timestamp, key, value in messages:
            while True:
                try:
                    producer.produce(
                        self.name, value, key, partition=partition, timestamp=timestamp, on_delivery=delivered
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        assert producer.flush(DEADLINE) == 0, "not all messages were acknowledged"
        assert not failures, failures[:3]

    def delete_before(self, partition: int, offset: int):
        """What retention does: the messages before this offset are gone."""
        client = admin.AdminClient({"bootstrap.servers": self.servers})
        below = confluent_kafka.TopicPartition(self.name, partition, offset)
        client.delete_records([below])[below].result(DEADLINE)

    def read_all(self) -> list:
        """Every message that a reader of committed data is served now, by partition and offset."""
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": f"{self.name}-reference",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        unread = set(range(self.partitions))
        consumer.assign(
            [confluent_kafka.TopicPartition(self.name, p, confluent_kafka.OFFSET_BEGINNING) for p in unread]
        )
        messages = []
        deadline = time.monotonic() + DEADLINE
        while unread:
            for read in consumer.consume(10_000, timeout=0.5):
                if read.error() is None:
                    messages.append(_message(read))
                else:
                    assert read.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, read.error()
                    unread.discard(read.partition())
            assert time.monotonic() < deadline, f"the foreign consumer did not reach the end of {unread}"
        consumer.close()
        messages.sort(key=lambda message: (message.partition, message.offset))
        return messages


def _message(read) -> Message:
    kind, timestamp = read.timestamp()
    known = None if kind == confluent_kafka.TIMESTAMP_NOT_AVAILABLE else timestamp
    return Message(read.topic(), read.partition(), read.offset(), known, read.key(), read.value())
