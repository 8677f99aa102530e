"""The Applications name what is in this repository, and sync it so that nothing has to be ignored."""

import pytest
import yaml
from conftest import ROOT

APPS = sorted((ROOT / "manifests/argocd/apps").glob("*.yaml"))
ROOT_APP = ROOT / "manifests/argocd/app-of-apps.yaml"


def load(path):
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", [*APPS, ROOT_APP], ids=lambda path: path.stem)
def test_an_application_points_at_a_folder_that_is_here(path):
    application = load(path)
    assert (application["apiVersion"], application["kind"]) == ("argoproj.io/v1alpha1", "Application")
    spec = application["spec"]
    assert (ROOT / spec["source"]["path"]).is_dir()
    assert "ServerSideApply=true" in spec["syncPolicy"]["syncOptions"]
    assert "ignoreDifferences" not in spec


def test_the_root_brings_the_kinds_then_the_operator_then_the_example():
    assert ROOT / load(ROOT_APP)["spec"]["source"]["path"] == APPS[0].parent
    waves = {load(path)["metadata"]["name"]: load(path)["metadata"]["annotations"] for path in APPS}
    order = sorted(waves, key=lambda name: int(waves[name]["argocd.argoproj.io/sync-wave"]))
    assert order == ["sluice-crds", "sluice", "ecommerce"]


def test_nothing_that_holds_data_is_pruned():
    pruned = {load(path)["metadata"]["name"]: load(path)["spec"]["syncPolicy"]["automated"]["prune"] for path in APPS}
    assert pruned == {"sluice-crds": False, "sluice": True, "ecommerce": False}


def test_values_of_the_operator_are_those_of_its_chart():
    (operator,) = [load(path) for path in APPS if path.stem == "sluice"]
    known = load(ROOT / "helm/sluice/values.yaml")
    assert set(operator["spec"]["source"]["helm"]["valuesObject"]) <= set(known)
