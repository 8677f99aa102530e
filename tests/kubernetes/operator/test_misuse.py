"""Every field of the spec, misused: refused by the API server, or told in a condition, with the field named.

What only the worker's check can know (an expression, a broker, a registry) is misused on a node, with the real check.
"""

import copy
import re

import pytest
import yaml

from control_plane import Namespace, Refused, conditions_of
from operator_program import ROOT, Operator
from pipelines_of_tests import LAKE_SECRET, PAYMENTS

PATH = "/apis/sluice.dev/v1alpha1/namespaces/{namespace}/streampipelines"
NEVER, FOREVER = ["0s"], ["9999d"]
NO_DURATION = ["soon", "5", "-1s"]
NO_NAME = ["Upper", "with blank", "-dash"]
NO_COLUMN = ["two words", "1st", "sel;ect"]
NO_KEY = ["a/b", "a b"]
NO_CRON = ["every day at", "99 * * * *", "* * * * * * *"]
# Values that have the right type and make no sense. Fields that take any text are not here.
NONSENSE = {
    "autoscaling.drainWithin": NO_DURATION,
    "autoscaling.max": [0, 129],
    "autoscaling.min": [0, 129],
    "commit.every": [*NO_DURATION, "50ms", "2h"],
    "commit.maxBytes": ["much", "1Ki", "3Gi"],
    "gold[0].emit.allowedLateness": NO_DURATION,
    "gold[0].emit.correctFor": NO_DURATION,
    "gold[0].emit.every": [*NO_DURATION, "100ms"],
    "gold[0].groupBy[0]": ["nowhere"],
    "gold[0].measures[0].name": NO_COLUMN,
    "gold[0].name": [*NO_NAME, "x" * 41],
    "gold[0].window.size": [*NO_DURATION, *NEVER],
    "gold[0].window.slide": [*NO_DURATION, "7m", "20m"],
    "maintenance.retention": [*NO_DURATION, "12h"],
    "maintenance.schedule": NO_CRON,
    "podTemplate.affinity": [{"nodeAffinitty": {}}],
    "podTemplate.annotations.*": [{"a b": "x"}],
    "podTemplate.imagePullSecrets[0].name": NO_NAME,
    "podTemplate.labels.*": [{"a b": "x"}, {"team": "two words"}],
    "podTemplate.nodeSelector.*": [{"a b": "x"}, {"disk": "two words"}],
    "podTemplate.priorityClassName": NO_NAME,
    "podTemplate.resources.limits.*": [{"memory": "much"}, {"memory": "-1Gi"}],
    "podTemplate.resources.requests.*": [{"cpu": "some"}],
    "podTemplate.serviceAccountAnnotations.*": [{"a b": "x"}],
    "podTemplate.serviceAccountName": NO_NAME,
    "podTemplate.tolerations[0].effect": ["Never"],
    "podTemplate.tolerations[0].key": ["a b"],
    "podTemplate.tolerations[0].operator": ["Like"],
    "podTemplate.tolerations[0].value": ["two words"],
    "replay.from": ["yesterday", "2026-02-30T20:00:00Z", "0:1,0:2", "4294967296:1"],
    "replay.name": [*NO_NAME, "dot.ted"],
    "replay.tables[0]": ["bronze", "gold", "gold/nowhere"],
    "replay.until": ["0", "2026-01-05T20:00:00"],
    "replay.workers": [0, 65],
    "shards": [0, 129],
    "silver.columns[0].name": NO_COLUMN,
    "silver.deduplicate.by[0]": ["nowhere"],
    "silver.deduplicate.within": [*NO_DURATION, *NEVER],
    "silver.partitionBy[0]": ["nowhere"],
    "silver.require[0].reason": ["two words", "1st"],
    "source.eventTime.column": ["nowhere", "amount"],
    "source.eventTime.idleAfter": [*NO_DURATION, *NEVER],
    "source.eventTime.maxOutOfOrderness": [*NO_DURATION, *FOREVER],
    "source.eventTime.refuseFutureBeyond": [*NO_DURATION, *FOREVER],
    "source.eventTime.stalledAfter": [*NO_DURATION, *NEVER],
    "source.eventTime.timeZone": ["Mars/Olympus"],
    "source.format": ["Xml"],
    "source.kafka.bootstrapServers": ["kafka", "a:9092,b:99999", "a b:1"],
    "source.kafka.keyColumn": ["nowhere", "amount"],
    "source.kafka.security.mtls.certificateKey": NO_KEY,
    "source.kafka.security.mtls.privateKeyKey": NO_KEY,
    "source.kafka.security.mtls.secretRef.name": [*NO_NAME, "absent"],
    "source.kafka.security.sasl.mechanism": ["Kerberos"],
    "source.kafka.security.sasl.passwordKey": NO_KEY,
    "source.kafka.security.sasl.secretRef.name": [*NO_NAME, "absent"],
    "source.kafka.security.sasl.usernameKey": NO_KEY,
    "source.kafka.security.tls.caSecretRef.key": NO_KEY,
    "source.kafka.security.tls.caSecretRef.name": [*NO_NAME, "absent"],
    "source.kafka.startFrom": ["Middle"],
    "source.kafka.strimziRef.listener": ["Upper", "with blank"],
    "source.kafka.strimziRef.name": [*NO_NAME, "absent"],
    "source.kafka.strimziRef.user": NO_NAME,
    "source.kafka.topic": ["two words", ".."],
    "source.schema": ["{", '"string"', '{"type": "record", "name": "R", "fields": []}'],
    "source.schemaRegistry.secretRef.name": [*NO_NAME, "absent"],
    "source.schemaRegistry.url": ["registry", "ftp://registry"],
    "storage.secretRef.name": [*NO_NAME, "absent"],
    "storage.uri": ["lake", "ftp://lake/a"],
    "storage.volume.claimName": NO_NAME,
    "storage.volume.mountPath": ["lake", "/"],
    "warehouse.postgres.secretRef.name": NO_NAME,
    "warehouse.schedule": NO_CRON,
    "warehouse.tables[0]": ["gold/../x", "two words"],
    "warehouse.timeZone": ["Mars/Olympus"],
}
# Any text may be right; the worker's check, a registry or an image pull decides.
ANY_TEXT = {
    "gold[0].measures[0].expr",
    "silver.columns[0].expr",
    "silver.require[0].expr",
    "source.schemaRegistry.subject",
    "storage.adopt",
    "warehouse.dbt.image",
    "warehouse.dbt.target",
}
# What a field needs beside it, to be misused alone.
COMPANIONS = {
    "gold": [
        {
            "name": "totals",
            "window": {"size": "10m"},
            "groupBy": ["id"],
            "measures": [{"name": "n", "expr": "count(*)"}],
        }
    ],
    "warehouse": {
        "schedule": "0 * * * *",
        "timeZone": "UTC",
        "tables": ["silver"],
        "postgres": {"secretRef": {"name": "lake"}},
    },
    "autoscaling": {"min": 1, "max": 4},
    "replay": {"name": "again", "tables": ["silver"]},
    "podTemplate.tolerations": [{"key": "a", "operator": "Equal", "value": "b"}],
    "podTemplate.imagePullSecrets": [{"name": "registry"}],
    "silver.deduplicate": {"by": ["id"], "within": "10m"},
    "silver.partitionBy": ["id"],
    "source.kafka.security.mtls": {"secretRef": {"name": "lake"}},
    "source.kafka.security.sasl": {"mechanism": "Plain", "secretRef": {"name": "lake"}},
    "source.kafka.security.tls": {"caSecretRef": {"name": "lake"}},
    "source.kafka.strimziRef": {"name": "demo", "listener": "tls"},
    "source.schemaRegistry": {"url": "http://registry:8081"},
    "storage.volume": {"claimName": "lake"},
}


def leaves(schema: dict, path: str = "") -> dict[str, dict]:
    """Every field that holds a value, with its schema: `gold[0].name`, `podTemplate.labels.*`."""
    if "properties" in schema:
        return {
            leaf: found
            for name, inner in schema["properties"].items()
            for leaf, found in leaves(inner, f"{path}.{name}" if path else name).items()
        }
    if schema.get("type") == "array":
        return leaves(schema["items"], f"{path}[0]")
    if isinstance(schema.get("additionalProperties"), dict):
        return leaves(schema["additionalProperties"], f"{path}.*")
    return {path: schema}


CRD = yaml.safe_load((ROOT / "crds/sluice.dev_streampipelines.yaml").read_text())
FIELDS = leaves(CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"])
CASES = [(field, value) for field, values in NONSENSE.items() for value in values]


def with_field(field: str, value) -> dict:
    """The pipeline with one field set, and what that field needs."""
    document = copy.deepcopy(PAYMENTS)
    spec = document["spec"]
    for companion, needed in COMPANIONS.items():
        if re.match(rf"{re.escape(companion)}(\b|$)", field):
            put(spec, companion, copy.deepcopy(needed))
    if field.startswith("source.kafka.security.mtls"):
        spec["source"]["kafka"]["security"]["tls"] = {}
    if field.startswith("autoscaling"):
        del spec["shards"]
    if field.startswith("source.kafka.strimziRef"):
        del spec["source"]["kafka"]["bootstrapServers"]
    if field.startswith("source.schemaRegistry"):
        del spec["source"]["schema"]
        spec["source"]["format"] = "Avro"
    if field.startswith("storage.volume"):
        spec["storage"] = {"uri": "file:///lake/payments", "volume": spec["storage"]["volume"]}
    put(spec, field.removesuffix(".*"), value)
    return document


def put(spec: dict, field: str, value):
    *parents, last = re.findall(r"[A-Za-z]+|\d+", field)
    for part in parents:
        spec = spec[int(part)] if part.isdigit() else spec.setdefault(part, {})
    spec[int(last) if last.isdigit() else last] = value


def of_another_type(schema: dict):
    return "text" if schema.get("type") in ("integer", "boolean") else 7


@pytest.fixture(scope="module")
def running(plane, node, tmp_path_factory):
    """A pipeline that works, and is misused again and again."""
    namespace = Namespace(plane, {"pod-security.kubernetes.io/enforce": "restricted"})
    namespace.apply(LAKE_SECRET)
    operator = Operator(plane, tmp_path_factory.mktemp("misuse"))
    operator.start(f"--watch-namespaces={namespace.name}").until_ready()
    namespace.apply(PAYMENTS)
    namespace.until_ready("payments", "True", "Running")
    yield namespace
    operator.kill()
    namespace.delete()


def refusal(namespace: Namespace, document: dict) -> str | None:
    """What the API server says against a document, if it does."""
    path = PATH.format(namespace=namespace.name)
    document = {**document, "metadata": {"name": "misused"}}
    try:
        namespace.plane.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", document)
    except Refused as refused:
        return str(refused)
    return None


def test_no_field_is_forgotten():
    assert set(FIELDS) == set(NONSENSE) | ANY_TEXT | {
        "bronze.keepValue",
        "suspend",
        "podTemplate.tolerations[0].tolerationSeconds",
    }


def test_a_value_of_another_type_is_refused_with_the_field(running):
    for field, schema in FIELDS.items():
        if schema.get("x-kubernetes-int-or-string"):
            continue
        field_of_map = field.replace(".*", ".a")
        said = refusal(running, with_field(field_of_map, of_another_type(schema)))
        assert said and f"spec.{field_of_map}" in said, f"{field}: {said}"


def test_a_field_that_does_not_exist_is_refused_by_its_name(running):
    said = refusal(running, with_field("source.kafka.bootstrapServer", "kafka:9092"))
    assert said and "bootstrapServer" in said


@pytest.mark.parametrize(("field", "value"), CASES, ids=[f"{field}={value}" for field, value in CASES])
def test_nonsense_is_refused_or_told_with_the_field_and_reverting_mends_it(running, field, value):
    document = with_field(field, value)
    # A reference is named by its field, an object of a map by the map.
    name = f"spec.{re.sub('([.][*]|(?<=Ref)[.]name)$', '', field)}"
    said = refusal(running, document)
    if said:
        assert name in said, said
        return
    if field.startswith("storage."):
        told = verdict_on_another(running, document)
    else:
        replace_spec(running, document)
        told = running.until("verdict", lambda: verdict(running, "payments"))
        replace_spec(running, PAYMENTS)
        running.until_ready("payments", "True", "Running")
    assert name in told["message"], told


@pytest.mark.parametrize(("field", "value"), [("storage.uri", "s3://lake/other"), ("source.kafka.topic", "refunds")])
def test_where_the_lake_is_and_what_it_holds_cannot_be_changed(running, field, value):
    with pytest.raises(Refused, match=f"{field}.*cannot be changed: make another StreamPipeline"):
        replace_spec(running, with_field(field, value))


def replace_spec(namespace: Namespace, document: dict):
    patch = [{"op": "replace", "path": "/spec", "value": document["spec"]}]
    path = PATH.format(namespace=namespace.name)
    namespace.plane.request("PATCH", f"{path}/payments", patch, "application/json-patch+json")


def verdict(namespace: Namespace, name: str) -> dict | None:
    """What the operator says against a spec, once it has seen it."""
    resource = namespace.get("streampipeline", name)
    if resource.get("status", {}).get("observedGeneration") != resource["metadata"]["generation"]:
        return None
    conditions = {one["type"]: one for one in conditions_of(resource)}
    return conditions.get("Stalled") or conditions.get("Reconciling") or conditions["Ready"]


def verdict_on_another(namespace: Namespace, document: dict) -> dict:
    """What the operator says against another pipeline: where this one writes cannot be changed."""
    namespace.apply({**document, "metadata": {"name": "misused"}})
    told = namespace.until("verdict", lambda: verdict(namespace, "misused"))
    namespace.kubectl("delete", "streampipeline", "misused", "--wait=true")
    return told
