"""Scoring workers: their documents, as the operator would make them, and what must become of a topic."""

import hashlib
import json

import lakes
import pipelines
import score_tables
from oracle import Scores, decode_json, micros, run_pipeline, run_scorer, silver_table


def configuration(pipeline: dict, *, alerts: str | None, scorer: dict = pipelines.SCORER) -> dict:
    """The configuration of a scorer of this pipeline, whose configuration it takes over; alerts go to this topic."""
    velocity = [
        {
            "name": rule["name"],
            "key": rule["key"],
            "windowMs": micros(rule["window"]) // 1000,
            "keepMs": micros(rule["keep"]) // 1000 if "keep" in rule else 2 * micros(rule["window"]) // 1000,
        }
        for rule in scorer.get("velocity", [])
    ]
    document = {
        "formatVersion": 1,
        "name": "ecommerce",
        "shards": 1,
        "startFrom": scorer.get("startFrom", "Earliest"),
        "commit": pipeline["commit"],
        "table": scorer["table"],
        "velocity": velocity,
        "pipeline": pipeline,
    }
    if "label" in scorer:
        document["label"] = scorer["label"]["column"]
    if alerts is not None:
        document["alerts"] = {"topic": alerts}
    decides = [pipeline["revision"], scorer["table"], velocity, scorer.get("label")]
    return document | {"revision": hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:16]}


def rule_set(scorer: dict = pipelines.SCORER) -> dict:
    """The rule set of a scorer."""
    document = {
        "formatVersion": 1,
        "rules": scorer.get("rules", []),
        "velocity": [
            {name: rule[name] for name in ("name", "moreThan", "points")} for rule in scorer.get("velocity", [])
        ],
        "levels": scorer["levels"],
    }
    if "reviewAt" in scorer:
        document["reviewAt"] = scorer["reviewAt"]
    if "alerts" in scorer:
        document["alertAt"] = scorer["alerts"]["alertAt"]
    return document


def assert_scored(topic, alerts_topic, lake, scorer: dict, readers=("delta-rs",), messages=None) -> Scores:
    """The table and the alerts are what the topic's messages must become: those that it has now, unless others are
    given. `scorer` is the FraudScorer's spec, or those that were in force one after the other, by their rule sets'
    hashes.
    """
    messages = topic.read_all() if messages is None else messages
    silver = silver_table(run_pipeline(messages, decode_json).silver)
    table = lakes.read_with_delta_rs(lake / score_tables.NAME)
    if "table" in scorer:
        expected = run_scorer(silver, pipelines.SPEC, scorer)
    else:
        scores = {rule_set: run_scorer(silver, pipelines.SPEC, of_it) for rule_set, of_it in scorer.items()}
        expected = score_tables.by_rule_set(table, scores)
    score_tables.assert_scores(lake, expected, readers)
    score_tables.assert_alerts(alerts_topic.read_all(), expected, table)
    return expected
