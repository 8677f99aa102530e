"""What goes wrong for real: the check and the workers run in pods, and the status says what is wrong and where.

Once it is mended, the pipeline works again by itself.
"""

import copy
import json
import uuid

import pytest
import yaml

from cluster import ROOT
from kafka_topics import Topic

EXAMPLE = ROOT / "manifests/examples/ecommerce"
NOBODY_LISTENS = "127.0.0.1:1"


@pytest.fixture(scope="module")
def topic(kafka_for_pods):
    topic = Topic(kafka_for_pods.address(), f"test-{uuid.uuid4().hex[:12]}", partitions=8)
    topic.create()
    yield topic
    topic.delete()


@pytest.fixture
def example(topic) -> dict:
    """The example, with a Kafka that needs no Strimzi."""
    document = yaml.safe_load((EXAMPLE / "pipeline.yaml").read_text())
    document["spec"]["source"]["kafka"] = {"bootstrapServers": topic.servers, "topic": topic.name}
    document["spec"]["shards"] = 1
    return document


@pytest.fixture
def running(release, namespace, example):
    """The example, at work."""
    namespace.kubectl("apply", f"--filename={EXAMPLE / 'lake.yaml'}")
    apply(namespace, example)
    namespace.until("pipeline that works", lambda: says(namespace, "True", "Running"))
    yield namespace
    namespace.kubectl("delete", "streampipelines", "--all", "--wait=true", "--timeout=120s")


def apply(namespace, document: dict):
    namespace.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", document=document)


def condition(namespace, type_: str, pipeline: str = "ecommerce") -> dict:
    """A condition, if it is about the spec as it is."""
    resource = namespace.get("streampipeline", pipeline)
    status = resource.get("status", {})
    if status.get("observedGeneration") != resource["metadata"]["generation"]:
        return {}
    return next((one for one in status["conditions"] if one["type"] == type_), {})


def says(namespace, status: str, reason: str) -> bool:
    ready = condition(namespace, "Ready")
    return (ready.get("status"), ready.get("reason")) == (status, reason) and not condition(namespace, "Reconciling")


def trouble(namespace, type_: str, reason: str, pipeline: str = "ecommerce") -> str:
    """Waits until a condition of that type holds for that reason; gives its message."""

    def told():
        found = condition(namespace, type_, pipeline)
        return found.get("reason") == reason and found["message"]

    return namespace.until(f"{type_} for {reason}", told)


def changed(document: dict, change) -> dict:
    document = copy.deepcopy(document)
    change(document["spec"])
    return document


def misspell(spec):
    spec["silver"]["columns"][3]["expr"] = "CASE WHEN amuont < 10 THEN 'micro' END"


def retype(spec):
    # A column that no table of windows looks at: theirs would be the first to refuse it.
    assert spec["silver"]["columns"][14]["name"] == "transaction_hour"
    spec["silver"]["columns"][14]["expr"] = "CAST(date_part('hour', event_time) AS VARCHAR)"


def unpartition(spec):
    spec["silver"]["partitionBy"] = []


@pytest.mark.parametrize(
    ("change", "field"),
    [(misspell, "silver.columns[3].expr"), (retype, "silver.columns[14]"), (unpartition, "silver.partitionBy")],
)
def test_a_configuration_that_cannot_work_is_refused_with_its_field_and_the_workers_go_on(
    running, example, change, field
):
    (before,) = running.get("pods", "--selector=sluice.dev/role=ingest")["items"]
    apply(running, changed(example, change))
    message = trouble(running, "Stalled", "ConfigurationRefused")
    assert message.startswith(f"{field}: "), message
    (after,) = running.get("pods", "--selector=sluice.dev/role=ingest")["items"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    apply(running, example)
    running.until("pipeline that works", lambda: says(running, "True", "Running"))


def test_a_broker_that_does_not_answer_is_named_and_tried_again(running, example):
    def lose_the_broker(spec):
        spec["source"]["kafka"]["bootstrapServers"] = NOBODY_LISTENS

    apply(running, changed(example, lose_the_broker))
    message = trouble(running, "Reconciling", "CheckFailed")
    assert "source.kafka" in message and NOBODY_LISTENS in message, message
    apply(running, example)
    running.until("pipeline that works", lambda: says(running, "True", "Running"))


def test_bad_credentials_are_told_and_good_ones_found(running, example, kafka_for_pods):
    def log_in(spec):
        spec["source"]["kafka"] |= {
            "bootstrapServers": kafka_for_pods.address("sasl"),
            "security": {
                "tls": {"caSecretRef": {"name": "kafka", "key": "ca.crt"}},
                "sasl": {"mechanism": "ScramSha512", "secretRef": {"name": "kafka"}},
            },
        }

    def write_secret(password: str):
        authority = (kafka_for_pods.user() / "ca.crt").read_text()
        content = {"username": "sluice", "password": password, "ca.crt": authority}
        apply(running, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kafka"}, "stringData": content})

    write_secret("wrong")
    apply(running, changed(example, log_in))
    message = trouble(running, "Reconciling", "CheckFailed")
    assert "source.kafka" in message and "uthentication" in message, message
    write_secret((kafka_for_pods.user() / "password").read_text().strip())
    running.until("pipeline that works", lambda: says(running, "True", "Running"), patience=300)


def test_a_topic_that_is_missing_and_storage_that_is_away_are_told(release, namespace, example, topic):
    secret = {"AWS_ENDPOINT": f"http://{NOBODY_LISTENS}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "eu-central-1"}
    credentials = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    apply(namespace, {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "store"}, "stringData": secret | credentials,
    })  # fmt: skip

    def move_to_a_bucket(spec):
        spec["source"]["kafka"]["topic"] = "absent"
        spec["storage"] = {"uri": "s3://lake/ecommerce", "secretRef": {"name": "store"}}

    apply(namespace, changed(example, move_to_a_bucket))
    message = trouble(namespace, "Reconciling", "CheckFailed")
    assert "source.kafka.topic" in message and "absent" in message, message
    assert "storage" in message, message
    namespace.kubectl("delete", "streampipeline", "ecommerce", "--wait=true")
    assert json.loads(namespace.kubectl("get", "pods,jobs", "--output=json"))["items"] == []
