"""The edges of rules, levels and velocity: the scores are written out in `scoring_cases`, none comes from the oracle."""

import json

import pytest

import lakes
import score_tables
import scorers
import scoring_cases
from transactions import Log


@pytest.fixture
def configuration(ecommerce, alerts_topic) -> dict:
    """The example's scorer beside its pipeline."""
    return scorers.configuration(ecommerce, alerts=alerts_topic.name)


@pytest.mark.parametrize("name", scoring_cases.CASES)
def test_every_edge_of_scoring_gives_the_rows_that_are_written_by_hand(
    name, topic, alerts_topic, configuration, ecommerce, ingest, score, lake
):
    case = scoring_cases.CASES[name]
    topic.produce(case.log.messages)
    ingest(ecommerce, "--until-caught-up").succeed()
    score(configuration, scorers.rule_set(case.scorer), "--until-caught-up").succeed()
    for read in lakes.READERS.values():
        scoring_cases.assert_rows(read(lake / score_tables.NAME).to_pylist(), case)
    raised = {(message["partition"], message["offset"]) for message in alerts_of(alerts_topic)}
    assert raised == case.alerts
    scorers.assert_scored(topic, alerts_topic, lake, case.scorer, readers=lakes.READERS)


def alerts_of(topic) -> list:
    return [json.loads(message.value) for message in topic.read_all()]


def test_an_alert_is_the_document_that_is_written_by_hand(
    topic, alerts_topic, configuration, ecommerce, ingest, score, lake
):
    log = Log()
    log.add(**scoring_cases.ALERTED)
    topic.produce(log.messages)
    ingest(ecommerce, "--until-caught-up").succeed()
    score(configuration, scorers.rule_set(), "--until-caught-up").succeed()
    (message,) = alerts_topic.read_all()
    document = json.loads(message.value)
    (row,) = lakes.read_with_delta_rs(lake / score_tables.NAME).to_pylist()
    assert message.key == b"17"
    assert document.pop("rule_set") == row["rule_set"]
    assert document.pop("processing_time").endswith("Z")
    named = {"topic": topic.name, "alert_id": f"{topic.name}/3/0"}
    assert document == scoring_cases.ALERT | named
