"""What tests on Kubernetes need: the node of dev/cluster, namespaces that enforce `restricted`, a Kafka for pods,
and the operator as its chart installs it."""

import shutil
import uuid

import pytest

from cluster import ROOT, Cluster, Namespace
from kafka_for_pods import KafkaForPods
from release import Release


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """A real Kubernetes that runs pods. Its absence is a failure, never a reason to skip."""
    cluster = Cluster(ROOT)
    missing = cluster.missing()
    if missing:
        pytest.fail(f"{missing}: run `dev/cluster up` (as root)")
    return cluster


@pytest.fixture
def namespace(cluster):
    """A fresh namespace whose pods must be restricted; removed after the test, with all that is in it."""
    namespace = Namespace(cluster, f"test-{uuid.uuid4().hex[:10]}")
    namespace.create()
    yield namespace
    namespace.delete()


@pytest.fixture(scope="session")
def busybox(cluster, tmp_path_factory) -> str:
    """An image with the tools that an image of ours does not have. Gives its name."""
    program = shutil.which("busybox")
    if not program:
        pytest.fail("no busybox to make pods of: run `dev/install cluster`")
    folder = tmp_path_factory.mktemp("busybox")
    (folder / "bin").mkdir()
    shutil.copy(program, folder / "bin/busybox")
    return cluster.load("localhost/busybox:test", folder, entrypoint="/bin/busybox")


@pytest.fixture(scope="session")
def kafka_for_pods(cluster):
    """A real Apache Kafka that pods of the node reach, and this machine too."""
    kafka = KafkaForPods(cluster)
    kafka.run("up")
    yield kafka
    kafka.run("down")


@pytest.fixture(scope="session")
def release(cluster, worker_program):
    """The CRDs and the operator, installed by Helm; removed at the end."""
    for name in ("operator", "worker"):
        cluster.load_program(name, worker_program.parent)
    release = Release(cluster)
    release.install()
    yield release
    release.uninstall()
