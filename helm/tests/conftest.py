"""Renders the charts."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


class Rendered:
    """The objects that a chart gives for some values."""

    def __init__(self, text):
        self.objects = [document for document in yaml.safe_load_all(text) if document]

    def of_kind(self, kind):
        return [document for document in self.objects if document["kind"] == kind]

    def the(self, kind):
        found = self.of_kind(kind)
        assert len(found) == 1, f"there are {len(found)} of kind {kind}"
        return found[0]

    def container(self):
        (container,) = self.the("Deployment")["spec"]["template"]["spec"]["containers"]
        return container

    def environment(self):
        return {variable["name"]: variable["value"] for variable in self.container()["env"]}


def run_helm(*arguments):
    helm = os.environ.get("SLUICE_HELM")
    if not helm:
        pytest.fail("SLUICE_HELM does not name Helm: run the tests by `dev/charts check`", pytrace=False)
    return subprocess.run([helm, *map(str, arguments)], capture_output=True, text=True, timeout=120)


@pytest.fixture
def render(tmp_path):
    """render(chart, values, release, namespace): the objects, or the error."""

    def run(chart="sluice", values=None, release="sluice", namespace="sluice-system"):
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(values or {}))
        done = run_helm("template", release, ROOT / "helm" / chart, "--namespace", namespace, "--values", file)
        if done.returncode != 0:
            raise ValueError(done.stderr)
        return Rendered(done.stdout)

    return run
