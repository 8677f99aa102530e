"""What every test on Kubernetes needs: the node of dev/cluster, and a namespace that enforces `restricted`."""

import pathlib
import shutil
import uuid

import pytest

from cluster import Cluster, Namespace

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


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
    (folder / "tmp").mkdir()
    shutil.copy(program, folder / "bin/busybox")
    return cluster.load("localhost/busybox:test", folder, entrypoint="/bin/busybox")
