"""The judge of scores and alerts is judged, too: it sees each way in which they may be wrong, and says where."""

import json

import pyarrow
import pytest
from deltalake import write_deltalake

import pipelines
import scoring_cases
from oracle import Message, Scores, decode_json, run_pipeline, run_scorer, silver_table
from score_tables import NAME, SCORES, assert_alerts, assert_scores, by_rule_set

KINDS = {
    "string": pyarrow.string(),
    "integer": pyarrow.int32(),
    "long": pyarrow.int64(),
    "double": pyarrow.float64(),
    "boolean": pyarrow.bool_(),
    "timestamp": pyarrow.timestamp("us", "UTC"),
    "date": pyarrow.date32(),
    "array": pyarrow.list_(pyarrow.string()),
}
SCHEMA = pyarrow.schema([(name, KINDS[kind]) for name, kind in SCORES])


def scores(scorer: dict = pipelines.SCORER) -> Scores:
    lake = run_pipeline(scoring_cases.CASES["points"].log.seen_in("t"), decode_json)
    return run_scorer(silver_table(lake.silver), pipelines.SPEC, scorer)


def published(rows: list, rule_set: str = "abc") -> pyarrow.Table:
    """The table as a worker should have written it."""
    return pyarrow.Table.from_pylist([row | {"rule_set": rule_set, "processing_time": 0} for row in rows], SCHEMA)


def sent(alerts: dict, rule_set: str = "abc") -> list:
    """The alerts as a consumer should see them."""
    times = {"processing_time": "2026-01-06T00:00:00.123456Z"}
    return [
        Message("alerts", 0, offset, 0, key.encode(), json.dumps(document | times | {"rule_set": rule_set}).encode())
        for offset, (key, document) in enumerate(alerts.values())
    ]


def test_what_is_right_passes(tmp_path):
    expected = scores()
    table = published(expected.rows)
    write_deltalake(tmp_path / NAME, table, partition_by=["transaction_date", "risk_level"])
    assert_scores(tmp_path, expected)
    alerts = sent(expected.alerts)
    assert_alerts(alerts + alerts[:3], expected, table)


WRONG_ROWS = {
    "a missing row": (lambda rows: rows[1:], "1 rows are missing"),
    "a doubled row": (lambda rows: rows + rows[:1], "rows doubled"),
    "a count": (lambda rows: [rows[0] | {"velocity_count": 2}, *rows[1:]], "velocity_count at"),
    "a reason": (lambda rows: [rows[0] | {"reasons": ["weekend"]}, *rows[1:]], "reasons at"),
    "a level": (lambda rows: [rows[0] | {"risk_level_unlabelled": "LOW"}, *rows[1:]], "risk_level_unlabelled at"),
    "a model": (lambda rows: [rows[0] | {"model_probability": 0.5}, *rows[1:]], "model_probability at"),
    "no rule set": (lambda rows: rows, "rule_set: null"),
}


@pytest.mark.parametrize("name", WRONG_ROWS)
def test_each_wrong_row_is_seen_and_named(tmp_path, name):
    spoil, complaint = WRONG_ROWS[name]
    expected = scores()
    table = published(spoil(expected.rows), rule_set=None if name == "no rule set" else "abc")
    write_deltalake(tmp_path / NAME, table, partition_by=["transaction_date", "risk_level"])
    with pytest.raises(AssertionError, match=complaint):
        assert_scores(tmp_path, expected)


def first_changed(alerts: dict, **changes) -> dict:
    (name, (key, document)), *others = alerts.items()
    return {name: (changes.pop("key", key), document | changes), **dict(others)}


WRONG_ALERTS = {
    "a missing alert": (lambda alerts: dict(list(alerts.items())[1:]), "1 alerts are missing"),
    "a foreign alert": (
        lambda alerts: {**alerts, "more": ("1", {"alert_id": "t/9/9"})},
        "1 should not be there, the first .'t/9/9'",
    ),
    "another key": (lambda alerts: first_changed(alerts, key="1000"), "key of alert t/0/10"),
    "another score": (lambda alerts: first_changed(alerts, fraud_score=49), "alert t/0/10"),
    "another time": (lambda alerts: first_changed(alerts, timestamp_parsed="2026-01-05T20:00:01Z"), "alert t/0/10"),
}


@pytest.mark.parametrize("name", WRONG_ALERTS)
def test_each_wrong_alert_is_seen_and_named(name):
    spoil, complaint = WRONG_ALERTS[name]
    expected = scores()
    with pytest.raises(AssertionError, match=complaint):
        assert_alerts(sent(spoil(expected.alerts)), expected, published(expected.rows))


def test_an_alert_of_another_rule_set_than_its_row_is_seen():
    expected = scores()
    with pytest.raises(AssertionError, match="rule set of alert"):
        assert_alerts(sent(expected.alerts, "old"), expected, published(expected.rows, "new"))


def test_each_row_is_judged_by_the_rule_set_that_it_names(tmp_path):
    old, new = scores(), scores(pipelines.SCORER | {"rules": pipelines.SCORER["rules"][1:]})
    assert old.rows != new.rows
    rows = pyarrow.concat_tables([published(old.rows[:20], "old"), published(new.rows[20:], "new")])
    expected = by_rule_set(rows, {"old": old, "new": new})
    assert expected.rows == old.rows[:20] + new.rows[20:]
    assert set(expected.alerts) < set(old.alerts) | set(new.alerts)
    with pytest.raises(AssertionError, match="an old rule set is back"):
        by_rule_set(rows, {"new": new, "old": old})
    with pytest.raises(AssertionError, match="rule sets"):
        by_rule_set(rows, {"old": old})
