"""Replays on a laptop: those that manifests ask for, once for each name, and `sluice replay`, by hand."""

import json
import pathlib
import subprocess
import time

import pytest
import yaml

import lakes
import pipelines
import score_tables
from faults import TRAFFIC
from oracle import decode_json, run_pipeline, run_scorer, silver_table
from processes import PATIENCE
from test_replay import replays

EXAMPLE = pathlib.Path(__file__).resolve().parent.parent / "manifests/examples/ecommerce"
TOO_STRICT = {"reason": "TooSmall", "expr": "amount >= 50 OR amount <= 0"}


@pytest.fixture
def manifests(topic, alerts_topic):
    """The example for the test's topics: its pipeline and its scorer, to be changed."""
    texts = [(EXAMPLE / name).read_text() for name in ("pipeline.yaml", "scoring/scorer.yaml")]
    pipeline, scorer = map(yaml.safe_load, texts)
    pipeline["spec"]["source"]["kafka"]["topic"] = topic.name
    scorer["spec"]["alerts"]["topic"] = alerts_topic.name
    return pipeline, scorer


@pytest.fixture
def sluice(topic, manifests, sluice_program, run, tmp_path):
    """Runs `sluice`: `sluice.up()` with the manifests as they are now, `sluice("status")`."""
    state = ("--state", tmp_path / "state")

    def up(*flags):
        file = tmp_path / "manifests.yaml"
        file.write_text(yaml.safe_dump_all(manifests))
        places = ("--broker", topic.servers, "--lake", tmp_path / "lakes", *state)
        return run(sluice_program, "up", "-f", file, *places, *flags)

    def command(*arguments) -> str:
        ended = subprocess.run([sluice_program, *arguments, *state], capture_output=True, text=True, timeout=240)
        assert ended.returncode == 0, ended.stderr[-4000:]
        return ended.stdout

    command.up = up
    return command


@pytest.fixture
def lake(tmp_path):
    return tmp_path / "lakes/default/ecommerce"


def assert_as_if_always_right(topic, lake):
    expected = run_pipeline(topic.read_all(), decode_json)
    lakes.assert_rows(lakes.read_with_delta_rs(lake / "silver"), expected.silver, lakes.SILVER, "silver")
    score_tables.assert_scores(lake, run_scorer(silver_table(expected.silver), pipelines.SPEC, pipelines.SCORER))


def writers(lake) -> list[str]:
    """Who wrote what the lake remembers of replays."""
    return [manifest["writer"]["id"] for manifest in replays(lake)]


def await_work(up, sluice):
    """Waits until all workers have an epoch, and `sluice up` has seen it for a while."""
    deadline = time.monotonic() + PATIENCE
    seen = 0
    while seen < 10:
        shown = json.loads(sluice("status", "--output=json"))
        workers = [worker for job in shown["pipelines"] + shown["scorers"] for worker in job["workers"]]
        reports = [worker.get("report") or {} for worker in workers]
        seen = seen + 1 if all("epoch" in report and report["phase"] == "Running" for report in reports) else 0
        assert up.is_running() and time.monotonic() < deadline, up.output()[-4000:]
        time.sleep(0.2)


def assert_replayed(sluice):
    """What is said of both replays."""
    text = sluice("status")
    assert text.count("  replay fix Succeeded: ") == 2, text
    for kind in ("streampipeline", "fraudscorer"):
        conditions = json.loads(sluice("get", kind, "ecommerce", "--output=json"))["items"][0]["status"]["conditions"]
        (replayed,) = [condition for condition in conditions if condition["type"] == "Replayed"]
        assert (replayed["status"], replayed["reason"]) == ("True", "ReplaySucceeded")


def test_replays_that_manifests_ask_for_run_once_when_the_workers_are_at_work(
    topic, alerts_topic, manifests, sluice, generate, lake, seed
):
    pipeline, scorer = manifests
    generate(topic, "--seed", seed, "--messages", 5_000, "--rate", 0, *TRAFFIC[2:]).succeed()
    rules = [dict(rule) for rule in scorer["spec"]["rules"]]
    for rule in scorer["spec"]["rules"]:
        rule["points"] *= 2
    pipeline["spec"]["silver"]["require"].append(TOO_STRICT)
    pipeline["spec"]["replay"] = {"name": "fix", "tables": ["silver", "gold"]}
    scorer["spec"]["replay"] = {"name": "fix"}
    up = sluice.up("--until-caught-up")
    up.succeed()
    assert up.output().count("spec.replay 'fix' waits for a run without --until-caught-up") == 2
    assert writers(lake) == []
    alerts = len(alerts_topic.read_all())

    pipeline["spec"]["silver"]["require"].remove(TOO_STRICT)
    scorer["spec"]["rules"] = rules
    up = sluice.up()
    up.await_output("replay fix Succeeded: ", times=2)
    assert_replayed(sluice)
    assert up.stop() == 0, up.output()[-4000:]
    ran = writers(lake)
    assert ran and all(writer.startswith("replay-fix-") for writer in ran)
    assert_as_if_always_right(topic, lake)
    assert len(alerts_topic.read_all()) == alerts, "nobody is alerted"

    up = sluice.up()
    await_work(up, sluice)
    assert_replayed(sluice)
    assert up.stop() == 0, up.output()[-4000:]
    assert writers(lake) == ran, "a name runs once"


def test_sluice_replay_makes_tables_again_by_the_configuration_that_ran_last(
    topic, manifests, sluice, generate, lake, seed
):
    pipeline, _ = manifests
    generate(topic, "--seed", seed, "--messages", 5_000, "--rate", 0, *TRAFFIC[2:]).succeed()
    pipeline["spec"]["silver"]["require"].append(TOO_STRICT)
    sluice.up("--until-caught-up").succeed()
    pipeline["spec"]["silver"]["require"].remove(TOO_STRICT)
    sluice.up("--until-caught-up").succeed()
    said = sluice("replay", "ecommerce", "--tables", "silver,fraud", "--name", "by-me")
    assert "silver: 0 rows changed, " in said and "fraud/transactions: " in said, said
    assert_as_if_always_right(topic, lake)
    ran = writers(lake)
    assert ran and all(writer.startswith("replay-by-me-") for writer in ran)
    sluice("replay", "--tables", "silver,fraud")
    assert writers(lake) == ran, "nothing is left to do"
