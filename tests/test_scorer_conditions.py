"""What may befall a scorer: bad rules, a missing topic of alerts, a broker that is away; and what it tells of it."""

import collections
import random
import re
import time
import uuid

import pytest
import requests
from deltalake import DeltaTable

import lakes
import pipelines
import score_tables
import scorers
from faults import COMMIT, TRAFFIC
from kafka_service import KafkaService
from kafka_topics import Topic

# Friday's last minutes and Saturday; users that come often, late rows and copies.
GENERATED = ("--start-time", "2026-01-02T23:30:00Z", "--event-rate", "50", "--rate", "0")
SHARES = ("--duplicates", "0.02", "--late", "0.02", "--malformed", "0.01", "--odd", "0.01")


@pytest.fixture
def configuration(ecommerce, alerts_topic) -> dict:
    """The example's scorer beside its pipeline, with epochs so short that a run has many."""
    return scorers.configuration(ecommerce | {"commit": COMMIT}, alerts=alerts_topic.name)


def await_epochs(worker, more: int):
    first = worker.await_report(lambda last: last["epoch"] is not None, "at work")["epoch"]
    worker.await_report(lambda last: last["epoch"] >= first + more, f"{more} epochs further")


def test_bad_rules_are_refused_and_those_in_force_go_on(topic, alerts_topic, configuration, score, generate, lake, seed):
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    worker = score(configuration, scorers.rule_set())
    await_epochs(worker, 3)
    bad = scorers.rule_set()
    bad["rules"] = [rule | {"when": "amout > 1"} if rule["name"] == "high_amount" else rule for rule in bad["rules"]]
    score.use_rules(bad)
    last = worker.await_report(lambda last: last["problems"], "refusing the rules")
    (problem,) = last["problems"]
    assert problem["reason"] == "RulesRefused"
    assert "rules[1].when: silver has no column `amout`: write `amount`" in problem["message"]
    assert last["phase"] == "Running"
    await_epochs(worker, 3)
    # A restart does not need them to be sound, either.
    worker.kill()
    worker = score(configuration, bad)
    worker.await_report(lambda last: last["problems"] and last["phase"] == "Running", "going on without them")
    await_epochs(worker, 3)
    score.use_rules(scorers.rule_set())
    worker.await_report(lambda last: not last["problems"], "content with its rules")
    assert producer.stop() == 0, producer.output()[-4000:]
    assert worker.stop() == 0, worker.output()[-4000:]
    score(configuration, scorers.rule_set(), "--until-caught-up").succeed()
    scorers.assert_scored(topic, alerts_topic, lake, pipelines.SCORER)


def test_a_missing_topic_of_alerts_is_told_and_nothing_is_scored_before_it_is_there(
    topic, alerts_topic, configuration, score, generate, lake, seed
):
    generate(topic, "--seed", seed, "--messages", 2_000, *GENERATED, *SHARES).succeed()
    alerts_topic.delete()
    worker = score(configuration, scorers.rule_set())
    last = worker.await_report(lambda last: last["problems"], "missing the topic")
    assert [problem["reason"] for problem in last["problems"]] == ["AlertsTopicMissing"]
    assert alerts_topic.name in last["problems"][0]["message"]
    assert last["phase"] == "Blocked"
    alerts_topic.create()
    worker.await_report(lambda last: last["lag"] == 0 and not last["problems"], "caught up")
    assert worker.stop() == 0, worker.output()[-4000:]
    scorers.assert_scored(topic, alerts_topic, lake, pipelines.SCORER)


def test_what_a_scorer_tells_prometheus_is_what_its_table_holds(
    topic, alerts_topic, configuration, score, generate, lake, seed
):
    generate(topic, "--seed", seed, "--messages", 5_000, *GENERATED, *SHARES).succeed()
    worker = score(configuration, scorers.rule_set())
    worker.await_report(lambda last: last["lag"] == 0, "caught up")
    found = re.search(r"address=(127\.0\.0\.1:\d+)", worker.output())
    page = requests.get(f"http://{found[1]}/metrics", timeout=10).text
    rows = lakes.read_with_delta_rs(lake / score_tables.NAME).to_pylist()
    levels = collections.Counter(row["risk_level"] for row in rows)
    rules = collections.Counter(reason for row in rows for reason in row["reasons"])

    def told(metric: str, label: str = "") -> float:
        series = re.escape(metric + label)
        return float(re.search(rf"^{series} (\S+)$", page, re.MULTILINE)[1])

    for level in pipelines.SCORER["levels"]:
        assert told("sluice_scored_rows_total", f'{{level="{level["name"]}"}}') == levels[level["name"]]
    for rule in (*pipelines.SCORER["rules"], *pipelines.SCORER["velocity"]):
        assert told("sluice_rule_hits_total", f'{{rule="{rule["name"]}"}}') == rules[rule["name"]]
        assert told("sluice_rule_failures_total", f'{{rule="{rule["name"]}"}}') == 0
    assert told("sluice_alerts_total") == levels["CRITICAL"] + levels["HIGH"]
    assert told("sluice_alert_latency_seconds_count") == levels["CRITICAL"] + levels["HIGH"]
    assert told("sluice_rows_total", '{table="fraud/transactions"}') == len(rows)
    assert worker.stop() == 0, worker.output()[-4000:]


def test_maintenance_compacts_the_table_of_scores(
    topic, alerts_topic, ecommerce, configuration, ingest, score, maintain, generate, lake, seed
):
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    worker = score(configuration, scorers.rule_set())
    await_epochs(worker, 20)
    assert producer.stop() == 0, producer.output()[-4000:]
    assert worker.stop() == 0, worker.output()[-4000:]
    score(configuration, scorers.rule_set(), "--until-caught-up").succeed()
    ingest(ecommerce, "--until-caught-up").succeed()
    before = len(DeltaTable(str(lake / score_tables.NAME)).file_uris())
    maintain(ecommerce, "--settled-after", "0s").succeed()
    assert len(DeltaTable(str(lake / score_tables.NAME)).file_uris()) < before
    scorers.assert_scored(topic, alerts_topic, lake, pipelines.SCORER)


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory):
    """A Kafka of this file's own, with all its listeners."""
    service = KafkaService(tmp_path_factory.mktemp("kafka"))
    service.run("up")
    yield service
    service.run("down")


@pytest.fixture
def own_topics(own_kafka):
    """A topic of that Kafka, and one for alerts."""
    both = [Topic(own_kafka.address(), f"test-{uuid.uuid4().hex[:12]}", partitions=4) for _ in range(2)]
    for topic in both:
        topic.create()
    yield both
    for topic in both:
        topic.delete()


def test_alerts_wait_for_a_broker_that_is_away(own_kafka, own_topics, score, generate, lake, seed):
    choices = random.Random(seed)
    topic, alerts = own_topics
    pipeline = pipelines.ecommerce(topic.servers, topic.name, lake) | {"commit": COMMIT}
    configuration = scorers.configuration(pipeline, alerts=alerts.name)
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    worker = score(configuration, scorers.rule_set())
    for _ in range(2):
        await_epochs(worker, 5)
        own_kafka.run("crash")
        time.sleep(choices.uniform(0, 4))
        own_kafka.run("resume")
    await_epochs(worker, 5)
    assert producer.stop() == 0, producer.output()[-4000:]
    assert worker.stop() == 0, worker.output()[-4000:]
    score(configuration, scorers.rule_set(), "--until-caught-up").succeed()
    scorers.assert_scored(topic, alerts, lake, pipelines.SCORER)


def test_alerts_go_through_certificates_and_passwords(own_kafka, own_topics, score, generate, lake, seed):
    topic, alerts = own_topics
    generate(topic, "--seed", seed, "--messages", 5_000, *GENERATED, *SHARES).succeed()
    user = own_kafka.user()
    (user / "name").write_text("sluice")
    pipeline = pipelines.ecommerce(own_kafka.address("sasl"), topic.name, lake)
    pipeline["source"]["kafka"]["security"] = {
        "tls": {"caPath": str(user / "ca.crt")},
        "sasl": {"mechanism": "PLAIN", "usernamePath": str(user / "name"), "passwordPath": str(user / "password")},
    }
    configuration = scorers.configuration(pipeline, alerts=alerts.name)
    score(configuration, scorers.rule_set(), "--until-caught-up").succeed()
    scorers.assert_scored(topic, alerts, lake, pipelines.SCORER)
