"""The chart of the kinds: it installs the very definitions that crdgen wrote."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def sources():
    documents = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("sluice.dev_*.yaml"))]
    return {document["metadata"]["name"]: document for document in documents}


def test_every_definition_is_installed_as_it_was_written(render):
    definitions = {
        document["metadata"]["name"]: document
        for document in render("sluice-crds").of_kind("CustomResourceDefinition")
    }
    assert set(definitions) == set(sources()) and len(definitions) == 3
    for name, source in sources().items():
        assert definitions[name]["spec"] == source["spec"], name


def test_the_files_are_links_so_that_there_is_one_source():
    files = sorted((ROOT / "helm/sluice-crds/files").iterdir())
    assert [path.name for path in files] == sorted(path.name for path in (ROOT / "crds").glob("sluice.dev_*.yaml"))
    assert all(path.is_symlink() and path.resolve().parent == ROOT / "crds" for path in files)


@pytest.mark.parametrize("keep", [True, False])
def test_an_uninstall_keeps_the_kinds_unless_asked(render, keep):
    for definition in render("sluice-crds", {"keep": keep}).of_kind("CustomResourceDefinition"):
        policy = definition["metadata"].get("annotations", {}).get("helm.sh/resource-policy")
        assert policy == ("keep" if keep else None)


def test_annotations_are_added_to_those_of_the_chart(render):
    for definition in render("sluice-crds", {"annotations": {"a": "b"}}).of_kind("CustomResourceDefinition"):
        assert definition["metadata"]["annotations"] == {"a": "b", "helm.sh/resource-policy": "keep"}


def test_users_roles_know_every_kind(render):
    rendered = render("sluice-crds")
    plurals = {source["spec"]["names"]["plural"] for source in sources().values()}
    roles = {role["metadata"]["name"]: role for role in rendered.of_kind("ClusterRole")}
    assert set(roles) == {"sluice-view", "sluice-edit"}
    for role in roles.values():
        assert set(role["rules"][0]["resources"]) == plurals
        assert not any("status" in resource for rule in role["rules"] for resource in rule["resources"])
    assert render("sluice-crds", {"aggregateRoles": False}).of_kind("ClusterRole") == []


def test_unknown_values_are_refused(render):
    with pytest.raises(ValueError, match="kep"):
        render("sluice-crds", {"kep": True})
