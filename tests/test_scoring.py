"""Scores and alerts of live traffic: one row for each silver row, each alert at least once and never differently.

SLUICE_KILLS sets the number of random kills, SLUICE_SEEDS how often the named steps are gone through, each time with
another seed, SLUICE_MESSAGES the size of the stream that is scored whole; SLUICE_SEED repeats a run.
"""

import collections
import copy
import os
import random
import re
import signal
import time

import pytest
import requests
from deltalake import DeltaTable

import lakes
import pipelines
import scorers
from conftest import ROOT
from faults import COMMIT, RARE, STEPS_OF_NEW_RULES, STEPS_OF_SCORING, TRAFFIC
from oracle import decode_json, run_pipeline
from processes import PATIENCE
from score_tables import NAME
from scorers import assert_scored
from test_generated_stream import SHARES, TRAFFIC as PAST

KILLS = int(os.environ.get("SLUICE_KILLS", "6"))
SEEDS = int(os.environ.get("SLUICE_SEEDS", "1"))
MESSAGES = int(os.environ.get("SLUICE_MESSAGES", "60000"))


@pytest.fixture
def pipeline(ecommerce, ingest, run) -> dict:
    """The pipeline that is scored. It has begun: its lake is there."""
    ingest(ecommerce, "--until-caught-up").succeed()
    return ecommerce


@pytest.fixture
def configuration(pipeline, alerts_topic) -> dict:
    """The example's scorer, with short epochs."""
    return scorers.configuration(pipeline, alerts=alerts_topic.name) | {"commit": COMMIT}


def with_rules(**changes) -> dict:
    """The example's FraudScorer with other rules."""
    return copy.deepcopy(pipelines.SCORER) | changes


HARSH = with_rules(
    rules=[rule | {"points": 2 * rule["points"]} for rule in pipelines.SCORER["rules"]],
    velocity=[pipelines.SCORER["velocity"][0] | {"moreThan": 2, "points": 40}],
)
MILD = with_rules(
    rules=[{"name": "very_high_amount", "when": "amount > 20000", "points": 60}],
    levels=[{"name": "HIGH", "minScore": 60}, {"name": "LOW", "minScore": 25}, {"name": "NONE", "minScore": 0}],
)


def rows_of(lake) -> int:
    try:
        return lakes.read_with_delta_rs(lake / NAME).num_rows
    except Exception:  # The table is not there yet.
        return 0


def await_rows(lake, worker, more: int = 200):
    """Waits until the table has so many rows more."""
    deadline = time.monotonic() + PATIENCE
    wanted = rows_of(lake) + more
    while rows_of(lake) < wanted:
        assert worker.is_running(), worker.output()[-4000:]
        assert time.monotonic() < deadline, f"{NAME} has no {wanted} rows:\n{worker.output()[-4000:]}"
        time.sleep(0.2)


def rule_sets(lake) -> set:
    return set(lakes.read_with_delta_rs(lake / NAME)["rule_set"].to_pylist())


def await_rule_set(lake, worker, known: set) -> str:
    """Waits for rows by a rule set that is not known yet; gives its hash."""
    deadline = time.monotonic() + PATIENCE
    while True:
        new = rule_sets(lake) - known if rows_of(lake) else set()
        if new:
            (found,) = new
            return found
        assert worker.is_running(), worker.output()[-4000:]
        assert time.monotonic() < deadline, f"no rule set but {known}:\n{worker.output()[-4000:]}"
        time.sleep(0.2)


@pytest.mark.parametrize("shards", [1, 2])
def test_a_generated_topic_becomes_the_oracles_scores_and_alerts(
    shards, topic, alerts_topic, configuration, score, generate, lake, seed
):
    generate(topic, "--seed", seed, "--messages", MESSAGES, *PAST, *SHARES).succeed()
    configuration |= {"shards": shards}
    workers = [
        score(configuration, scorers.rule_set(), "--shard", shard, "--until-caught-up") for shard in range(shards)
    ]
    for worker in workers:
        worker.succeed()
    expected = assert_scored(topic, alerts_topic, lake, pipelines.SCORER, readers=lakes.READERS)
    assert {row["risk_level"] for row in expected.rows} == {level["name"] for level in pipelines.SCORER["levels"]}
    fired = {reason for row in expected.rows for reason in row["reasons"]}
    assert fired == {rule["name"] for rule in pipelines.SCORER["rules"] + pipelines.SCORER["velocity"]}
    # Nothing new came: nothing is scored or sent again.
    version, alerts = DeltaTable(str(lake / NAME)).version(), len(alerts_topic.read_all())
    for shard in range(shards):
        score(configuration, scorers.rule_set(), "--shard", shard, "--until-caught-up").succeed()
    assert (DeltaTable(str(lake / NAME)).version(), len(alerts_topic.read_all())) == (version, alerts)


@pytest.mark.parametrize("round_number", range(SEEDS))
def test_a_kill_at_each_step_loses_no_alert_and_doubles_no_row(
    topic, alerts_topic, configuration, score, generate, lake, seed, round_number
):
    seed += round_number
    choices = random.Random(seed)
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    for step in STEPS_OF_SCORING:
        hit = 1 if step in RARE else choices.randint(1, 6)
        worker = score(configuration, scorers.rule_set(), environment={"SLUICE_FAILPOINT": f"{step}={hit}"})
        code = worker.wait()
        assert code == -signal.SIGKILL, f"{step}={hit} never fired; exit code {code}:\n{worker.output()[-4000:]}"
    assert producer.stop() == 0, producer.output()[-4000:]
    score(configuration, scorers.rule_set(), "--until-caught-up").succeed()
    assert_scored(topic, alerts_topic, lake, pipelines.SCORER)


def test_kills_at_random_moments_and_other_cuts_lose_no_alert_and_double_no_row(
    topic, alerts_topic, configuration, score, generate, lake, seed
):
    choices = random.Random(seed)
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    revision, workers = 0, {}

    def start(shard: int, *flags):
        flags = ("--shard", shard, "--deployment-revision", revision, *flags)
        workers[shard] = score(configuration, scorers.rule_set(), *flags)

    for shards in (1, 3, 2):
        revision += 1
        configuration |= {"shards": shards}
        left, workers = workers, {}
        for shard in range(shards):
            start(shard)
        await_rows(lake, workers[0])
        for _ in range(KILLS // 3):
            time.sleep(choices.uniform(0.05, 2))
            shard = choices.randrange(shards)
            assert workers[shard].is_running(), workers[shard].output()[-4000:]
            workers[shard].kill()
            start(shard)
        for worker in left.values():
            worker.kill()
    assert producer.stop() == 0, producer.output()[-4000:]
    for worker in workers.values():
        worker.kill()
    for shard in list(workers):
        start(shard, "--until-caught-up")
    for worker in workers.values():
        worker.succeed()
    assert_scored(topic, alerts_topic, lake, pipelines.SCORER)


@pytest.mark.parametrize("step", [None, *STEPS_OF_NEW_RULES, "after_manifest", "after_alerts"])
def test_rules_change_without_a_restart_and_each_row_and_alert_is_by_the_rules_that_it_names(
    step, topic, alerts_topic, configuration, score, generate, lake, seed
):
    """With a kill at a step of the change, or without."""
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    worker = score(configuration, scorers.rule_set())
    named = {await_rule_set(lake, worker, set()): pipelines.SCORER}
    if step is not None:
        worker.kill()
        hit = 1 if step in STEPS_OF_NEW_RULES else random.Random(seed).randint(1, 20)
        # This one finds the new rules when it starts, or goes on by the old ones until it dies.
        worker = score(configuration, scorers.rule_set(HARSH), environment={"SLUICE_FAILPOINT": f"{step}={hit}"})
        assert worker.wait() == -signal.SIGKILL, f"{step}={hit} never fired:\n{worker.output()[-4000:]}"
        worker = score(configuration, scorers.rule_set(HARSH))
    score.use_rules(scorers.rule_set(HARSH))
    named[await_rule_set(lake, worker, set(named))] = HARSH
    score.use_rules(scorers.rule_set(MILD))
    named[await_rule_set(lake, worker, set(named))] = MILD
    await_rows(lake, worker)
    assert worker.stop() == 0, worker.output()[-4000:]
    assert producer.stop() == 0, producer.output()[-4000:]
    score(configuration, scorers.rule_set(MILD), "--until-caught-up").succeed()
    assert rule_sets(lake) == set(named)
    assert_scored(topic, alerts_topic, lake, named)


BAD_RULES = {
    "rules[0].when": with_rules(rules=[{"name": "broken", "when": "amount >", "points": 5}]),
    "rules[1].when": with_rules(
        rules=[
            {"name": "sound", "when": "amount > 5", "points": 5},
            {"name": "unknown", "when": "amonut > 5", "points": 5},
        ]
    ),
}


@pytest.mark.parametrize("field", BAD_RULES)
def test_a_bad_rule_set_is_refused_with_its_field_and_the_old_one_keeps_working(
    field, topic, alerts_topic, configuration, score, generate, lake, seed, free_port
):
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    address = f"127.0.0.1:{free_port}"
    worker = score(configuration, scorers.rule_set(), "--listen", address)
    good = await_rule_set(lake, worker, set())
    score.use_rules(scorers.rule_set(BAD_RULES[field]))
    problem = worker.await_problem(address)
    assert problem["reason"] == "RulesRefused" and field in problem["message"], problem
    await_rows(lake, worker)
    assert rule_sets(lake) == {good}
    score.use_rules(scorers.rule_set(MILD))
    named = {good: pipelines.SCORER, await_rule_set(lake, worker, {good}): MILD}
    assert requests.get(f"http://{address}/report", timeout=10).json()["problems"] == []
    assert worker.stop() == 0, worker.output()[-4000:]
    assert producer.stop() == 0, producer.output()[-4000:]
    score(configuration, scorers.rule_set(MILD), "--until-caught-up").succeed()
    assert_scored(topic, alerts_topic, lake, named)


def test_a_scorer_beside_its_pipeline_has_a_row_for_each_row_of_silver(
    topic, alerts_topic, pipeline, configuration, ingest, score, generate, lake, seed
):
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    both = [ingest(pipeline), score(configuration, scorers.rule_set())]
    await_rows(lake, both[1], more=5_000)
    assert producer.stop() == 0, producer.output()[-4000:]
    for worker in both:
        assert worker.stop() == 0, worker.output()[-4000:]
    ingest(pipeline, "--until-caught-up").succeed()
    score(configuration, scorers.rule_set(), "--until-caught-up").succeed()
    lakes.assert_lake(lake, run_pipeline(topic.read_all(), decode_json))
    positions = [
        sorted(zip(*(lakes.read_with_delta_rs(lake / name)[column].to_pylist() for column in ("partition", "offset"))))
        for name in ("silver", NAME)
    ]
    assert positions[0] == positions[1]
    assert_scored(topic, alerts_topic, lake, pipelines.SCORER)


def test_the_example_in_local_mode_scores_and_shows_windows_levels_and_the_newest_alerts(
    topic, alerts_topic, sluice_program, generate, run, seed, tmp_path
):
    generate(topic, "--seed", seed, "--messages", 5_000, *PAST, *SHARES).succeed()
    folder = tmp_path / "manifests"
    folder.mkdir()
    for file, names in (
        ("pipeline.yaml", {"topic: ecommerce.transactions": f"topic: {topic.name}"}),
        ("scoring/scorer.yaml", {"topic: fraud.alerts": f"topic: {alerts_topic.name}"}),
    ):
        text = (ROOT / "manifests/examples/ecommerce" / file).read_text()
        for before, after in names.items():
            assert before in text
            text = text.replace(before, after)
        (folder / file.replace("/", "-")).write_text(text)
    state = ("--state", tmp_path / "state")
    flags = ("-f", folder, "--broker", topic.servers, "--lake", tmp_path / "lakes", *state)
    run(sluice_program, "up", *flags, "--until-caught-up").succeed()
    expected = assert_scored(topic, alerts_topic, tmp_path / "lakes/default/ecommerce", pipelines.SCORER)
    assert len(expected.alerts) > 10, "the traffic raises few alerts"

    status = run(sluice_program, "status", *state)
    status.succeed()
    text = status.output()
    levels = collections.Counter(row["risk_level"] for row in expected.rows)
    shown = ", ".join(f"{level['name']} {levels[level['name']]:,}" for level in pipelines.SCORER["levels"])
    assert f"  levels: {shown}\n" in text, text
    assert "  windows open " in text and "refused at late: LateRow " in text, text
    newest = re.search(r"^  newest alerts:\n +event time .*\n((?: {4}\S+.*\n)+)", text, re.MULTILINE)[1].splitlines()
    assert len(newest) == 5, text
    for line in newest:
        moment, key, level, score, reasons, alert_id = re.split(r"  +", line.strip())
        expected_key, document = expected.alerts[alert_id]
        assert (key, level, int(score)) == (expected_key, document["risk_level"], document["fraud_score"]), line
        assert reasons.split(", ") == document["reasons"], line
        assert moment[:19] == document["timestamp_parsed"][:19], line
