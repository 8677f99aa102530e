"""Writes the schemas that kubeconform judges by: Kubernetes' own, as a package has them, and those of our CRDs.

usage: schemas.py DIRECTORY KUBERNETES-VERSION
Strict: a field that is not in a schema is a fault.
"""

import json
import sys
from functools import cache
from importlib.resources import files
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def write_kubernetes_schemas(directory, version):
    """The package names its definitions by a path that only its own program resolves."""
    source = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}-local-strict"
    for schema in source.iterdir():
        text = schema.read_text().replace('"/api/_definitions.json#', '"_definitions.json#')
        document = json.loads(text)
        document.pop("$id", None)
        (directory / schema.name).write_text(json.dumps(document))


def strict(schema):
    """A copy in which an object has no fields but those that it names."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {keyword: strict(value) for keyword, value in schema.items()}
    is_open = schema.get("x-kubernetes-preserve-unknown-fields")
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict) and not is_open:
        schema.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        schema["type"] = ["integer", "string"]
    return schema


@cache
def custom_resources():
    """The definitions that crdgen wrote, by kind."""
    files = sorted((ROOT / "crds").glob("sluice.dev_*.yaml"))
    documents = [yaml.safe_load(path.read_text()) for path in files]
    return {document["spec"]["names"]["kind"]: document for document in documents}


@cache
def custom_schema(kind):
    """The schema of a whole resource, with the fields that the API server adds to every kind."""
    schema = strict(custom_resources()[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    for field in ("apiVersion", "kind"):
        schema["properties"][field] = {"type": "string"}
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def write_custom_schemas(directory):
    for kind, definition in custom_resources().items():
        spec = definition["spec"]
        group, version = spec["group"].split(".")[0], spec["versions"][0]["name"]
        (directory / f"{kind.lower()}-{group}-{version}.json").write_text(json.dumps(custom_schema(kind)))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    write_kubernetes_schemas(target, sys.argv[2])
    write_custom_schemas(target)
