"""The cluster itself: what the other tests on Kubernetes take for granted."""

import pytest

from cluster import Refused, restricted_pod


def test_a_restricted_pod_reaches_a_service_by_its_name(namespace, busybox):
    server = restricted_pod("server", busybox, "httpd", "-f", "-p", "8080", "-h", "/etc", labels={"app": "server"})
    namespace.create_object(server)
    namespace.create_object(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "hello"},
            "spec": {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": 8080}]},
        }
    )
    namespace.until("pod that runs", lambda: namespace.phase("server") == "Running")
    url = f"http://hello.{namespace.name}.svc.cluster.local/hostname"
    client = restricted_pod("client", busybox, "sh", "-c", f"until wget -q -O - {url}; do sleep 1; done")
    assert namespace.logs_of(client).endswith("server\n")


def test_a_name_outside_the_cluster_does_not_exist(namespace, busybox):
    assert "NXDOMAIN" in namespace.logs_of(restricted_pod("client", busybox, "nslookup", "example.org."))


def test_a_privileged_pod_is_refused_where_restricted_is_enforced(namespace, busybox):
    pod = restricted_pod("mighty", busybox, "true")
    pod["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    with pytest.raises(Refused, match='violates PodSecurity "restricted:latest".*privileged'):
        namespace.create_object(pod)


def test_a_pod_that_is_nobody_writes_to_its_claim(namespace, busybox):
    namespace.create_object(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "lake"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}},
        }
    )
    pod = restricted_pod("writer", busybox, "sh", "-c", "id -u >/lake/who")
    pod["spec"]["volumes"] = [{"name": "lake", "persistentVolumeClaim": {"claimName": "lake"}}]
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "lake", "mountPath": "/lake"}]
    namespace.create_object(pod)
    namespace.until("pod that has ended", lambda: namespace.phase("writer") == "Succeeded")
    assert (namespace.claimed_folder("lake") / "who").read_text() == "65532\n"


def test_what_rbac_denies_is_in_the_audit_log(namespace):
    account = f"system:serviceaccount:{namespace.name}:default"
    with pytest.raises(Refused, match="Forbidden"):
        namespace.kubectl("get", "secrets", f"--as={account}")
    denied = [
        request["responseStatus"]["code"]
        for request in namespace.cluster.audit_log()
        if request.get("impersonatedUser", {}).get("username") == account
    ]
    assert denied == [403]
