"""A Kafka of this machine at an address that pods reach, with a listener for each kind of security."""

import os
import pathlib
import subprocess

from cluster import ROOT, Cluster


class KafkaForPods:
    """The Kafka of dev/services/kafka, beside the one that other tests use."""

    def __init__(self, cluster: Cluster):
        services = pathlib.Path(os.environ.get("SLUICE_SERVICES") or ROOT / ".services") / "for-pods"
        host = cluster.machine_address()
        self.environment = {**os.environ, "SLUICE_SERVICES": str(services), "SLUICE_KAFKA_HOST": host}

    def run(self, *arguments: str) -> str:
        result = subprocess.run(
            [ROOT / "dev/services/kafka", *arguments],
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return result.stdout.strip()

    def address(self, listener: str = "plain") -> str:
        """Of a listener: `plain`, `mtls` or `sasl`."""
        return self.run("address", listener)

    def user(self) -> pathlib.Path:
        """What the user of the listeners has: ca.crt, user.crt, user.key, password."""
        return pathlib.Path(self.run("user"))
