"""A FraudScorer from `kubectl apply` to `kubectl delete`, beside its pipeline, with the real operator."""

import json

import pytest

from control_plane import Refused
from paper_node import fail
from pipelines_of_tests import payments, requiring, scorer
from test_reports import Worker, report

KIND = "fraudscorer"
EVERYTHING = {
    "serviceaccounts": {"payments-fscr-worker"},
    "services": {"payments-fscr-score"},
    "poddisruptionbudgets": {"payments-fscr-score"},
    "networkpolicies": {"payments-fscr-score"},
    "deployments": {"payments-fscr-score-0", "payments-fscr-score-1"},
}
RULES = "payments-fscr-rules"


@pytest.fixture
def running(operator, namespace):
    """A pipeline and its scorer, whose workers are ready."""
    namespace.apply(payments())
    namespace.apply(scorer())
    namespace.until_ready("payments", "True", "Running")
    until(namespace, "True", "Running")
    return namespace


def test_a_scorer_becomes_ready_beside_a_pipeline_of_its_name(running):
    for kind, names in EVERYTHING.items():
        assert own(running, kind) == names, kind
    running.until("end of the check", lambda: own(running, "jobs") == set())
    assert len(own(running, "configmaps")) == 3, "the configuration, the rules, and what was checked"
    line = running.kubectl("get", "fscr", "payments", "--no-headers").split()
    assert line[:4] == ["payments", "True", "Running", "2/2"]
    arguments = worker(running)["args"]
    assert arguments[:5] == [
        "score", "--config", "/etc/sluice/config/config.json", "--rules", "/etc/sluice/rules/rules.json",
    ]  # fmt: skip
    environment = worker(running)["envFrom"]
    assert environment == [{"secretRef": {"name": "lake"}}], "it reaches the lake as its pipeline does"


@pytest.mark.parametrize("kind", [*EVERYTHING, "configmaps"])
def test_a_child_that_is_deleted_is_made_again_within_half_a_minute(running, kind):
    for name in sorted(own(running, kind)):
        before = running.get(kind, name)["metadata"]["uid"]
        running.kubectl("delete", kind, name, "--wait=false")
        running.until(f"new {name}", lambda name=name, before=before: is_new(running, kind, name, before), patience=30)
    until(running, "True", "Running")


def test_rules_that_are_edited_by_hand_are_put_right_within_half_a_minute(running):
    before = rules(running)
    running.kubectl("patch", "configmap", RULES, "--type=merge", '--patch={"data": {"rules.json": "{}"}}')
    running.until("old rules", lambda: rules(running) == before, patience=30)


def test_new_rules_reach_the_workers_without_a_restart(running):
    pods = uids(running)
    higher = [{"name": "high", "when": "amount > 6000", "points": 31}]
    running.apply(scorer(rules=higher))
    running.until("new rules", lambda: rules(running)["rules"] == higher)
    until(running, "True", "Running")
    assert uids(running) == pods
    running.until("end of the old candidate", lambda: len(own(running, "configmaps")) == 3)


def test_rules_that_do_not_pass_their_check_never_reach_a_worker(running, node):
    node.says(running.name, "check", fail("rules[0].when: no column 'amuont'; write 'amount'\n1 finding\n"))
    before, pods = rules(running), uids(running)
    running.apply(scorer(rules=[{"name": "high", "when": "amuont > 1", "points": 30}]))
    ready = until(running, "False", "ConfigurationRefused")
    assert "rules[0].when" in ready["message"]
    assert running.condition("payments", "Stalled", KIND)["status"] == "True"
    assert (rules(running), uids(running)) == (before, pods)
    running.apply(scorer())
    until(running, "True", "Running")


def test_a_new_configuration_rolls_one_worker_at_a_time(running):
    revisions = [revision(running, shard) for shard in (0, 1)]
    running.apply(scorer(table={"name": "scores", "columns": ["amount"]}))
    running.until("first new worker", lambda: revision(running, 0) > revisions[0])
    assert revision(running, 1) == revisions[1], "the second waits for the first"
    running.until("second new worker", lambda: revision(running, 1) > revisions[1])
    until(running, "True", "Running")


def test_a_change_of_the_pipeline_reaches_its_scorer(running):
    before = revision(running, 0)
    running.apply(payments(silver=requiring("amount > 1")))
    running.until("new worker", lambda: revision(running, 0) > before)
    running.until_ready("payments", "True", "Running")
    until(running, "True", "Running")


def test_a_pipeline_that_is_missing_is_waited_for_and_wakes_its_scorer(operator, namespace):
    namespace.apply(scorer())
    ready = until(namespace, "False", "ReferenceMissing")
    assert "spec.pipelineRef.name: StreamPipeline 'payments' is not there" in ready["message"]
    assert own(namespace, "deployments") == set()
    namespace.apply(payments())
    until(namespace, "True", "Running")


def test_a_pipeline_that_is_deleted_leaves_the_workers_alone(running):
    pods = uids(running)
    running.kubectl("delete", "streampipeline", "payments", "--wait=true")
    message = lambda: running.condition("payments", "Reconciling", KIND).get("message", "")  # noqa: E731
    running.until("look for the pipeline", lambda: "is not there" in message())
    assert running.condition("payments", "Ready", KIND)["status"] == "True"
    assert uids(running) == pods


def test_a_suspended_pipeline_stops_its_scorer_and_brings_it_back(running):
    suspend(running, "streampipeline", True)
    ready = until(running, "True", "Suspended")
    assert "StreamPipeline 'payments'" in ready["message"]
    running.until("no workers", lambda: own(running, "deployments") == set())
    suspend(running, "streampipeline", False)
    until(running, "True", "Running")


def test_a_suspended_scorer_leaves_its_pipeline_alone(running):
    suspend(running, KIND, True)
    until(running, "True", "Suspended")
    running.until("no workers", lambda: own(running, "deployments") == set())
    assert running.condition("payments", "Ready")["reason"] == "Running"
    assert len(running.names("deployments")) == 2


def test_a_paused_scorer_is_left_alone(running):
    running.kubectl("annotate", KIND, "payments", "sluice.dev/paused=true")
    running.until("pause", lambda: running.condition("payments", "ReconciliationPaused", KIND))
    suspend(running, KIND, True)
    running.until("second generation", lambda: running.get(KIND, "payments")["status"]["observedGeneration"] == 2)
    assert own(running, "deployments") == EVERYTHING["deployments"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"table": {"name": "scores", "columns": ["nowhere"]}}, "spec.table.columns[0]"),
        ({"table": {"name": "scores", "columns": ["id"], "partitionBy": ["reasons"]}}, "spec.table.partitionBy[0]"),
        ({"label": {"column": "truth"}}, "spec.label.column"),
        ({"alerts": {"topic": "payments", "alertAt": "HIGH"}}, "spec.alerts.topic"),
        ({"commit": {"every": "50ms"}}, "spec.commit.every"),
        ({"podTemplate": {"labels": {"a b": "x"}}}, "spec.podTemplate.labels"),
        (
            {"velocity": [{"name": "often", "key": "id", "window": "1m", "moreThan": 5, "points": 1}]},
            "spec.velocity[0].key",
        ),
    ],
)
def test_nonsense_is_told_with_the_field_and_reverting_mends_it(running, spec, field):
    pods = uids(running)
    running.apply(scorer(**spec))
    ready = until(running, "False", "InvalidSpec")
    assert field in ready["message"]
    assert uids(running) == pods, "what runs keeps running"
    running.kubectl("replace", "--filename=-", document=scorer())
    until(running, "True", "Running")


def test_the_pipeline_and_the_table_of_a_scorer_cannot_be_changed(running):
    for spec in ({"pipelineRef": {"name": "other"}}, {"table": {"name": "other", "columns": ["id"]}}):
        with pytest.raises(Refused, match="cannot be changed: make another FraudScorer"):
            running.apply(scorer(**spec))


def test_what_the_workers_report_reaches_status_columns_and_conditions(operator, namespace):
    workers = [Worker(shard) for shard in (0, 1)]
    try:
        namespace.apply(payments())
        namespace.apply(scorer(model={"modelDeploymentRef": {"name": "fraud"}}))
        until(namespace, "True", "Running")
        say(workers, "of before")
        pending = lambda: says(namespace, "RulesInForce") == ("Unknown", "RulesPending")  # noqa: E731
        namespace.until("pending rules", pending, patience=90)
        message = namespace.condition("payments", "RulesInForce", KIND)["message"]
        say(workers, message.split()[2])
        status = lambda: namespace.get(KIND, "payments")["status"]  # noqa: E731
        levels = [{"name": "HIGH", "rows": 14}, {"name": "LOW", "rows": 18_000}]
        namespace.until("numbers", lambda: status().get("levels") == levels, patience=90)
        assert status()["rules"] == [{"name": "high", "rows": 14}]
        namespace.until("rules", lambda: says(namespace, "RulesInForce") == ("True", "AsExpected"))
        line = namespace.kubectl("get", "fscr", "payments", "--no-headers").split()
        assert line[:6] == ["payments", "True", "Running", "2/2", "8ms", "2400"]
        assert says(namespace, "ModelAvailable") == ("False", "AwaitingFirstModel")
        assert says(namespace, "LabelUsedInScoring") == ("True", "LabelUsedInScoring")
        assert says(namespace, "AlertsDelivered") == ("True", "AsExpected")
        workers[0].report["problems"] = [{"reason": "RulesRefused", "message": "rules[0].when: wrong; mend it"}]
        namespace.until("refusal", lambda: says(namespace, "RulesInForce") == ("False", "RulesRefused"))
        assert says(namespace, "Ready") == ("True", "Running")
    finally:
        for one in workers:
            one.stop()


def test_deletion_takes_everything_and_leaves_the_pipeline(running):
    running.kubectl("delete", KIND, "payments", "--wait=true")
    for kind in [*EVERYTHING, "configmaps", "jobs", "pods"]:
        running.until(f"end of the {kind}", lambda kind=kind: own(running, kind) == set())
    assert running.condition("payments", "Ready")["reason"] == "Running"
    assert len(running.names("deployments")) == 2


def until(namespace, status: str, reason: str) -> dict:
    return namespace.until_ready("payments", status, reason, kind=KIND)


def own(namespace, kind: str) -> set[str]:
    """Names of everything of a kind that was made for the scorer."""
    found = namespace.get(kind, selector="sluice.dev/scorer=payments")
    return {item["metadata"]["name"] for item in found["items"]}


def uids(namespace) -> set[str]:
    pods = namespace.get("pods", selector="sluice.dev/scorer=payments,sluice.dev/role=score")
    return {pod["metadata"]["uid"] for pod in pods["items"]}


def is_new(namespace, kind: str, name: str, before: str) -> bool:
    try:
        return namespace.get(kind, name)["metadata"]["uid"] != before
    except Refused:
        return False


def rules(namespace) -> dict:
    return json.loads(namespace.get("configmap", RULES)["data"]["rules.json"])


def revision(namespace, shard: int) -> int:
    annotations = namespace.get("deployment", f"payments-fscr-score-{shard}")["metadata"]["annotations"]
    return int(annotations["sluice.dev/revision"])


def worker(namespace) -> dict:
    pod = namespace.get("deployment", "payments-fscr-score-0")["spec"]["template"]["spec"]
    return pod["containers"][0]


def suspend(namespace, kind: str, suspended: bool):
    patch = json.dumps({"spec": {"suspend": suspended}})
    namespace.kubectl("patch", kind, "payments", "--type=merge", f"--patch={patch}")


def says(namespace, type_: str) -> tuple:
    condition = namespace.condition("payments", type_, KIND)
    return condition.get("status"), condition.get("reason")


def say(workers: list[Worker], rule_set: str):
    for shard, one in enumerate(workers):
        one.report = scoring_report(shard, rule_set)


def scoring_report(shard: int, rule_set: str) -> dict:
    scores = {"alerts": 7, "levels": {"HIGH": 7, "LOW": 9_000}, "rules": {"high": 7}}
    scoring = {"ruleSet": rule_set, "readingLabel": ["high"], "alertLatencyMs": 8, "alertShare": 0.012}
    counts = {**report(shard)["counts"], "scoring": scores}
    return {**report(shard), "job": "score-payments", "counts": counts, "scoring": scoring}
