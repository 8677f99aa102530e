"""The hands of the tests on Kubernetes: kubectl, namespaces, pods, images."""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

# Generous: the machine may be compiling something else.
PATIENCE = 120


class Refused(Exception):
    """kubectl ended with an error; holds what it wrote."""


class Cluster:
    """The cluster that `dev/cluster up` started for this clone."""

    def __init__(self, root: pathlib.Path):
        self.root = root

    def missing(self) -> str | None:
        """What keeps tests from running on it."""
        result = subprocess.run([self.root / "dev/cluster", "status"], capture_output=True, text=True)
        if result.returncode != 0:
            return "no cluster is running"
        if "mode        node" not in result.stdout:
            return "the cluster that is running has no node for pods (run `dev/cluster down` first)"
        return None

    def kubectl(self, *arguments, document=None) -> str:
        """What kubectl printed. `document` is its standard input, as JSON."""
        result = subprocess.run(
            [self.root / "dev/cluster", "kubectl", *map(str, arguments)],
            input=None if document is None else json.dumps(document),
            capture_output=True,
            text=True,
        )
        if result.returncode != 0:
            raise Refused(result.stderr.strip())
        return result.stdout

    def get(self, *arguments) -> dict:
        return json.loads(self.kubectl("get", "--output=json", *arguments))

    def audit_log(self) -> list[dict]:
        """Every request that the API server has answered, in order."""
        path = subprocess.run(
            [self.root / "dev/cluster", "audit-log"], capture_output=True, text=True, check=True
        ).stdout.strip()
        lines = pathlib.Path(path).read_text().split("\n")
        return [json.loads(line) for line in lines[:-1]]  # the last may be half written

    def load(self, tag: str, folder: pathlib.Path, entrypoint: str) -> str:
        """Makes an image of a folder, and gives it to the node."""
        with tempfile.TemporaryDirectory() as temporary:
            archive = pathlib.Path(temporary) / "image.tar"
            writer = [sys.executable, self.root / "dev/services/image_archive.py"]
            subprocess.run(
                [*writer, "--tag", tag, "--output", archive, "--entrypoint", entrypoint, folder], check=True
            )
            subprocess.run([self.root / "dev/cluster", "load", archive], check=True)
        return tag


class Namespace:
    """A namespace that enforces the profile `restricted`."""

    def __init__(self, cluster: Cluster, name: str):
        self.cluster = cluster
        self.name = name

    def create(self):
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.cluster.kubectl(
            "create", "--filename=-",
            document={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name, "labels": labels}},
        )  # fmt: skip
        self.until("its ServiceAccount", lambda: self.get("serviceaccounts", "default"))

    def delete(self):
        self.cluster.kubectl("delete", "namespace", self.name, "--wait=true", f"--timeout={PATIENCE}s")

    def kubectl(self, *arguments, document=None) -> str:
        return self.cluster.kubectl(f"--namespace={self.name}", *arguments, document=document)

    def get(self, *arguments) -> dict:
        return self.cluster.get(f"--namespace={self.name}", *arguments)

    def create_object(self, document: dict):
        self.kubectl("create", "--filename=-", document=document)

    def phase(self, pod: str) -> str:
        return self.get("pod", pod)["status"].get("phase", "")

    def until(self, what: str, check, patience: float = PATIENCE):
        """Repeats `check` until it gives something true; an object that is not there yet is not there yet."""
        deadline = time.monotonic() + patience
        while True:
            try:
                result = check()
            except Refused as refused:
                result, last = None, refused
            else:
                last = result
            if result:
                return result
            assert time.monotonic() < deadline, f"no {what} after {patience} s: {last}\n{self.describe()}"
            time.sleep(0.3)

    def describe(self) -> str:
        """What a person would look at: pods and events."""
        return self.kubectl("get", "pods,events", "--output=wide")


def restricted_pod(name: str, image: str, *arguments: str, labels=None, restart="Never") -> dict:
    """A pod as the profile `restricted` wants it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {
            "restartPolicy": restart,
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "imagePullPolicy": "Never",
                    "args": list(arguments),
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
