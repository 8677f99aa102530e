"""The rights that the chart grants, by the audit log: none is missing, and none is more than the operator uses."""

import json
import pathlib
import subprocess
from types import SimpleNamespace

import pytest
import yaml

import definitions
from control_plane import Namespace
from helm import helm_program
from operator_program import ROOT, Operator
from pipelines_of_tests import payments, requiring

RBAC = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
CHILDREN = ("serviceaccount", "configmap", "service", "poddisruptionbudget", "networkpolicy", "cronjob", "deployment")


def rendered(system: str, *values: str) -> list[dict]:
    """What the chart makes of values."""
    arguments = [
        "template",
        "sluice",
        ROOT / "helm/sluice",
        f"--namespace={system}",
        *(f"--set={one}" for one in values),
    ]
    text = subprocess.run([helm_program(), *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [document for document in yaml.safe_load_all(text) if document]


class Installation:
    """The chart's account with its rights, and the operator with its settings and nobody else's rights."""

    def __init__(self, plane, system: Namespace, folder: pathlib.Path, *values: str):
        self.plane = plane
        documents = rendered(system.name, *values)
        self.rights = [one for one in documents if one["kind"] in RBAC]
        for document in self.rights:
            plane.kubectl("apply", "--server-side", "--filename=-", document=in_namespace(document, system.name))
        (account,) = [one["metadata"]["name"] for one in documents if one["kind"] == "ServiceAccount"]
        self.user = f"system:serviceaccount:{system.name}:{account}"
        token = system.kubectl("create", "token", account).strip()
        kubeconfig = folder / "kubeconfig"
        view = json.loads(plane.kubectl("config", "view", "--raw", "--output=json"))
        view["users"][0]["user"] = {"token": token}
        kubeconfig.write_text(json.dumps(view))
        (deployment,) = [one for one in documents if one["kind"] == "Deployment"]
        variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        environment = {one["name"]: one["value"] for one in variables}
        self.operator = Operator(SimpleNamespace(kubeconfig=str(kubeconfig)), folder, environment)

    def granted(self) -> set[tuple[str, str, str]]:
        """Group, resource and verb of all rules."""
        rules = [rule for document in self.rights for rule in document.get("rules", [])]
        return {
            (group, resource, verb)
            for rule in rules
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }

    def requests(self) -> list[dict]:
        return [one for one in self.plane.audit_log() if one["user"]["username"] == self.user]

    def uninstall(self):
        self.operator.kill()
        for document in self.rights:
            if document["kind"].startswith("Cluster"):
                self.plane.kubectl("delete", document["kind"], document["metadata"]["name"])


def in_namespace(document: dict, namespace: str) -> dict:
    metadata = document["metadata"]
    if not document["kind"].startswith("Cluster"):
        metadata = {"namespace": namespace, **metadata}
    return {**document, "metadata": metadata}


@pytest.fixture(scope="module")
def strimzi(plane):
    with definitions.strimzi(plane, ROOT):
        yield


@pytest.fixture
def system(plane):
    system = Namespace(plane)
    yield system
    system.delete()


@pytest.mark.alone
@pytest.mark.parametrize("scope", ["Cluster", "Namespaced"])
def test_the_charts_rights_are_those_that_a_whole_life_needs(plane, node, namespace, system, strimzi, tmp_path, scope):
    watched = (f"watchNamespaces={{{namespace.name}}}",) if scope == "Namespaced" else ()
    installation = Installation(plane, system, tmp_path, f"scope={scope}", *watched)
    try:
        installation.operator.start().until_ready()
        live(namespace)
        assert installation.operator.terminate() == 0
    finally:
        installation.uninstall()
    requests = installation.requests()
    refused = [f"{one['verb']} {one['requestURI']}" for one in requests if one["responseStatus"]["code"] == 403]
    assert refused == []
    assert installation.granted() - {used(one) for one in requests} == set()


def used(request: dict) -> tuple[str, str, str]:
    resource = request.get("objectRef", {})
    name = "/".join(filter(None, (resource.get("resource"), resource.get("subresource"))))
    return resource.get("apiGroup", ""), name, request["verb"]


def live(namespace: Namespace):
    """Everything that the operator does, once."""
    namespace.apply(payments())
    namespace.until_ready("payments", "True", "Running")
    for kind in CHILDREN:  # what is gone is made again
        name = min(namespace.names(kind))
        before = namespace.get(kind, name)["metadata"]["uid"]
        namespace.kubectl("delete", kind, name, "--wait=false")
        namespace.until(f"new {kind}", lambda kind=kind, name=name, before=before: uid(namespace, kind, name) != before)
    namespace.until_ready("payments", "True", "Running")
    replay_by_several(namespace)
    own_account = {"serviceAccountName": "default"}
    namespace.apply(payments(silver=requiring("amount > 1"), podTemplate=own_account))  # what is superseded goes
    namespace.until("end of the account", lambda: namespace.names("serviceaccounts") == set())
    namespace.apply(payments(suspend=True))
    namespace.until_ready("payments", "True", "Suspended")
    for manifest in sorted((ROOT / "manifests/examples/ecommerce/scoring").glob("*.yaml")):
        document = yaml.safe_load(manifest.read_text())
        namespace.apply(document)
        name = document["metadata"]["name"]
        namespace.until("status", lambda: namespace.get(document["kind"], name)["status"].get("conditions"))
    wait_for_what_is_missing(namespace)
    what_events_tell(namespace)


def replay_by_several(namespace: Namespace):
    """What such a replay has of its own goes with it."""
    services = namespace.names("services")
    namespace.apply(payments(replay={"name": "again", "tables": ["silver"], "workers": 3}))
    namespace.until("service of the replay", lambda: namespace.names("services") > services)
    namespace.apply(payments())
    namespace.until("its end", lambda: namespace.names("services") == services)
    namespace.until("end of its policy", lambda: not any("replay" in one for one in namespace.names("networkpolicies")))


def wait_for_what_is_missing(namespace: Namespace):
    claim = {"uri": "file:///lake/claimed", "volume": {"claimName": "absent"}}
    namespace.apply(payments("claimed", storage=claim))
    namespace.until_ready("claimed", "False", "ReferenceMissing")
    kafka = {"strimziRef": {"name": "demo", "listener": "tls", "user": "sluice"}, "topic": "payments"}
    namespace.apply(payments("strimzi", source={**payments()["spec"]["source"], "kafka": kafka}))
    namespace.until_ready("strimzi", "False", "ReferenceMissing")
    listener = {"name": "tls", "port": 9093, "type": "internal", "tls": True, "authentication": {"type": "tls"}}
    namespace.apply({
        "apiVersion": "kafka.strimzi.io/v1", "kind": "Kafka", "metadata": {"name": "demo"},
        "spec": {"kafka": {"listeners": [listener]}},
    })  # fmt: skip
    status = {"status": {"listeners": [{"name": "tls", "bootstrapServers": "demo-kafka-bootstrap:9093"}]}}
    namespace.kubectl("patch", "kafka/demo", "--subresource=status", "--type=merge", f"--patch={json.dumps(status)}")
    user = lambda: "KafkaUser 'sluice'" in namespace.condition("strimzi", "Ready")["message"]  # noqa: E731
    namespace.until("look for the user", user)


def what_events_tell(namespace: Namespace):
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"pods": "0"}}}
    namespace.apply({"apiVersion": "v1", "kind": "ResourceQuota", **quota})
    namespace.apply(payments("refused"))
    namespace.until_ready("refused", "False", "QuotaExceeded")


def uid(namespace: Namespace, kind: str, name: str) -> str:
    return namespace.get(kind, name)["metadata"]["uid"]
