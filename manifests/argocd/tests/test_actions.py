"""What each action offers, and what it changes: a spec or an annotation, and nothing else."""

import re

import pytest
from conftest import EXAMPLES, example

COMMON = {"restart", "suspend", "pause-reconciliation"}


def model(**status):
    resource = example("ModelDeployment")
    resource["status"] = {"observedGeneration": 3, **status}
    return resource


def rollout(phase):
    return {"id": "7f3a", "phase": phase, "step": 3, "stepSummary": "3/4"}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_every_action_that_is_offered_is_defined(customizations, kind):
    actions = customizations.actions_of(kind)
    offered = customizations.run(actions["discovery.lua"], example(kind))
    assert set(offered) == {action["name"] for action in actions["definitions"]}
    for action in offered.values():
        assert action["displayName"] and action["iconClass"]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_what_makes_no_sense_is_not_offered(customizations, kind):
    training = {"train-now"} if kind == "ModelDeployment" else set()
    assert customizations.enabled(example(kind)) == COMMON | training
    suspended = example(kind)
    suspended["spec"]["suspend"] = True
    assert customizations.enabled(suspended) == {"resume", "pause-reconciliation"}
    paused = example(kind)
    paused["metadata"]["annotations"] = {"sluice.dev/paused": "true"}
    assert customizations.enabled(paused) == {"restart", "suspend", "resume-reconciliation"} | training


@pytest.mark.parametrize("kind", EXAMPLES)
def test_suspending_and_resuming_change_one_field(customizations, kind):
    before = example(kind)
    suspended = customizations.act("suspend", before)
    assert suspended["spec"] == {**before["spec"], "suspend": True}
    resumed = customizations.act("resume", suspended)
    assert resumed["spec"] == {**before["spec"], "suspend": False}


@pytest.mark.parametrize("kind", EXAMPLES)
@pytest.mark.parametrize("others", [{}, {"team": "data"}])
def test_pausing_and_resuming_set_one_annotation(customizations, kind, others):
    before = example(kind)
    if others:
        before["metadata"]["annotations"] = others
    paused = customizations.act("pause-reconciliation", before)
    assert paused["metadata"]["annotations"] == {**others, "sluice.dev/paused": "true"}
    resumed = customizations.act("resume-reconciliation", paused)
    assert resumed["metadata"]["annotations"] == {**others, "sluice.dev/paused": "false"}
    assert "pause-reconciliation" in customizations.enabled(resumed)
    assert (paused["spec"], resumed["spec"]) == (before["spec"], before["spec"])


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_restart_changes_the_pods_and_keeps_what_is_said_of_them(customizations, kind):
    before = example(kind)
    before["spec"]["podTemplate"] = {"labels": {"team": "data"}, "annotations": {"a": "b"}}
    after = customizations.act("restart", before)["spec"]["podTemplate"]
    stamp = after["annotations"].pop("kubectl.kubernetes.io/restartedAt")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp)
    assert after == before["spec"]["podTemplate"]
    assert "podTemplate" in customizations.act("restart", example(kind))["spec"]


@pytest.mark.parametrize(
    "phase, offered",
    [
        ("Progressing", {"abort"}),
        ("Holding", {"abort"}),
        ("Paused", {"abort", "promote"}),
        ("Completed", set()),
        ("RolledBack", set()),
        ("Aborted", set()),
    ],
)
def test_decisions_are_offered_while_a_rollout_is_under_way(customizations, phase, offered):
    enabled = customizations.enabled(model(rollout=rollout(phase)))
    assert enabled & {"abort", "promote", "retry"} == offered


def test_an_approval_and_an_abort_name_their_rollout(customizations):
    paused = model(rollout=rollout("Paused"))
    after = customizations.act("promote", paused)["spec"]["rollout"]
    assert after.pop("approve") == {"rollout": "7f3a", "throughStep": 3}
    assert after == paused["spec"]["rollout"]
    after = customizations.act("abort", paused)["spec"]["rollout"]
    assert after.pop("abort") == {"rollout": "7f3a", "reason": "aborted in Argo CD"}
    assert after == paused["spec"]["rollout"]


def test_a_retry_is_for_the_version_that_was_rolled_back_last(customizations):
    def blocked(letter, time):
        return {"digest": f"sha256:{letter * 64}", "version": letter, "reason": "drift", "time": time}

    before = model(
        blocked=[
            blocked("a", "2026-01-05T20:00:00Z"),
            blocked("b", "2026-02-01T08:00:00Z"),
            blocked("c", "2026-01-31T23:00:00Z"),
        ]
    )
    assert "retry" in customizations.enabled(before)
    after = customizations.act("retry", before)
    assert after["spec"]["rollout"]["retry"] == {"digest": f"sha256:{'b' * 64}", "nonce": 1}
    again = customizations.act("retry", after)
    assert again["spec"]["rollout"]["retry"]["nonce"] == 2


def test_each_request_for_a_training_is_a_new_one(customizations):
    once = customizations.act("train-now", example("ModelDeployment"))
    assert once["spec"]["training"]["nonce"] == 1
    assert customizations.act("train-now", once)["spec"]["training"]["nonce"] == 2
    served_only = example("ModelDeployment")
    del served_only["spec"]["training"]
    assert "train-now" not in customizations.enabled(served_only)
