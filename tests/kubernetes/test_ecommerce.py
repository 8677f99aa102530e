"""The headline: Helm installs the operator, the example is applied, and a real Kafka's rows are in the lake."""

import json
import re
import uuid

import pytest

import gold_tables
import lakes
from cluster import Refused
from kafka_topics import Topic
from oracle import decode_json
from processes import Program

MESSAGES = 20_000
# Every kind of object that a pipeline owns.
CHILDREN = ("deployment", "configmap", "service", "serviceaccount", "poddisruptionbudget", "networkpolicy")
OWNED = "--selector=sluice.dev/pipeline=ecommerce"


@pytest.fixture
def generate(worker_program, seed, tmp_path):
    """Starts traffic into a topic, with everything that is rare in it."""

    def start(topic: Topic, *flags) -> Program:
        arguments = ("--bootstrap-servers", topic.servers, "--topic", topic.name, "--partitions", topic.partitions)
        shares = ("--duplicates", "0.02", "--late", "0.02", "--malformed", "0.01", "--odd", "0.01")
        return Program(
            [worker_program, "generate", *arguments, "--seed", seed, *shares, *flags], tmp_path / "generate.log"
        )

    return start


@pytest.fixture
def topic(kafka_for_pods, generate):
    """A topic of generated traffic."""
    topic = Topic(kafka_for_pods.address(), f"test-{uuid.uuid4().hex[:12]}", partitions=8)
    flags = ("--start-time", "2026-01-02T23:30:00Z", "--event-rate", "50", "--rate", "0")
    generate(topic, "--messages", MESSAGES, *flags).succeed()
    yield topic
    topic.delete()


@pytest.fixture
def pipeline(release, namespace, topic, tmp_path):
    """The example, applied as it is but for its Kafka."""
    address = {"bootstrapServers": topic.servers, "topic": topic.name, "keyColumn": "user_id", "startFrom": "Earliest"}
    overlay = {
        "resources": ["lake.yaml", "pipeline.yaml"],
        "namespace": namespace.name,
        "patches": [
            {
                "target": {"kind": "StreamPipeline"},
                "patch": json.dumps([{"op": "replace", "path": "/spec/source/kafka", "value": address}]),
            }
        ],
    }
    for name in overlay["resources"]:
        example = namespace.cluster.root / "manifests/examples/ecommerce" / name
        (tmp_path / name).write_text(example.read_text())
    (tmp_path / "kustomization.yaml").write_text(json.dumps(overlay))
    namespace.cluster.kubectl("apply", "--server-side", f"--kustomize={tmp_path}")
    yield "ecommerce"
    namespace.kubectl("delete", "streampipeline", "ecommerce", "--ignore-not-found", "--wait=true", "--timeout=120s")


def status(namespace) -> dict:
    return namespace.get("streampipeline", "ecommerce").get("status", {})


def await_ready(namespace):
    namespace.kubectl("wait", "streampipeline/ecommerce", "--for=condition=Ready", "--timeout=180s")


def children(namespace) -> dict[tuple[str, str], str]:
    """The uid of each object that the pipeline owns, by kind and name."""
    objects = namespace.get(",".join(CHILDREN), OWNED)["items"]
    return {(one["kind"], one["metadata"]["name"]): one["metadata"]["uid"] for one in objects}


def printed(namespace) -> dict[str, str]:
    """What `kubectl get stpl` shows, by column. A value may hold single blanks, so the header says where it starts."""
    header, row = namespace.kubectl("get", "stpl").splitlines()
    starts = [column.start() for column in re.finditer(r"\S+", header)]
    ends = [*starts[1:], None]
    return {header[start:end].strip(): row[start:end].strip() for start, end in zip(starts, ends)}


def test_the_example_fills_the_lake_with_the_oracles_rows(namespace, pipeline, topic):
    await_ready(namespace)
    folder = namespace.claimed_folder("lake") / "ecommerce"
    expected, _ = gold_tables.expected_of(topic.read_all(), decode_json)
    namespace.until("end of the lag", lambda: status(namespace).get("lag") == 0)
    lakes.assert_lake(folder, expected, readers=lakes.READERS)

    shown = printed(namespace)
    assert (shown["NAME"], shown["READY"], shown["REPLICAS"], shown["LAG"]) == ("ecommerce", "True", "2/2", "0")
    assert shown["FRESHNESS"]
    namespace.until("tables of all layers", lambda: printed(namespace)["LAYERS"] == "b✓ s✓ g✓")


def test_another_number_of_shards_under_load_loses_and_doubles_nothing(namespace, pipeline, topic, generate):
    await_ready(namespace)
    producer = generate(topic, "--messages", 10**9, "--start-time", "2026-01-03T01:00:00Z", "--rate", "1000")
    for shards in (3, 1):
        change = json.dumps([{"op": "replace", "path": "/spec/shards", "value": shards}])
        namespace.kubectl("patch", "streampipeline", pipeline, "--type=json", f"--patch={change}")
        namespace.until(
            f"{shards} replicas at work",
            lambda: (shown := printed(namespace))["READY"] == "True" and shown["REPLICAS"] == f"{shards}/{shards}",
        )
    assert producer.stop() == 0, producer.output()[-4000:]
    expected, _ = gold_tables.expected_of(topic.read_all(), decode_json)
    folder = namespace.claimed_folder("lake") / "ecommerce"
    silver = len(expected.silver)
    namespace.until(
        "silver row of every transaction", lambda: lakes.read_with_delta_rs(folder / "silver").num_rows == silver
    )
    lakes.assert_lake(folder, expected)

    def generations():
        return sorted(path.name for path in (folder / "_sluice/ingest").iterdir() if path.name.isdigit())

    # The last rows may be the work of the shards before.
    namespace.until("a generation for each cut", lambda: generations() == ["0", "1", "2"])


def test_a_replay_of_the_spec_mends_the_rows_of_an_expression_that_was_wrong(namespace, pipeline, topic):
    await_ready(namespace)
    namespace.until("end of the lag", lambda: status(namespace).get("lag") == 0)

    def patch(*operations: dict):
        namespace.kubectl("patch", "streampipeline", pipeline, "--type=json", f"--patch={json.dumps(operations)}")

    too_strict = {"reason": "TooSmall", "expr": "amount >= 50 OR amount <= 0"}
    folder = namespace.claimed_folder("lake") / "ecommerce"
    replay = {"name": "strict", "tables": ["silver", "gold"]}
    patch(
        {"op": "add", "path": "/spec/silver/require/-", "value": too_strict},
        {"op": "add", "path": "/spec/replay", "value": replay},
    )
    namespace.kubectl("wait", "streampipeline/ecommerce", "--for=condition=Replayed", "--timeout=180s")
    reasons = lakes.read_with_delta_rs(folder / "quarantine").column("reason").to_pylist()
    assert reasons.count("TooSmall") > 100, "rows that were there are judged again, by the configuration of the replay"

    silver = namespace.get("streampipeline", pipeline)["spec"]["silver"]["require"]
    silver.remove(too_strict)
    patch(
        {"op": "replace", "path": "/spec/silver/require", "value": silver},
        {"op": "replace", "path": "/spec/replay", "value": replay | {"name": "as-before", "workers": 2}},
    )
    namespace.until("second replay", lambda: status(namespace).get("replay", {}).get("name") == "as-before")
    namespace.kubectl("wait", "streampipeline/ecommerce", "--for=condition=Replayed", "--timeout=180s")
    assert status(namespace)["replay"]["phase"] == "Succeeded"
    expected, _ = gold_tables.expected_of(topic.read_all(), decode_json)
    lakes.assert_rows(lakes.read_with_delta_rs(folder / "silver"), expected.silver, lakes.SILVER, "silver")


def test_what_is_deleted_by_hand_is_back_within_30_seconds(namespace, pipeline):
    await_ready(namespace)
    before = children(namespace)
    assert {kind.lower() for kind, _ in before} == set(CHILDREN)
    for kind in CHILDREN:
        namespace.kubectl("delete", kind, OWNED, "--wait=false")
        try:
            back = lambda: children(namespace).keys() == before.keys()  # noqa: E731
            namespace.until(f"{kind} that is back", back, patience=30)
        except Refused as refused:
            pytest.fail(str(refused))
    assert not set(children(namespace).values()) & set(before.values()), "something was not deleted at all"
    await_ready(namespace)


def test_what_is_edited_by_hand_is_mended_within_30_seconds(namespace, pipeline):
    await_ready(namespace)

    def port():
        return namespace.get("service", OWNED)["items"][0]["spec"]["ports"][0]["port"]

    service = namespace.get("service", OWNED)["items"][0]["metadata"]["name"]
    wanted = port()
    change = json.dumps([{"op": "replace", "path": "/spec/ports/0/port", "value": wanted + 1}])
    namespace.kubectl("patch", "service", service, "--type=json", f"--patch={change}")
    namespace.until("port that is mended", lambda: port() == wanted, patience=30)


def test_a_pipeline_that_is_removed_leaves_its_data_and_nothing_else(namespace, pipeline, topic):
    await_ready(namespace)
    namespace.until("end of the lag", lambda: status(namespace).get("lag") == 0)
    folder = namespace.claimed_folder("lake") / "ecommerce"
    rows = lakes.read_with_delta_rs(folder / "bronze").num_rows
    namespace.kubectl("delete", "streampipeline", pipeline, "--wait=true", "--timeout=120s")
    namespace.until("end of its objects", lambda: not children(namespace))
    namespace.until("end of its pods", lambda: not namespace.get("pods")["items"])
    assert namespace.get("persistentvolumeclaim", "lake")["status"]["phase"] == "Bound"
    assert lakes.read_with_delta_rs(folder / "bronze").num_rows == rows > 0
