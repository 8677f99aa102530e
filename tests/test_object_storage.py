"""A lake in a bucket: as in a folder, whatever the store answers.

SLUICE_KILLS sets how often the worker is killed meanwhile, SLUICE_SEED repeats a run.
"""

import os
import random
import time

import pytest

import lakes
from accounts import assert_nothing_lost_or_doubled
from deltalake import DeltaTable
from faults import TRAFFIC
from object_storage import FAULTS, KEYS, Bucket
from oracle import decode_json, run_pipeline

KILLS = int(os.environ.get("SLUICE_KILLS", "8"))


@pytest.fixture
def bucket(seed):
    bucket = Bucket(seed)
    yield bucket
    bucket.stop()


@pytest.fixture
def in_bucket(ecommerce, bucket):
    """The configuration of the example with its lake in the bucket."""
    return ecommerce | {"storage": {"uri": bucket.uri}, "commit": {"everyMs": 250, "maxBytes": 64 * 2**20}}


def read_in_place(bucket, table: str):
    options = KEYS | {"AWS_ENDPOINT_URL": bucket.door.url, "AWS_ALLOW_HTTP": "true"}
    return DeltaTable(f"{bucket.uri}/{table}", storage_options=options).to_pyarrow_table()


def test_a_lake_in_a_bucket_holds_what_the_oracle_says_and_foreign_readers_read_it_there(
    topic, in_bucket, ingest, generate, bucket, tmp_path, seed
):
    generate(topic, "--seed", seed, "--messages", 20_000, "--rate", 0, *TRAFFIC[2:]).succeed()
    ingest(in_bucket, "--until-caught-up", environment=bucket.environment()).succeed()
    expected = run_pipeline(topic.read_all(), decode_json)
    lakes.assert_rows(read_in_place(bucket, "silver"), expected.silver, lakes.SILVER, "silver in the bucket")
    lakes.assert_lake(bucket.download(tmp_path / "copy"), expected, readers=lakes.READERS)


def test_a_store_that_fails_is_slow_and_answers_wrongly_loses_and_doubles_nothing(
    topic, in_bucket, ingest, generate, bucket, tmp_path, seed
):
    choices = random.Random(seed)
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    in_bucket |= {"shards": 2}

    def start(shard, *flags):
        return ingest(in_bucket, "--shard", shard, *flags, environment=bucket.environment())

    bucket.door.misbehave(refused_before=0.05, error_after=0.05, cut_after=0.05, slow=0.02)
    workers = [start(0), start(1)]
    for _ in range(KILLS):
        time.sleep(choices.uniform(0.5, 4))
        shard = choices.randrange(2)
        assert workers[shard].is_running(), workers[shard].output()[-4000:]
        workers[shard].kill()
        workers[shard] = start(shard)
    assert producer.stop() == 0, producer.output()[-4000:]
    for worker in workers:
        worker.kill()
    for last in [start(0, "--until-caught-up"), start(1, "--until-caught-up")]:
        last.succeed()
    print(f"faults: {dict(bucket.door.fired)}")
    assert all(bucket.door.fired[fault] > 0 for fault in FAULTS), bucket.door.fired
    bucket.door.misbehave()
    assert_nothing_lost_or_doubled(topic, bucket.download(tmp_path / "copy"))


def test_a_store_that_creates_a_name_twice_is_refused(in_bucket, ingest, bucket):
    bucket.door.ignores_conditions = True
    worker = ingest(in_bucket, "--until-caught-up", environment=bucket.environment())
    assert worker.wait() != 0
    assert "If-None-Match" in worker.output() or "created twice" in worker.output(), worker.output()


def test_keys_that_the_store_refuses_are_told_with_the_fix_and_waited_for(in_bucket, ingest, bucket):
    bucket.door.refuses_keys = True
    worker = ingest(in_bucket, "--until-caught-up", environment=bucket.environment())
    worker.await_output("give this process the right to read, create and list there")
    assert bucket.uri in worker.output()
    bucket.door.refuses_keys = False
    worker.succeed()


def test_settings_of_encryption_go_with_every_object(topic, in_bucket, ingest, generate, bucket, seed):
    generate(topic, "--seed", seed, "--messages", 100, "--rate", 0).succeed()
    settings = {"AWS_SERVER_SIDE_ENCRYPTION": "aws:kms", "AWS_SSE_KMS_KEY_ID": "arn:aws:kms:us-east-1:1:key/k"}
    ingest(in_bucket, "--until-caught-up", environment=bucket.environment(**settings)).succeed()
    assert len(bucket.door.put_headers) > 5
    for headers in bucket.door.put_headers:
        assert headers["x-amz-server-side-encryption"] == "aws:kms", headers
        assert headers["x-amz-server-side-encryption-aws-kms-key-id"].endswith("key/k"), headers
