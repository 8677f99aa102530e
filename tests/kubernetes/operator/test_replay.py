"""Replays that a spec asks for: a Job for each name, what becomes of it, and what is said of it."""

import json

import pytest

from control_plane import Refused
from paper_node import HANG, READY, fail
from pipelines_of_tests import payments, scorer

REPLAY = {"name": "after-the-fix", "tables": ["silver"], "from": "0:15,1:0"}


@pytest.fixture
def running(operator, namespace):
    """A pipeline whose workers are ready, and whose check is gone."""
    namespace.apply(payments())
    namespace.until_ready("payments", "True", "Running")
    namespace.until("end of the check", lambda: namespace.names("jobs") == set())
    return namespace


def test_a_replay_runs_once_for_each_name_and_its_end_is_told_once(running, node):
    node.says(running.name, "replay", READY)
    running.apply(payments(replay=REPLAY))
    told = until_phase(running, "Running")
    assert (told["name"], "finishedAt" in told) == ("after-the-fix", False)
    assert running.condition("payments", "Replayed")["reason"] == "ReplayRunning"
    (job,) = running.get("jobs")["items"]
    assert job["metadata"]["labels"]["sluice.dev/replay"] == "after-the-fix"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == [
        "replay", "--config", "/etc/sluice/config/config.json",
        "--name", "after-the-fix", "--tables", "silver", "--from", "0:15,1:0",
    ]  # fmt: skip
    worker = running.get("deployment", "payments-stpl-ingest-0")["spec"]["template"]["spec"]
    assert job["spec"]["template"]["spec"]["volumes"] == worker["volumes"], "it reads what the workers read"

    node.says(running.name, "replay", "pass")
    told = until_phase(running, "Succeeded")
    assert told["startedAt"] <= told["finishedAt"] and "kubectl logs" in told["message"]
    assert running.condition("payments", "Replayed")["status"] == "True"
    running.kubectl("wait", "streampipeline/payments", "--for=condition=Replayed", "--timeout=1s")
    running.until_ready("payments", "True", "Running")
    assert len(running.events("ReplaySucceeded")) == 1
    # Nothing that happens to the pipeline, or to the Job, starts it again.
    running.kubectl("delete", "job", job["metadata"]["name"], "--wait=true")
    running.apply(payments(replay=REPLAY, commit={"every": "3s"}))
    running.until("second configuration", lambda: settled(running))
    assert running.names("jobs") == set()
    assert replay(running) == told

    running.apply(payments(replay={"name": "once-more", "tables": ["silver"]}))
    told = until_phase(running, "Succeeded", "once-more")
    assert len(running.names("jobs")) == 1
    running.until("its event", lambda: times_told(running, "ReplaySucceeded") == 2)


def test_a_replay_that_cannot_be_is_not_tried_again_and_says_why(running, node):
    words = "sluice-worker: --until: partition 9 has no rows in bronze; name one of 0 to 7"
    node.says(running.name, "replay", fail(f"read the documents\n{words}\n", code=2))
    running.apply(payments(replay=REPLAY))
    told = until_phase(running, "Failed")
    assert told["message"] == words
    condition = running.condition("payments", "Replayed")
    assert (condition["status"], condition["reason"]) == ("False", "ReplayFailed") and words in condition["message"]
    assert len(running.get("pods", selector="sluice.dev/role=replay")["items"]) == 1
    assert len(running.events("ReplayFailed")) == 1
    assert running.condition("payments", "Ready")["status"] == "True", "the workers are none the worse for it"
    assert running.condition("payments", "Stalled") == {}


def test_a_replay_that_is_not_asked_for_any_more_is_stopped(running, node):
    node.says(running.name, "replay", READY)
    running.apply(payments(replay=REPLAY))
    until_phase(running, "Running")
    running.kubectl("patch", "streampipeline", "payments", "--type=merge", '--patch={"spec": {"replay": null}}')
    running.until("end of the Job", lambda: running.names("jobs") == set())
    told = until_phase(running, "Failed")
    assert "spec.replay was removed" in told["message"]
    running.until("end of its pod", lambda: not running.get("pods", selector="sluice.dev/role=replay")["items"])


def test_a_replay_waits_for_the_workers_of_its_configuration(operator, namespace, node):
    node.says(namespace.name, "ingest", HANG)
    namespace.apply(payments(replay=REPLAY))
    namespace.until_ready("payments", "False", "Starting")
    assert "waits until all workers" in until_phase(namespace, "Pending")["message"]
    assert not [name for name in namespace.names("jobs") if "replay" in name]
    node.says(namespace.name, "ingest", READY)
    until_phase(namespace, "Succeeded")


def test_a_replay_that_runs_survives_the_operator(running, node, operator):
    node.says(running.name, "replay", READY)
    running.apply(payments(replay=REPLAY))
    until_phase(running, "Running")
    operator.kill()
    node.says(running.name, "replay", "pass")
    running.until("its end", lambda: running.get("jobs")["items"][0].get("status", {}).get("succeeded") == 1)
    operator.start(f"--watch-namespaces={running.name}").until_ready()
    until_phase(running, "Succeeded")
    assert len(running.events("ReplaySucceeded")) == 1
    assert len(running.names("jobs")) == 1


def test_a_replay_of_several_pods_is_done_when_the_first_one_is(running, node):
    node.says(running.name, "replay", READY)
    running.apply(payments(replay=REPLAY | {"workers": 3}))
    until_phase(running, "Running")
    (job,) = running.get("jobs")["items"]
    name, spec = job["metadata"]["name"], job["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 3)
    assert spec["successPolicy"] == {"rules": [{"succeededIndexes": "0"}]}
    (container,) = spec["template"]["spec"]["containers"]
    assert container["args"][-4:] == [
        "--peers", f"http://{name}-1.{name}:8080,http://{name}-2.{name}:8080", "--listen", "0.0.0.0:8080",
    ]  # fmt: skip
    assert spec["template"]["spec"]["subdomain"] == name
    assert running.get("service", name)["spec"]["clusterIP"] == "None"
    (rule,) = running.get("networkpolicy", name)["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"sluice.dev/role": "replay"}}}]
    running.kubectl("patch", "streampipeline", "payments", "--type=merge", '--patch={"spec": {"replay": null}}')
    gone = lambda: not {name} & (running.names("services") | running.names("networkpolicies"))  # noqa: E731
    running.until("end of all of it", gone)


def test_a_replay_cannot_change_under_its_name_and_nothing_but_tables_can_be_replayed(running):
    running.apply(payments(replay=REPLAY))
    with pytest.raises(Refused, match="a name of its own"):
        running.apply(payments(replay=REPLAY | {"tables": ["silver", "gold"]}))
    for field, value, message in [
        ("tables", ["bronze"], "name tables as silver"),
        ("from", "yesterday", "write a time like"),
        ("name", "After", "a letter or digit at both ends"),
    ]:
        with pytest.raises(Refused, match=message):
            running.apply(payments(replay={"name": "b", "tables": ["silver"]} | {field: value}))


def test_a_table_that_is_not_there_is_told_with_its_field(running):
    running.apply(payments(replay={"name": "a", "tables": ["silver", "gold"]}))
    ready = running.until_ready("payments", "False", "InvalidSpec")
    assert "spec.replay.tables[1]: there are no gold tables" in ready["message"]
    assert running.names("jobs") == set()
    running.kubectl("patch", "streampipeline", "payments", "--type=merge", '--patch={"spec": {"replay": null}}')
    running.until_ready("payments", "True", "Running")


def test_scores_are_made_again_by_the_rules_in_force(running):
    running.apply(scorer(replay={"name": "new-rules"}))
    told = running.until("end of the replay", lambda: ended(running, "fraudscorer"))
    assert (told["name"], told["phase"]) == ("new-rules", "Succeeded")
    (job,) = [job for job in running.get("jobs")["items"] if "replay" in job["metadata"]["name"]]
    pod = job["spec"]["template"]["spec"]
    assert pod["containers"][0]["args"][:5] == [
        "replay", "--scorer", "/etc/sluice/config/config.json", "--rules", "/etc/sluice/rules/rules.json",
    ]  # fmt: skip
    (rules,) = [volume for volume in pod["volumes"] if volume["name"] == "rules"]
    assert rules["configMap"]["name"] == "payments-fscr-rules"


def times_told(namespace, reason: str) -> int:
    """What is told again within minutes counts up in the event that is there."""
    return sum(event.get("series", {}).get("count", 1) for event in namespace.events(reason))


def replay(namespace, kind: str = "streampipeline") -> dict:
    return namespace.get(kind, "payments").get("status", {}).get("replay", {})


def ended(namespace, kind: str) -> dict | None:
    told = replay(namespace, kind)
    return told if told.get("phase") in ("Succeeded", "Failed") else None


def until_phase(namespace, phase: str, name: str = "after-the-fix") -> dict:
    def says():
        told = replay(namespace)
        return told if (told.get("name"), told.get("phase")) == (name, phase) else None

    return namespace.until(f"replay that is {phase}", says)


def settled(namespace) -> bool:
    pipeline = json.loads(namespace.kubectl("get", "streampipeline", "payments", "--output=json"))
    is_seen = pipeline["status"]["observedGeneration"] == pipeline["metadata"]["generation"]
    return is_seen and namespace.condition("payments", "Reconciling") == {}
