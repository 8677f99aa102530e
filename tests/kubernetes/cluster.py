"""The hands of the tests on Kubernetes: kubectl, namespaces, pods, images."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from waiting import PATIENCE, Refused, until

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


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

    def ask(self, *arguments) -> str:
        """A line that `dev/cluster` answers."""
        result = subprocess.run([self.root / "dev/cluster", *arguments], stdout=subprocess.PIPE, text=True, check=True)
        return result.stdout.strip()

    def machine_address(self) -> str:
        """Where pods reach servers of this machine."""
        return self.ask("machine-address")

    def audit_log(self) -> list[dict]:
        """Every request that the API server has answered, in order."""
        lines = pathlib.Path(self.ask("audit-log")).read_text().split("\n")
        return [json.loads(line) for line in lines[:-1]]  # the last may be half written

    def recycle_volumes(self, namespace: str):
        """Empties the volumes that a namespace has left, so that they may be claimed again."""
        for volume in self.get("persistentvolumes")["items"]:
            if volume["spec"].get("claimRef", {}).get("namespace") != namespace:
                continue
            for path in pathlib.Path(volume["spec"]["local"]["path"]).iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            unclaim = json.dumps([{"op": "remove", "path": "/spec/claimRef"}])
            self.kubectl("patch", "persistentvolume", volume["metadata"]["name"], "--type=json", f"--patch={unclaim}")

    def load(self, tag: str, folder: pathlib.Path, entrypoint: str) -> str:
        """Makes an image of a folder, and gives it to the node."""
        with tempfile.TemporaryDirectory() as temporary:
            archive = pathlib.Path(temporary) / "image.tar"
            writer = [sys.executable, self.root / "dev/services/image_archive.py"]
            subprocess.run([*writer, "--tag", tag, "--output", archive, "--entrypoint", entrypoint, folder], check=True)
            subprocess.run([self.root / "dev/cluster", "load", archive], check=True)
        return tag

    def load_program(self, name: str, programs: pathlib.Path) -> tuple[str, pathlib.Path]:
        """Makes the image of a program of ours, and gives it to the node. Gives its name, and its archive."""
        result = subprocess.run(
            [self.root / "dev/images", "--load", name],
            env={**os.environ, "SLUICE_BIN": str(programs)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        tag, archive = result.stdout.split()
        return tag, pathlib.Path(archive)


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
        self.cluster.recycle_volumes(self.name)

    def kubectl(self, *arguments, document=None) -> str:
        return self.cluster.kubectl(f"--namespace={self.name}", *arguments, document=document)

    def get(self, *arguments) -> dict:
        return self.cluster.get(f"--namespace={self.name}", *arguments)

    def create_object(self, document: dict):
        self.kubectl("create", "--filename=-", document=document)

    def phase(self, pod: str) -> str:
        return self.get("pod", pod)["status"].get("phase", "")

    def logs_of(self, pod: dict) -> str:
        """What a pod wrote that ends by itself."""
        name = pod["metadata"]["name"]
        self.create_object(pod)
        self.until(f"end of {name}", lambda: self.phase(name) in ("Succeeded", "Failed"))
        return self.kubectl("logs", name)

    def claimed_folder(self, claim: str) -> pathlib.Path:
        """The folder of this machine whose files a claim holds."""
        volume = self.get("persistentvolumeclaim", claim)["spec"]["volumeName"]
        return pathlib.Path(self.cluster.get("persistentvolume", volume)["spec"]["local"]["path"])

    def until(self, what: str, check, patience: float = PATIENCE):
        return until(what, check, self.describe, patience)

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
