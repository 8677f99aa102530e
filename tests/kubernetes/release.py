"""The charts, installed as a user would: with Helm, into a namespace that enforces `restricted`."""

import os
import subprocess

from cluster import Cluster, Refused
from helm import helm_program

NAMESPACE = "sluice-system"


class Release:
    """Sluice in a cluster."""

    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self.program = helm_program()

    def helm(self, *arguments) -> str:
        """What helm printed."""
        result = subprocess.run(
            [self.program, *map(str, arguments), f"--namespace={NAMESPACE}"],
            env={**os.environ, "KUBECONFIG": self.cluster.ask("kubeconfig")},
            capture_output=True,
            text=True,
        )
        if result.returncode != 0:
            raise Refused(f"{result.stderr.strip()}\n{self.describe()}")
        return result.stdout

    def install(self):
        """The kinds, then the operator; waits until it is ready."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
        self.cluster.kubectl("apply", "--filename=-", document=namespace)
        charts = self.cluster.root / "helm"
        wait = ("--wait", "--timeout=3m")
        self.helm("upgrade", "--install", "sluice-crds", charts / "sluice-crds", *wait)
        self.helm("upgrade", "--install", "sluice", charts / "sluice", *wait)

    def uninstall(self):
        self.helm("uninstall", "sluice", "--wait")

    def describe(self) -> str:
        """What a person would look at: pods, events, and what the operator wrote."""
        arguments = (
            ("get", "pods,events", "--output=wide"),
            ("logs", "--selector=app.kubernetes.io/name=sluice-operator", "--tail=40"),
        )
        return "\n".join(self._look(*one) for one in arguments)

    def _look(self, *arguments) -> str:
        try:
            return self.cluster.kubectl(f"--namespace={NAMESPACE}", *arguments)
        except Refused as refused:
            return str(refused)
