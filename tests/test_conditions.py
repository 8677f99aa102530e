"""What Kafka and the lake can do to a pipeline: it follows, or stops and says why, but never jumps."""

import confluent_kafka
import confluent_kafka.admin
import pytest

import lakes
from oracle import decode_json, run_pipeline
from transactions import MONDAY_8_PM, json_message

KAFKA_TIME = MONDAY_8_PM * 1000


def sound(first: int, count: int) -> list:
    """Sound messages with consecutive ids on partition 0."""
    return [
        (0, KAFKA_TIME + number, b"17", json_message(transaction_id=f"t-{number}"))
        for number in range(first, first + count)
    ]


def assert_equals_topic(topic, lake):
    lakes.assert_lake(lake, run_pipeline(topic.read_all(), decode_json))


def send_transaction(topic, numbers: range, commit: bool):
    """Messages in one Kafka transaction; its marker takes an offset on each partition that it touches."""
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": topic.servers, "transactional.id": f"{topic.name}-{numbers.start}"}
    )
    producer.init_transactions(60)
    producer.begin_transaction()
    for number in numbers:
        value = json_message(transaction_id=f"t-{number}")
        producer.produce(topic.name, value, b"17", partition=number % 3, timestamp=KAFKA_TIME)
    if commit:
        producer.commit_transaction(60)
    else:
        producer.flush(60)
        producer.abort_transaction(60)


def test_committed_transactions_arrive_and_aborted_ones_do_not(topic, ecommerce, ingest, lake):
    send_transaction(topic, range(0, 30), commit=True)
    send_transaction(topic, range(30, 60), commit=False)
    topic.produce(sound(60, 10))
    send_transaction(topic, range(70, 100), commit=True)
    # Some logs end with a marker, some with messages that nobody may see.
    send_transaction(topic, range(100, 110), commit=False)
    ingest(ecommerce, "--until-caught-up").succeed()
    assert lakes.read_with_delta_rs(lake / "bronze").num_rows == 70
    assert_equals_topic(topic, lake)
    # And on from behind the markers.
    topic.produce(sound(110, 10))
    ingest(ecommerce, "--until-caught-up").succeed()
    assert_equals_topic(topic, lake)


def test_a_topic_whose_first_messages_are_gone_is_read_from_what_is_left(topic, ecommerce, ingest, lake):
    topic.produce(sound(0, 20))
    topic.delete_before(0, 7)
    ingest(ecommerce, "--until-caught-up").succeed()
    assert sorted(lakes.read_with_delta_rs(lake / "bronze")["offset"].to_pylist()) == list(range(7, 20))
    assert_equals_topic(topic, lake)


def test_a_pipeline_that_starts_from_latest_reads_what_comes_after_its_first_start(topic, ecommerce, ingest, lake):
    ecommerce["source"]["kafka"]["startFrom"] = "Latest"
    topic.produce(sound(0, 10))
    worker = ingest(ecommerce)
    worker.await_output("reading partitions")
    topic.produce(sound(10, 10))
    assert worker.stop() == 0, worker.output()[-4000:]
    # What came while nobody read is after the first start too.
    topic.produce(sound(20, 10))
    ingest(ecommerce, "--until-caught-up").succeed()
    assert sorted(lakes.read_with_delta_rs(lake / "bronze")["offset"].to_pylist()) == list(range(10, 30))


def test_messages_that_expired_before_they_were_read_stop_the_partition(topic, ecommerce, ingest, lake):
    topic.produce(sound(0, 10))
    ingest(ecommerce, "--until-caught-up").succeed()
    topic.produce(sound(10, 10))
    topic.delete_before(0, 15)
    worker = ingest(ecommerce)
    worker.await_output("OffsetsExpired")
    assert worker.stop() == 0, worker.output()[-4000:]
    assert sorted(lakes.read_with_delta_rs(lake / "bronze")["offset"].to_pylist()) == list(range(10))


@pytest.mark.parametrize("messages", [5, 20], ids=["shorter", "longer"])
def test_a_topic_that_was_created_anew_stops_the_pipeline(topic, ecommerce, ingest, lake, messages):
    topic.produce(sound(0, 10))
    ingest(ecommerce, "--until-caught-up").succeed()
    topic.delete()
    topic.create()
    topic.produce(sound(100, messages))
    worker = ingest(ecommerce)
    worker.await_output("TopicRecreated", patience=60)
    worker.kill()
    assert lakes.read_with_delta_rs(lake / "bronze").num_rows == 10


def test_the_lake_of_another_owner_is_left_alone_unless_it_is_adopted(topic, ecommerce, ingest, lake):
    topic.produce(sound(0, 10))
    ingest(ecommerce, "--until-caught-up").succeed()
    versions = {name: lakes.DeltaTable(str(lake / name)).version() for name in lakes.TABLES}
    topic.produce(sound(10, 10))

    ecommerce["owner"]["name"] = "another"
    worker = ingest(ecommerce)
    worker.await_output("LakeOwned")
    assert "ecommerce" in worker.output()
    worker.kill()
    assert {name: lakes.DeltaTable(str(lake / name)).version() for name in lakes.TABLES} == versions


def test_a_partition_that_is_added_is_read(topic, ecommerce, ingest, lake):
    topic.produce(sound(0, 10))
    worker = ingest(ecommerce)
    worker.await_output("reading partitions")
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": topic.servers})
    admin.create_partitions([confluent_kafka.admin.NewPartitions(topic.name, 10)])[topic.name].result(60)
    topic.partitions = 10
    topic.produce([(9, KAFKA_TIME, b"17", json_message())])
    assert worker.stop() == 0, worker.output()[-4000:]
    ingest(ecommerce, "--until-caught-up").succeed()
    assert_equals_topic(topic, lake)
