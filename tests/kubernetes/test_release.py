"""The release itself: what Helm installs goes when Helm removes it."""

from release import NAMESPACE
from waiting import until

KINDS = (
    "deployments,replicasets,pods,services,endpointslices,configmaps,secrets,serviceaccounts,roles,rolebindings,"
    "leases,networkpolicies,poddisruptionbudgets"
)
# What every namespace has.
ALWAYS_THERE = {"ConfigMap/kube-root-ca.crt", "ServiceAccount/default"}


def left_behind(cluster) -> set[str]:
    """What is in the operator's namespace, but for Helm's own book of the release of the definitions."""
    objects = cluster.get(f"--namespace={NAMESPACE}", KINDS)["items"]
    found = {f"{one['kind']}/{one['metadata']['name']}" for one in objects}
    return {one for one in found - ALWAYS_THERE if not one.startswith("Secret/sh.helm.release.v1.sluice-crds.")}


def ours(cluster, kinds: str) -> list[str]:
    return [one["metadata"]["name"] for one in cluster.get(kinds)["items"] if "sluice" in one["metadata"]["name"]]


def test_an_operator_that_is_removed_leaves_the_definitions_and_nothing_else(cluster, release):
    assert "Lease/sluice" in left_behind(cluster), "it led"
    release.uninstall()
    try:
        # Pods, and what follows from Services, go a little later.
        until("empty namespace", lambda: not left_behind(cluster), lambda: left_behind(cluster), patience=60)
        assert ours(cluster, "clusterroles,clusterrolebindings") == ["sluice-edit", "sluice-view"], "of the definitions"
        assert len(ours(cluster, "customresourcedefinitions")) == 3
    finally:
        release.install()
