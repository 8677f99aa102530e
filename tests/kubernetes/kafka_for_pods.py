"""A Kafka of this machine at an address that pods reach, with a listener for each kind of security."""

import os
import pathlib

from cluster import ROOT, Cluster
from kafka_service import KafkaService


class KafkaForPods(KafkaService):
    """The Kafka of dev/services/kafka, beside the one that other tests use."""

    def __init__(self, cluster: Cluster):
        services = pathlib.Path(os.environ.get("SLUICE_SERVICES") or ROOT / ".services") / "for-pods"
        super().__init__(services, SLUICE_KAFKA_HOST=cluster.machine_address())
