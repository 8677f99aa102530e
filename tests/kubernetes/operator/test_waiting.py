"""Tools that wait for a pipeline: Helm 4 by kstatus, kubectl by conditions. They return when it works, or cannot."""

import json
import os
import subprocess
import time

import pytest

from control_plane import Refused
from helm import helm_program
from pipelines_of_tests import payments, requiring


@pytest.fixture
def install(namespace, tmp_path):
    """Installs a chart that holds one pipeline, and waits for it as Helm does."""

    def install(document: dict) -> subprocess.CompletedProcess:
        (tmp_path / "templates").mkdir(exist_ok=True)
        (tmp_path / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": "payments", "version": "1.0.0"}))
        (tmp_path / "templates/pipeline.yaml").write_text(json.dumps(document))
        return subprocess.run(
            [
                helm_program(),
                "upgrade",
                "--install",
                "payments",
                tmp_path,
                "--wait",
                "--timeout=2m",
                f"--namespace={namespace.name}",
            ],
            env={**os.environ, "KUBECONFIG": namespace.plane.kubeconfig},
            capture_output=True,
            text=True,
        )

    return install


def test_helm_returns_when_the_pipeline_works(operator, namespace, install):
    installed = install(payments())
    assert installed.returncode == 0, installed.stderr
    assert namespace.condition("payments", "Ready")["status"] == "True"
    upgraded = install(payments(silver=requiring("amount > 1")))
    assert upgraded.returncode == 0, upgraded.stderr
    status = namespace.get("streampipeline", "payments")["status"]
    assert status["observedGeneration"] == 2
    assert namespace.condition("payments", "Reconciling") == {}


def test_helm_fails_at_once_where_only_another_spec_helps(operator, namespace, install):
    started = time.monotonic()
    refused = install(payments(commit={"every": "2h"}))
    assert refused.returncode != 0
    assert "payments" in refused.stderr and "Failed" in refused.stderr, refused.stderr
    assert time.monotonic() - started < 60, "it did not wait until the time ran out"


def test_kubectl_waits_for_conditions_and_for_the_end(operator, namespace):
    namespace.apply(payments())
    namespace.kubectl("wait", "streampipeline/payments", "--for=condition=Ready", "--timeout=120s")
    with pytest.raises(Refused, match="timed out"):
        namespace.kubectl("wait", "streampipeline/payments", "--for=condition=Stalled", "--timeout=2s")
    namespace.kubectl("delete", "streampipeline", "payments", "--wait=false")
    namespace.kubectl("wait", "streampipeline/payments", "--for=delete", "--timeout=60s")
