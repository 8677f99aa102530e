"""The hands of the operator's tests: kubectl, requests, namespaces, the audit log."""

import base64
import json
import os
import pathlib
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
import uuid

import judges
from resources import kind_of, path_of
from waiting import PATIENCE, Refused, until

# Tests may run in several processes at once; each has namespaces of its own.
PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
PREFIX = f"test-{PROCESS}-"


class ControlPlane:
    """The control plane that `dev/cluster up --control-plane` started."""

    def __init__(self, script: pathlib.Path):
        self.script = script
        self.kubeconfig = self._run("kubeconfig").strip()
        view = json.loads(self._run("kubectl", "config", "view", "--raw", "--output=json"))
        server = view["clusters"][0]["cluster"]
        self.address = server["server"]
        authority = base64.b64decode(server["certificate-authority-data"]).decode()
        self.tls = ssl.create_default_context(cadata=authority)
        self.token = view["users"][0]["user"]["token"]

    def _run(self, *arguments, document=None) -> str:
        result = subprocess.run(
            [self.script, *map(str, arguments)],
            input=None if document is None else json.dumps(document),
            capture_output=True,
            text=True,
        )
        if result.returncode != 0:
            raise Refused(result.stderr.strip())
        return result.stdout

    def kubectl(self, *arguments, document=None) -> str:
        return self._run("kubectl", *arguments, document=document)

    def request(self, method: str, path: str, body=None, kind="application/json") -> dict:
        """One request, without kubectl: for what happens often."""
        with self._open(method, path, body, kind) as response:
            return json.loads(response.read() or b"{}")

    def watch(self, path: str):
        """The objects of a path as they are, and again whenever one changes, for as long as the API server likes."""
        with self._open("GET", f"{path}?watch=true") as response:
            for line in response:
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED"):
                    yield event["object"]

    def _open(self, method: str, path: str, body=None, kind="application/json"):
        request = urllib.request.Request(
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": kind},
        )
        try:
            return urllib.request.urlopen(request, context=self.tls, timeout=30)
        except urllib.error.HTTPError as error:
            raise Refused(f"{error.code} {error.read().decode(errors='replace')}") from None

    def audit_log(self) -> list[dict]:
        """Every request that the API server has answered, in order."""
        lines = pathlib.Path(self._run("audit-log").strip()).read_text().split("\n")
        return [json.loads(line) for line in lines[:-1]]  # the last may be half written


class Namespace:
    """A fresh namespace."""

    def __init__(self, plane: ControlPlane, labels=None):
        self.plane = plane
        self.name = f"{PREFIX}{uuid.uuid4().hex[:10]}"
        metadata = {"name": self.name, "labels": labels or {}}
        plane.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def kubectl(self, *arguments, document=None) -> str:
        return self.plane.kubectl(f"--namespace={self.name}", *arguments, document=document)

    def get(self, kinds: str, name: str = "", selector: str = "") -> dict:
        """An object, or all objects of some kinds, whose names are separated by commas. Without kubectl: it is asked
        again and again."""
        if name:
            return self.plane.request("GET", f"{path_of(kinds, self.name)}/{name}")
        items = []
        for kind in kinds.split(","):
            query = urllib.parse.urlencode({"labelSelector": selector})
            found = self.plane.request("GET", f"{path_of(kind, self.name)}?{query}")
            items += [{"kind": kind_of(kind), "apiVersion": found["apiVersion"], **item} for item in found["items"]]
        return {"items": items}

    def apply(self, document: dict):
        path = f"{path_of(document['kind'], self.name)}/{document['metadata']['name']}?fieldManager=kubectl"
        self.plane.request("PATCH", path, document, "application/apply-patch+yaml")

    def names(self, kind: str) -> set[str]:
        """Names of everything of a kind that the operator made here."""
        found = self.get(kind, selector="app.kubernetes.io/managed-by=sluice-operator")
        return {item["metadata"]["name"] for item in found["items"]}

    def condition(self, name: str, type_: str, kind: str = "streampipeline") -> dict:
        found = conditions_of(self.get(kind, name))
        return next((one for one in found if one["type"] == type_), {})

    def until_ready(
        self, name: str, status: str, reason: str, patience: float = PATIENCE, kind: str = "streampipeline"
    ) -> dict:
        """Waits until `Ready` says this of the spec as it is; gives the condition. Other tools must judge it right."""

        def says():
            resource = self.get(kind, name)
            ready = next((one for one in conditions_of(resource) if one["type"] == "Ready"), {})
            is_of_this_spec = resource.get("status", {}).get("observedGeneration") == resource["metadata"]["generation"]
            return is_of_this_spec and (ready.get("status"), ready.get("reason")) == (status, reason) and resource

        resource = self.until(f"Ready={status} reason={reason}", says, patience)
        judges.assert_judged_right(resource)
        return next(one for one in conditions_of(resource) if one["type"] == "Ready")

    def until(self, what: str, check, patience: float = PATIENCE):
        return until(what, check, self.describe, patience)

    def describe(self) -> str:
        """What a person would look at."""
        conditions = [
            f"{item['kind']} {item['metadata']['name']}: {json.dumps(conditions_of(item), indent=1)}"
            for item in self.get("streampipelines,fraudscorers")["items"]
        ]
        return "\n".join([*conditions, self.kubectl("get", "deployments,cronjobs,jobs,pods,events", "--output=wide")])

    def events(self, reason: str) -> list[dict]:
        return [event for event in self.get("events.events.k8s.io")["items"] if event.get("reason") == reason]

    def delete(self):
        self.kubectl("delete", "streampipelines,fraudscorers", "--all", "--wait=false")
        self.plane.kubectl("delete", "namespace", self.name, "--wait=false")


def conditions_of(resource: dict) -> list[dict]:
    return resource.get("status", {}).get("conditions", [])


def cluster_script(root: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(os.environ.get("SLUICE_TEST_CLUSTER") or root / "dev/cluster")
