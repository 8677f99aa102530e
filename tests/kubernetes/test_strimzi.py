"""The example as it stands, with Strimzi's own definitions, and a real Kafka that asks for a client's certificate.

Strimzi itself is in no package registry: what it writes into statuses and Secrets is written here, in its form.
"""

import base64
import json
import pathlib
import subprocess

import pytest

import definitions
import gold_tables
import lakes
from kafka_topics import Topic
from oracle import decode_json
from processes import Program

TOPIC = "ecommerce.transactions"
EXAMPLE = "manifests/examples/ecommerce"
MESSAGES = 5_000


@pytest.fixture(scope="module")
def strimzi(cluster):
    with definitions.strimzi(cluster, cluster.root):
        yield


class Strimzi:
    """What Strimzi's operators do to the objects of manifests/kind/kafka.yaml in a namespace."""

    def __init__(self, namespace, kafka):
        self.namespace, self.kafka = namespace, kafka

    def apply(self):
        self.namespace.kubectl("apply", f"--filename={self.namespace.cluster.root / 'manifests/kind/kafka.yaml'}")

    def becomes_ready(self):
        host, port = self.kafka.address("mtls").rsplit(":", 1)
        listener = {
            "name": "tls",
            "bootstrapServers": f"{host}:{port}",
            "addresses": [{"host": host, "port": int(port)}],
        }
        self.set_status("kafka/demo", {"listeners": [listener], "clusterId": "test"})
        self.write_secret("demo-cluster-ca-cert", {"ca.crt": self.of_user("ca.crt")})

    def makes_user(self):
        self.write_user_secret(self.of_user("user.crt"), self.of_user("user.key"))
        self.set_status("kafkauser/sluice", {"username": "CN=sluice", "secret": "sluice"})

    def write_user_secret(self, certificate: bytes, private_key: bytes):
        content = {"ca.crt": self.of_user("ca.crt"), "user.crt": certificate, "user.key": private_key}
        self.write_secret("sluice", content)

    def of_user(self, file: str) -> bytes:
        return (self.kafka.user() / file).read_bytes()

    def write_secret(self, name: str, content: dict[str, bytes]):
        labels = {"strimzi.io/cluster": "demo", "strimzi.io/kind": "Kafka"}
        data = {key: base64.b64encode(value).decode() for key, value in content.items()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}, "data": data}
        self.namespace.kubectl("apply", "--server-side", "--filename=-", document=secret)

    def set_status(self, what: str, status: dict):
        now = "2026-01-05T20:00:00Z"
        condition = {"type": "Ready", "status": "True", "lastTransitionTime": now}
        patch = json.dumps({"status": {"observedGeneration": 1, "conditions": [condition], **status}})
        self.namespace.kubectl("patch", what, "--subresource=status", "--type=merge", f"--patch={patch}")


@pytest.fixture
def generate(worker_program, seed, tmp_path):
    """Sends traffic to the topic, and gives all that is in it."""

    def generate(topic: Topic, run: int):
        arguments = ("--bootstrap-servers", topic.servers, "--topic", topic.name, "--partitions", topic.partitions)
        traffic = ("--start-time", "2026-01-02T23:30:00Z", "--event-rate", "50", "--rate", "0")
        Program(
            [worker_program, "generate", *arguments, "--seed", seed + run, "--messages", MESSAGES, *traffic],
            tmp_path / f"generate-{run}.log",
        ).succeed()
        return topic.read_all()

    return generate


@pytest.fixture
def topic(kafka_for_pods):
    topic = Topic(kafka_for_pods.address(), TOPIC, partitions=8)
    topic.create()
    yield topic
    topic.delete()


def new_certificate(folder: pathlib.Path, user: pathlib.Path) -> tuple[bytes, bytes]:
    """Another key and certificate of the user, by the same authority."""
    key, request, certificate = (folder / f"new.{kind}" for kind in ("key", "csr", "crt"))
    authority = ("-CA", user / "ca.crt", "-CAkey", user.parent / "ca.key")
    for arguments in (
        ("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=user", "-keyout", key, "-out", request),
        ("x509", "-req", "-in", request, *authority, "-days", "30", "-out", certificate),
    ):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
    return certificate.read_bytes(), key.read_bytes()


def until_lake(namespace, folder: pathlib.Path, expected):
    """Waits until the lake has all rows, and compares each of them."""

    def has_all() -> bool:
        tables = ("bronze", "silver", "quarantine")
        return all(lakes.read_with_delta_rs(folder / name).num_rows >= len(getattr(expected, name)) for name in tables)

    namespace.until("rows of everything", has_all)
    lakes.assert_lake(folder, expected)


def ready_message(namespace) -> str:
    conditions = namespace.get("streampipeline", "ecommerce").get("status", {}).get("conditions", [])
    return next((one["message"] for one in conditions if one["type"] == "Ready"), "")


def start_times(namespace) -> dict[str, str]:
    """When the pod of each worker was made, while there is one of each."""
    pods = namespace.get("pods", "--selector=sluice.dev/role=ingest")["items"]
    return {pod["metadata"]["labels"]["sluice.dev/shard"]: pod["metadata"]["uid"] for pod in pods}


def test_the_example_waits_for_strimzi_step_by_step_and_follows_a_renewal(
    release, strimzi, namespace, kafka_for_pods, topic, generate, tmp_path
):
    strimzi_here = Strimzi(namespace, kafka_for_pods)
    namespace.kubectl("apply", f"--filename={namespace.cluster.root / EXAMPLE}")
    say = lambda what: namespace.until(what, lambda: what in ready_message(namespace))  # noqa: E731
    say("Kafka 'demo' is not there")
    strimzi_here.apply()
    say("listener 'tls' of Kafka 'demo' has no address yet")
    strimzi_here.becomes_ready()
    say("KafkaUser 'sluice'")
    strimzi_here.makes_user()
    namespace.kubectl("wait", "streampipeline/ecommerce", "--for=condition=Ready", "--timeout=180s")

    folder = namespace.claimed_folder("lake") / "ecommerce"
    everything = generate(topic, 0)
    until_lake(namespace, folder, gold_tables.expected_of(everything, decode_json)[0])

    before = start_times(namespace)
    strimzi_here.write_user_secret(*new_certificate(tmp_path, kafka_for_pods.user()))
    renewed = lambda: not set(start_times(namespace).values()) & set(before.values())  # noqa: E731
    namespace.until("workers with the new certificate", renewed, patience=240)
    namespace.kubectl("wait", "streampipeline/ecommerce", "--for=condition=Ready", "--timeout=180s")
    everything = generate(topic, 1)
    until_lake(namespace, folder, gold_tables.expected_of(everything, decode_json)[0])
