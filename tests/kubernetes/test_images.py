"""The images, as dev/images makes them from the Dockerfiles: they run where everything is forbidden."""

import json
import subprocess
import tarfile

import pytest

from cluster import ROOT, restricted_pod


@pytest.fixture(scope="module")
def worker(cluster, worker_program):
    """The worker's image, in the node: its name, and its archive."""
    tag, path = cluster.load_program("worker", worker_program.parent)
    with tarfile.open(path) as archive:
        yield tag, archive


def test_the_worker_runs_in_a_restricted_pod(namespace, worker):
    tag, _ = worker
    logs = namespace.logs_of(restricted_pod("worker", tag, "--version"))
    assert logs == f"sluice-worker {tag.rsplit(':', 1)[1]}\n"


def test_an_image_has_no_shell(namespace, worker):
    pod = restricted_pod("shell", worker[0])
    pod["spec"]["containers"][0]["command"] = ["/bin/sh", "-c", "true"]
    namespace.create_object(pod)
    namespace.until("pod that has ended", lambda: namespace.phase("shell") == "Failed")
    (status,) = namespace.get("pod", "shell")["status"]["containerStatuses"]
    assert "no such file or directory" in status["state"]["terminated"]["message"]


def test_an_image_says_what_it_is_and_runs_as_nobody(worker):
    tag, archive = worker
    (manifest,) = json.load(archive.extractfile("manifest.json"))
    config = json.load(archive.extractfile(manifest["Config"]))["config"]
    revision = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert manifest["RepoTags"] == [tag]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/usr/local/bin/sluice-worker"]
    assert config["Labels"]["org.opencontainers.image.revision"] == revision.stdout.strip()
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_an_image_names_the_packages_of_its_libraries(worker):
    _, archive = worker
    layer = tarfile.open(fileobj=archive.extractfile("layer.tar"))
    packages = {name.rsplit("/", 1)[1] for name in layer.getnames() if name.startswith("var/lib/dpkg/status.d/")}
    libraries = [name for name in layer.getnames() if ".so." in name]
    assert {"libc6", "libgcc-s1", "ca-certificates"} <= packages, packages
    assert libraries and not [entry.name for entry in layer if entry.uid or entry.gid or entry.mode & 0o6000]
