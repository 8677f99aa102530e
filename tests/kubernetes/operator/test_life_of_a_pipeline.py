"""From `kubectl apply` to `kubectl delete`, with the real operator on a real control plane."""

import json

import pytest

from control_plane import Refused
from paper_node import HANG, READY, fail, waits
from pipelines_of_tests import LAKE_SECRET, payments, requiring

EVERYTHING = {
    "serviceaccounts": {"payments-stpl-worker"},
    "services": {"payments-stpl-ingest"},
    "poddisruptionbudgets": {"payments-stpl-ingest"},
    "networkpolicies": {"payments-stpl-ingest"},
    "cronjobs": {"payments-stpl-upkeep"},
    "deployments": {"payments-stpl-ingest-0", "payments-stpl-ingest-1"},
}


@pytest.fixture
def running(operator, namespace):
    """A pipeline whose workers are ready."""
    namespace.apply(payments())
    namespace.until_ready("payments", "True", "Running")
    return namespace


def test_a_pipeline_becomes_ready_and_its_check_leaves_nothing_behind(running):
    for kind, names in EVERYTHING.items():
        assert running.names(kind) == names, kind
    assert len(running.names("configmaps")) == 1
    running.until("end of the check", lambda: running.names("jobs") == set())
    status = running.get("streampipeline", "payments")["status"]
    assert (status["observedGeneration"], status["replicaSummary"]) == (1, "2/2")
    assert [found["type"] for found in status["conditions"] if found["type"] in ("Reconciling", "Stalled")] == []
    assert len(running.events("Running")) == 1
    line = running.kubectl("get", "stpl", "payments", "--no-headers").split()
    assert line[:4] == ["payments", "True", "Running", "2/2"]


@pytest.mark.parametrize(
    "kind", ["serviceaccount", "configmap", "service", "poddisruptionbudget", "networkpolicy", "cronjob", "deployment"]
)
def test_a_child_that_is_deleted_is_made_again_within_half_a_minute(running, kind):
    name = min(running.names(kind))
    before = running.get(kind, name)["metadata"]["uid"]
    running.kubectl("delete", kind, name, "--wait=false")
    running.until(f"new {kind}", lambda: running.get(kind, name)["metadata"]["uid"] != before, patience=30)
    running.until_ready("payments", "True", "Running")


@pytest.mark.parametrize(
    ("kind", "patch", "field"),
    [
        ("serviceaccount", '{"automountServiceAccountToken": true}', "automountServiceAccountToken"),
        ("service", '{"spec": {"publishNotReadyAddresses": false}}', "spec"),
        ("poddisruptionbudget", '{"spec": {"maxUnavailable": 2}}', "spec"),
        ("networkpolicy", '{"spec": {"ingress": []}}', "spec"),
        ("cronjob", '{"spec": {"concurrencyPolicy": "Allow"}}', "spec"),
        ("deployment", '{"spec": {"replicas": 3}}', "spec"),
        ("deployment", '{"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}}', "metadata.labels"),
        ("configmap", '{"metadata": {"labels": {"sluice.dev/pipeline": "x"}}}', "metadata.labels"),
    ],
)
def test_a_child_that_is_edited_is_put_right_within_half_a_minute(running, kind, patch, field):
    name = min(running.names(kind))

    def value(found: dict):
        for part in field.split("."):
            found = found.get(part)
        return found

    before = value(running.get(kind, name))
    edited = running.kubectl("patch", kind, name, "--type=merge", f"--patch={patch}", "--output=json")
    assert value(json.loads(edited)) != before
    running.until(f"old {field}", lambda: value(running.get(kind, name)) == before, patience=30)


def test_an_item_of_a_list_whose_key_is_edited_is_put_right_within_half_a_minute(running):
    def ports():
        return [
            (port["name"], port["port"]) for port in running.get("service", "payments-stpl-ingest")["spec"]["ports"]
        ]

    before = ports()
    edit = [{"op": "replace", "path": "/spec/ports/0/port", "value": 1}]
    running.kubectl("patch", "service", "payments-stpl-ingest", "--type=json", f"--patch={json.dumps(edit)}")
    running.until("old port", lambda: ports() == before, patience=30)
    running.until_ready("payments", "True", "Running")


def test_fields_and_labels_of_others_are_left_alone(running):
    running.kubectl("annotate", "deployment", "payments-stpl-ingest-0", "example.com/note=mine")
    running.kubectl("label", "service", "payments-stpl-ingest", "example.com/team=blue")
    running.kubectl(
        "patch", "streampipeline", "payments", "--type=merge", '--patch={"spec": {"commit": {"every": "3s"}}}'
    )
    running.until("second generation", lambda: observed(running) == 2 and not reconciling(running))
    annotations = running.get("deployment", "payments-stpl-ingest-0")["metadata"]["annotations"]
    assert annotations["example.com/note"] == "mine"
    assert running.get("service", "payments-stpl-ingest")["metadata"]["labels"]["example.com/team"] == "blue"


def test_a_field_that_is_given_up_goes(operator, namespace):
    namespace.apply(payments(podTemplate={"nodeSelector": {"kubernetes.io/os": "linux"}}))

    def selector():
        pod = namespace.get("deployment", "payments-stpl-ingest-0")["spec"]["template"]["spec"]
        return pod.get("nodeSelector")

    namespace.plane.kubectl("label", "node", "paper-node", "kubernetes.io/os=linux", "--overwrite")
    namespace.until_ready("payments", "True", "Running")
    assert selector() == {"kubernetes.io/os": "linux"}
    namespace.apply(payments())
    namespace.until("no node selector", lambda: selector() is None)


def test_a_new_configuration_rolls_one_worker_at_a_time_and_its_revision_rises(running):
    revisions = [revision(running, shard) for shard in (0, 1)]
    old = running.names("configmaps")
    running.apply(payments(silver=requiring("amount > 1")))
    running.until("first new worker", lambda: revision(running, 0) > revisions[0])
    assert revision(running, 1) == revisions[1], "the second waits for the first"
    running.until("second new worker", lambda: revision(running, 1) > revisions[1])
    running.until("rest", lambda: observed(running) == 2 and not reconciling(running))
    running.until("end of the old configuration", lambda: len(running.names("configmaps")) == 1)
    assert running.names("configmaps") != old


def test_a_configuration_that_does_not_pass_its_check_never_replaces_a_worker(running, node):
    node.says(running.name, "check", fail("silver.require[0].expr: no column 'amuont'; write 'amount'\n1 finding\n"))
    before = [running.get("deployment", name)["metadata"]["generation"] for name in sorted(EVERYTHING["deployments"])]
    running.apply(payments(silver=requiring("amuont > 1")))
    ready = running.until_ready("payments", "False", "ConfigurationRefused")
    assert "silver.require[0].expr" in ready["message"]
    assert running.condition("payments", "Stalled")["status"] == "True"
    after = [running.get("deployment", name)["metadata"]["generation"] for name in sorted(EVERYTHING["deployments"])]
    assert after == before
    assert len(running.events("ConfigurationRefused")) == 1
    running.apply(payments())
    running.until_ready("payments", "True", "Running")
    running.until("end of the check", lambda: running.names("jobs") == set())


def test_a_check_that_misses_something_is_repeated_until_it_is_there(operator, namespace, node):
    node.says(namespace.name, "check", fail("source.kafka.topic: there is no topic; create it\n1 finding\n"))
    namespace.apply(payments())
    ready = namespace.until_ready("payments", "False", "CheckFailed")
    assert "source.kafka.topic" in ready["message"]
    assert namespace.condition("payments", "Reconciling")["status"] == "True"
    node.says(namespace.name, "check", "pass")
    namespace.until_ready("payments", "True", "Running", patience=180)


def test_a_secret_that_comes_later_is_found(operator, namespace):
    namespace.kubectl("delete", "secret", "lake")
    namespace.apply(payments())
    ready = namespace.until_ready("payments", "False", "ReferenceMissing")
    assert "spec.storage.secretRef" in ready["message"] and "kubectl" in ready["message"]
    namespace.apply(LAKE_SECRET)
    namespace.until_ready("payments", "True", "Running")


def test_a_secret_that_changes_restarts_the_workers_and_is_nowhere_to_be_read(running, operator):
    before = revision(running, 0)
    running.apply({**LAKE_SECRET, "stringData": {**LAKE_SECRET["stringData"], "AWS_SECRET_ACCESS_KEY": "canary-other"}})
    running.until("restart of both", lambda: revision(running, 0) > before and revision(running, 1) > before)
    assert len(running.names("configmaps")) == 1
    everything = running.kubectl(
        "get", "deployments,configmaps,services,cronjobs,jobs,pods,events,streampipelines", "--output=yaml"
    )
    assert "canary" not in everything + operator.output()


def test_a_secret_that_disappears_stops_no_worker_and_its_return_is_seen(running):
    pods = {pod["metadata"]["uid"] for pod in running.get("pods")["items"]}
    running.kubectl("delete", "secret", "lake")
    waiting = running.until("look at the Secret", lambda: running.condition("payments", "Reconciling"))
    assert "Secret 'lake' is not there" in waiting["message"]
    assert running.condition("payments", "Ready")["status"] == "True", "the workers have what they need"
    running.apply(LAKE_SECRET)
    running.until("return of the Secret", lambda: not reconciling(running))
    running.until_ready("payments", "True", "Running")
    assert {pod["metadata"]["uid"] for pod in running.get("pods")["items"]} >= pods


def test_the_longest_name_that_is_allowed_has_room_for_everything(operator, namespace):
    name = "a" * 40
    namespace.apply(payments(name))
    namespace.until_ready(name, "True", "Running")
    with pytest.raises(Refused, match="at most 40 characters"):
        namespace.apply(payments(name + "a"))


def test_strimzi_that_is_not_there_is_waited_for_with_the_fix(operator, namespace):
    source = {
        **payments()["spec"]["source"],
        "kafka": {"strimziRef": {"name": "demo", "listener": "tls"}, "topic": "t"},
    }
    namespace.apply(payments(source=source))
    ready = namespace.until_ready("payments", "False", "ReferenceMissing")
    assert "install Strimzi" in ready["message"]


def test_an_invalid_pipeline_is_stalled_with_one_event_and_left_alone(operator, namespace):
    gold = [{
        "name": "totals",
        "window": {"size": "10m", "slide": "7m"},
        "groupBy": ["id"],
        "measures": [{"name": "n", "expr": "count(*)"}],
    }]  # fmt: skip
    namespace.apply(payments(gold=gold))
    ready = namespace.until_ready("payments", "False", "InvalidSpec")
    assert "spec.gold[0].window.slide" in ready["message"]
    assert namespace.condition("payments", "Stalled")["status"] == "True"
    assert len(namespace.events("InvalidSpec")) == 1
    assert namespace.names("deployments") == set()
    namespace.apply(payments())
    namespace.kubectl("patch", "streampipeline", "payments", "--type=merge", '--patch={"spec": {"gold": null}}')
    namespace.until_ready("payments", "True", "Running")


def test_a_name_that_somebody_else_has_is_left_alone(operator, namespace):
    foreign = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "payments-stpl-ingest"},
        "spec": {"ports": [{"port": 80}]},
    }
    namespace.apply(foreign)
    before = namespace.get("service", "payments-stpl-ingest")["metadata"]["resourceVersion"]
    namespace.apply(payments())
    ready = namespace.until_ready("payments", "False", "NameTaken")
    assert "Service 'payments-stpl-ingest' belongs to nobody" in ready["message"]
    assert namespace.condition("payments", "Stalled")["status"] == "True"
    assert namespace.get("service", "payments-stpl-ingest")["metadata"]["resourceVersion"] == before
    namespace.kubectl("delete", "service", "payments-stpl-ingest")
    namespace.until_ready("payments", "True", "Running")


def test_a_suspended_pipeline_has_no_workers_and_goes_on_where_it_was(running):
    patch_spec(running, '{"suspend": true}')
    running.until_ready("payments", "True", "Suspended")
    running.until("no workers", lambda: running.names("deployments") == set() and not reconciling(running))
    assert running.names("services") == EVERYTHING["services"]
    patch_spec(running, '{"suspend": false}')
    running.until_ready("payments", "True", "Running")


def test_a_paused_pipeline_is_left_alone(running):
    running.kubectl("annotate", "streampipeline", "payments", "sluice.dev/paused=true")
    running.until("pause", lambda: running.condition("payments", "ReconciliationPaused"))
    patch_spec(running, '{"suspend": true}')
    running.until("second generation", lambda: observed(running) == 2)
    paused = running.condition("payments", "ReconciliationPaused")
    assert "generation 1 is applied" in paused["message"]
    assert running.condition("payments", "Ready")["reason"] == "Running"
    assert running.names("deployments") == EVERYTHING["deployments"]
    running.kubectl("annotate", "streampipeline", "payments", "sluice.dev/paused-")
    running.until_ready("payments", "True", "Suspended")
    assert running.condition("payments", "ReconciliationPaused") == {}


def test_trouble_of_pods_is_told_with_its_cause_and_its_fix(running, node):
    def restart(behaviour, reason: str) -> str:
        node.says(running.name, "ingest", behaviour)
        running.kubectl("delete", "pods", "--selector=sluice.dev/role=ingest", "--wait=false")
        return running.until_ready("payments", "False", reason)["message"]

    assert "imagePullSecrets" in restart(waits("ImagePullBackOff", "not found"), "ImagePullFailed")
    assert "the lake is gone" in restart(fail("error: the lake is gone"), "CrashLoop")
    assert "limits.memory" in restart({**fail("", 137), "reason": "OOMKilled"}, "OutOfMemory")
    node.says(running.name, "ingest", READY)
    running.kubectl("delete", "pods", "--selector=sluice.dev/role=ingest", "--wait=false")
    running.until_ready("payments", "True", "Running")


def test_a_quota_is_told(operator, namespace):
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {"pods": "0"}},
    }
    namespace.apply(quota)
    namespace.apply(payments())
    assert "exceeded quota: small" in namespace.until_ready("payments", "False", "QuotaExceeded")["message"]
    namespace.kubectl("delete", "resourcequota", "small")
    namespace.until_ready("payments", "True", "Running", patience=300)


def test_the_tables_are_maintained_by_the_schedule_and_a_run_that_fails_is_told(operator, namespace, node):
    def healthy(status: str):
        found = namespace.condition("payments", "MaintenanceHealthy")
        return found.get("status") == status and found

    namespace.apply(payments(maintenance={"schedule": "* * * * *", "retention": "7d"}))
    namespace.until_ready("payments", "True", "Running")
    upkeep = namespace.get("cronjob", "payments-stpl-upkeep")["spec"]
    assert upkeep["concurrencyPolicy"] == "Forbid"
    (container,) = upkeep["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["args"][-2:] == ["--retention", "7d"]
    namespace.until("a run that succeeds", lambda: healthy("True"), patience=150)
    node.says(namespace.name, "upkeep", fail("sluice-worker: failed to maintain table 'bronze'"))
    message = namespace.until("a run that fails", lambda: healthy("False"), patience=150)["message"]
    assert "kubectl logs --selector=sluice.dev/pipeline=payments,sluice.dev/role=upkeep" in message
    namespace.until_ready("payments", "True", "Running")
    node.says(namespace.name, "upkeep", "pass")
    namespace.until("a run that succeeds again", lambda: healthy("True"), patience=150)
    patch_spec(namespace, '{"suspend": true}')
    namespace.until_ready("payments", "True", "Suspended")
    namespace.until("end of the upkeep", lambda: namespace.names("cronjobs") == set())
    namespace.until("silence about it", lambda: namespace.condition("payments", "MaintenanceHealthy") == {})


def test_deletion_takes_everything_but_what_others_own(running):
    running.kubectl("delete", "streampipeline", "payments", "--wait=true")
    for kind in [*EVERYTHING, "configmaps", "jobs", "pods"]:
        running.until(f"end of the {kind}", lambda kind=kind: running.names(kind) == set())
    assert running.get("secret", "lake")


def test_a_check_that_takes_its_time_is_waited_for(operator, namespace, node):
    node.says(namespace.name, "check", HANG)
    namespace.apply(payments())
    namespace.until_ready("payments", "False", "Checking")
    assert namespace.names("deployments") == set()
    node.says(namespace.name, "check", "pass")
    namespace.until_ready("payments", "True", "Running")


def observed(namespace) -> int:
    return namespace.get("streampipeline", "payments")["status"]["observedGeneration"]


def reconciling(namespace) -> bool:
    return namespace.condition("payments", "Reconciling") != {}


def revision(namespace, shard: int) -> int:
    annotations = namespace.get("deployment", f"payments-stpl-ingest-{shard}")["metadata"]["annotations"]
    return int(annotations["sluice.dev/revision"])


def patch_spec(namespace, spec: str):
    namespace.kubectl("patch", "streampipeline", "payments", "--type=merge", f'--patch={{"spec": {spec}}}')
