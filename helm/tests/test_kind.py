"""What `make kind` applies fits the example, the charts and itself. That it runs only Docker can show."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def documents(path):
    return [document for document in yaml.safe_load_all((ROOT / path).read_text()) if document]


def strimzi(kind):
    (found,) = [document for document in documents("manifests/kind/kafka.yaml") if document["kind"] == kind]
    assert found["apiVersion"] == "kafka.strimzi.io/v1"
    return found


def source_of_the_example():
    (pipeline,) = documents("manifests/examples/ecommerce/pipeline.yaml")
    return pipeline["spec"]["source"]["kafka"]


def test_the_example_finds_its_cluster_its_listener_its_user_and_its_topic():
    kafka, source = strimzi("Kafka"), source_of_the_example()
    reference = source["strimziRef"]
    assert kafka["metadata"]["name"] == reference["name"]
    listeners = {listener["name"]: listener for listener in kafka["spec"]["kafka"]["listeners"]}
    listener = listeners[reference["listener"]]
    assert listener["tls"] is True and listener["authentication"] == {"type": "tls"}
    user = strimzi("KafkaUser")
    assert user["metadata"]["name"] == reference["user"] and user["spec"]["authentication"] == {"type": "tls"}
    assert strimzi("KafkaTopic")["metadata"]["name"] == source["topic"]
    for kind in ("KafkaNodePool", "KafkaTopic", "KafkaUser"):
        assert strimzi(kind)["metadata"]["labels"]["strimzi.io/cluster"] == kafka["metadata"]["name"]


def test_the_generator_reaches_the_listener_that_is_for_it():
    (generator,) = documents("manifests/kind/generator.yaml")
    template = generator["spec"]["template"]
    (container,) = template["spec"]["containers"]
    kafka = strimzi("Kafka")
    plain = next(listener for listener in kafka["spec"]["kafka"]["listeners"] if not listener["tls"])
    address = container["args"][container["args"].index("--bootstrap-servers") + 1]
    assert address == f"{kafka['metadata']['name']}-kafka-bootstrap:{plain['port']}"
    ((peer,),) = [plain["networkPolicyPeers"]]
    assert peer["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_everything_is_of_one_version():
    charts = [yaml.safe_load((ROOT / f"helm/{name}/Chart.yaml").read_text()) for name in ("sluice", "sluice-crds")]
    (version,) = re.findall(r'^version = "([0-9.]+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    assert {chart[key] for chart in charts for key in ("version", "appVersion")} == {version}
    (generator,) = documents("manifests/kind/generator.yaml")
    (container,) = generator["spec"]["template"]["spec"]["containers"]
    values = yaml.safe_load((ROOT / "helm/sluice/values.yaml").read_text())
    assert container["image"] == f"{values['worker']['image']['repository']}:{version}"


def test_the_node_runs_the_minor_version_that_the_types_are_of():
    (feature,) = re.findall(r'k8s-openapi = .*"v1_(\d+)"', (ROOT / "Cargo.toml").read_text())
    (cluster,) = documents("kind-config.yaml")
    assert cluster["nodes"][0]["image"].startswith(f"kindest/node:v1.{feature}.")
