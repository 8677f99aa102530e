"""The chart of the operator: what it renders for which values."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]

EVERYTHING = {
    "replicas": 2,
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True},
}


def rules_of(role):
    """(group, resource) -> verbs."""
    return {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def named(objects, name):
    (found,) = [document for document in objects if document["metadata"]["name"] == name]
    return found


def working_rules(rendered):
    """What the operator may do where it looks after resources: one set of rules for each role."""
    roles = rendered.of_kind("ClusterRole") + rendered.of_kind("Role")
    return [rules_of(role) for role in roles if ("sluice.dev", "streampipelines") in rules_of(role)]


def operators_policy(rendered):
    return named(rendered.of_kind("NetworkPolicy"), "sluice")["spec"]


def test_nothing_goes_outside_the_namespaces_that_are_meant(render):
    rendered = render(values={"scope": "Namespaced", "watchNamespaces": ["shop", "bank"]}, namespace="ops")
    namespaces = {document["metadata"].get("namespace") for document in rendered.objects}
    assert namespaces == {"ops", "shop", "bank", None}
    clusterwide = [document for document in rendered.objects if "namespace" not in document["metadata"]]
    assert {document["kind"] for document in clusterwide} == {"ClusterRole", "ClusterRoleBinding"}
    (role,) = rendered.of_kind("ClusterRole")
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]}
    ]


@pytest.mark.parametrize("values", [{}, {"scope": "Namespaced", "watchNamespaces": ["shop", "bank"]}])
def test_no_role_can_list_secrets_or_reach_beyond_its_task(render, values):
    found = working_rules(render(values=values))
    assert len(found) == (2 if values else 1)
    for rules in found:
        assert rules[("", "secrets")] == {"get"}
        assert rules[("events.k8s.io", "events")] == {"create", "patch"}
        assert rules[("sluice.dev", "streampipelines/status")] == {"patch"}
        assert rules[("sluice.dev", "streampipelines")] == {"list", "watch"}
        assert rules[("kafka.strimzi.io", "kafkas")] == {"get"}
        everything = [entry for (group, resource), verbs in rules.items() for entry in (group, resource, *verbs)]
        assert "*" not in everything
        assert not {"rolebindings", "roles", "clusterroles", "pods/exec", "nodes"} & set(everything)
        assert not {"impersonate", "escalate", "bind", "deletecollection"} & set(everything)


@pytest.mark.parametrize("values", [{}, {"scope": "Namespaced"}])
def test_every_binding_names_a_role_that_is_there_and_the_operators_account(render, values):
    rendered = render(values=values, release="one", namespace="ops")
    account = rendered.the("ServiceAccount")["metadata"]["name"]
    assert rendered.the("Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == account
    bindings = rendered.of_kind("RoleBinding") + rendered.of_kind("ClusterRoleBinding")
    assert len(bindings) == 3
    for binding in bindings:
        role = named(rendered.of_kind(binding["roleRef"]["kind"]), binding["roleRef"]["name"])
        assert role["metadata"].get("namespace") == binding["metadata"].get("namespace")
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": "ops"}]


def test_the_lease_is_the_one_that_the_role_names(render):
    rendered = render(release="one", namespace="ops")
    role = named(rendered.of_kind("Role"), "one-sluice-leader")
    by_name = [rule for rule in role["rules"] if "resourceNames" in rule]
    assert [rule["verbs"] for rule in by_name] == [["get", "patch"]]
    assert by_name[0]["resourceNames"] == [rendered.environment()["SLUICE_LEASE_NAME"]]
    assert rendered.environment()["SLUICE_LEADER_ELECTION"] == "true"


def test_the_operator_is_told_what_the_values_say(render):
    rendered = render(
        values={
            "scope": "Namespaced",
            "watchNamespaces": ["shop", "bank"],
            "worker": {"image": {"repository": "registry.local/worker", "digest": "sha256:" + "a" * 64}},
            "monitoringNamespaces": ["monitoring", "observability"],
            "maxConcurrentRestarts": 3,
            "leaseSeconds": 30,
            "log": {"format": "text", "filter": "debug"},
            "otlpEndpoint": "http://collector:4318/v1/traces",
        }
    )
    assert rendered.environment() == {
        "SLUICE_WATCH_NAMESPACES": "bank,shop",
        "SLUICE_WORKER_IMAGE": "registry.local/worker@sha256:" + "a" * 64,
        "SLUICE_OPERATOR_NAMESPACE": "sluice-system",
        "SLUICE_MONITORING_NAMESPACES": "monitoring,observability",
        "SLUICE_MAX_CONCURRENT_RESTARTS": "3",
        "SLUICE_LISTEN": "0.0.0.0:8080",
        "SLUICE_LEADER_ELECTION": "true",
        "SLUICE_LEASE_NAME": "sluice",
        "SLUICE_LEASE_SECONDS": "30",
        "SLUICE_LOG_FORMAT": "text",
        "SLUICE_LOG": "debug",
        "SLUICE_OTLP_ENDPOINT": "http://collector:4318/v1/traces",
    }
    assert "SLUICE_WATCH_NAMESPACES" not in render().environment()
    assert "SLUICE_LOG" not in render().environment()


def test_every_variable_is_one_that_the_operator_reads(render):
    settings = (ROOT / "operator/src/settings.rs").read_text()
    known = set(re.findall(r'env = "(SLUICE_[A-Z_]+)"', settings))
    assert len(known) > 8
    told = render(
        values={
            "scope": "Namespaced",
            "log": {"filter": "info"},
            "otlpEndpoint": "http://collector:4318/v1/traces",
        }
    ).environment()
    assert set(told) <= known, "the operator does not read these"
    assert known - set(told) <= {"SLUICE_LEASE_NAMESPACE"}, "no value sets these"


def test_the_pod_is_of_the_profile_restricted(render):
    rendered = render(values=EVERYTHING)
    pods = [rendered.the("Deployment")["spec"]["template"]["spec"], rendered.the("Pod")["spec"]]
    for pod in pods:
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True and context["runAsUser"] > 10_000
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert "hostNetwork" not in pod and "volumes" not in pod
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }
            assert container["resources"]["limits"]["memory"]


def test_only_the_operator_gets_a_token(render):
    rendered = render()
    assert rendered.the("ServiceAccount")["automountServiceAccountToken"] is False
    assert rendered.the("Deployment")["spec"]["template"]["spec"]["automountServiceAccountToken"] is True
    assert rendered.the("Pod")["spec"]["automountServiceAccountToken"] is False


def test_the_workers_network_policies_let_these_pods_in(render):
    labels = render().the("Deployment")["spec"]["template"]["metadata"]["labels"]
    name = labels["app.kubernetes.io/name"]
    sources = [(ROOT / "operator/src" / file).read_text() for file in ("network.rs", "labels.rs")]
    assert any(f'"{name}"' in source for source in sources)


def test_a_users_label_cannot_take_the_place_of_a_selectors(render):
    rendered = render(values={"podLabels": {"team": "data"}})
    template = rendered.the("Deployment")["spec"]["template"]["metadata"]["labels"]
    selector = rendered.the("Deployment")["spec"]["selector"]["matchLabels"]
    assert template["team"] == "data" and selector.items() <= template.items()


def test_one_replica_has_no_budget_that_would_block_a_drain(render):
    assert render().of_kind("PodDisruptionBudget") == []
    assert render(values={"replicas": 2}).the("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_every_selector_selects_the_operators_pods(render):
    rendered = render(values=EVERYTHING)
    labels = rendered.the("Deployment")["spec"]["template"]["metadata"]["labels"]
    for selector in (
        rendered.the("Service")["spec"]["selector"],
        rendered.the("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        operators_policy(rendered)["podSelector"]["matchLabels"],
        named(rendered.of_kind("PodMonitor"), "sluice")["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()


def test_who_scrapes_and_who_tests_gets_in_and_nobody_else(render):
    rendered = render(values={"monitoringNamespaces": ["observability"]})
    policy = operators_policy(rendered)
    assert policy["policyTypes"] == ["Ingress"]
    ((monitoring, test),) = [rule["from"] for rule in policy["ingress"]]
    assert monitoring["namespaceSelector"]["matchExpressions"][0]["values"] == ["observability"]
    assert test["podSelector"]["matchLabels"].items() <= rendered.the("Pod")["metadata"]["labels"].items()


def test_restricted_egress_still_reaches_the_workers(render):
    server = {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [{"port": 443}]}
    policy = operators_policy(render(values={"networkPolicy": {"egress": [server]}}))
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    workers, given = policy["egress"]
    assert workers["to"][0]["podSelector"]["matchLabels"] == {"app.kubernetes.io/managed-by": "sluice-operator"}
    assert given == server


def test_workers_are_scraped_where_they_may_be(render):
    workers = named(render(values=EVERYTHING).of_kind("PodMonitor"), "sluice-workers")["spec"]
    assert workers["namespaceSelector"] == {"any": True}
    labels = ["sluice.dev/pipeline", "sluice.dev/scorer", "sluice.dev/role", "sluice.dev/shard"]
    assert workers["podTargetLabels"] == labels
    rendered = render(values={**EVERYTHING, "scope": "Namespaced", "watchNamespaces": ["shop"]})
    workers = named(rendered.of_kind("PodMonitor"), "sluice-workers")["spec"]
    assert workers["namespaceSelector"] == {"matchNames": ["shop"]}


def test_alerts_read_metrics_that_operator_and_workers_have(render):
    known = set(re.findall(r"`(sluice_[a-z_]+)`", (ROOT / "docs/reference/metrics.md").read_text()))
    alerts = [rule for group in render(values=EVERYTHING).the("PrometheusRule")["spec"]["groups"] for rule in group["rules"]]
    assert len(alerts) >= 5
    for alert in alerts:
        labels = {"sluice_dev_pipeline", "sluice_dev_scorer", "sluice_dev_shard"}
        read = set(re.findall(r"\bsluice_[a-z_]+", alert["expr"])) - labels
        assert read and read <= known, f"{alert['alert']} reads {read - known}"
        assert alert["annotations"]["summary"] and alert["annotations"]["description"]
    (behind,) = [alert for alert in alerts if alert["alert"] == "SluicePipelineBehind"]
    assert behind["expr"].endswith("> 1000000"), "not in scientific notation"


def test_two_releases_in_two_namespaces_share_no_name(render):
    def identities(release, namespace):
        rendered = render(values=EVERYTHING, release=release, namespace=namespace)
        return {
            (document["kind"], document["metadata"].get("namespace"), document["metadata"]["name"])
            for document in rendered.objects
        }

    assert not identities("sluice", "one") & identities("sluice", "two")
    assert not identities("one", "ops") & identities("two", "ops")


def test_long_names_are_cut_to_what_kubernetes_takes(render):
    rendered = render(values=EVERYTHING, release="r" * 53, namespace="n" * 63)
    assert max(len(document["metadata"]["name"]) for document in rendered.objects) <= 78
    assert len(rendered.the("Service")["metadata"]["name"]) <= 63


@pytest.mark.parametrize(
    "values, field",
    [
        ({"replica": 2}, "replica"),
        ({"replicas": "2"}, "replicas"),
        ({"scope": "cluster"}, "scope"),
        ({"image": {"repo": "a"}}, "image"),
        ({"image": {"digest": "abc"}}, "digest"),
        ({"watchNamespaces": ["Shop"]}, "watchNamespaces"),
        ({"monitoringNamespaces": []}, "monitoringNamespaces"),
        ({"maxConcurrentRestarts": 0}, "maxConcurrentRestarts"),
        ({"log": {"format": "xml"}}, "log"),
        ({"otlpEndpoint": "collector:4318"}, "otlpEndpoint"),
        ({"resources": {"limit": {}}}, "resources"),
        ({"podMonitor": {"enabled": "yes"}}, "podMonitor"),
        ({"watchNamespaces": ["shop"]}, "watchNamespaces goes with scope Namespaced"),
        ({"serviceAccount": {"create": False}}, "serviceAccount.name"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_name(render, values, field):
    with pytest.raises(ValueError, match=field):
        render(values=values)


def leaves(values, path=()):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def test_the_schema_knows_every_value_and_no_other():
    values = yaml.safe_load((ROOT / "helm/sluice/values.yaml").read_text())
    schema = yaml.safe_load((ROOT / "helm/sluice/values.schema.json").read_text())

    def resolved(part):
        reference = part.get("$ref")
        if reference is None:
            return part
        part = schema
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]
        return part

    for path in leaves(values):
        part = schema
        for key in path:
            part = resolved(part)
            if "properties" not in part:
                break
            assert part["additionalProperties"] is False, path
            assert key in part["properties"], path
            part = part["properties"][key]
    assert set(schema["properties"]) - {"global"} == set(values)
