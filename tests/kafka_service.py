"""A Kafka of `dev/services/kafka` besides the one that all tests share: to break, or to reach in another way."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


class KafkaService:
    """A Kafka whose state is in a folder of its own."""

    def __init__(self, services: pathlib.Path, **environment: str):
        self.environment = {**os.environ, "SLUICE_SERVICES": str(services), **environment}

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
