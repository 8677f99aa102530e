"""The table of scores of the e-commerce example and its alerts, compared with what the oracle says."""

import collections
import json
import pathlib
from typing import Mapping

import pyarrow
from deltalake import DeltaTable

import lakes
from oracle import Scores, parse_event_time

NAME = "fraud/transactions"

# Columns in order, with their Delta types.
SCORES = (
    ("transaction_id", "string"),
    ("user_id", "integer"),
    ("amount", "double"),
    ("merchant", "string"),
    ("payment_method", "string"),
    ("location", "string"),
    ("country", "string"),
    ("device_id", "string"),
    ("timestamp_parsed", "timestamp"),
    ("transaction_hour", "integer"),
    ("is_weekend", "boolean"),
    ("is_fraud", "boolean"),
    ("fraud_score", "integer"),
    ("fraud_score_unlabelled", "integer"),
    ("risk_level", "string"),
    ("risk_level_unlabelled", "string"),
    ("requires_review", "boolean"),
    ("is_high_velocity", "boolean"),
    ("velocity_count", "integer"),
    ("reasons", "array"),
    ("rule_set", "string"),
    ("model_probability", "double"),
    ("model_version", "string"),
    ("model_variant", "string"),
    ("processing_time", "timestamp"),
    ("topic", "string"),
    ("partition", "integer"),
    ("offset", "long"),
    ("transaction_date", "date"),
)

INSTANTS = [name for name, kind in SCORES if kind == "timestamp"]
SHOWN = 5


def assert_declared(lake: pathlib.Path):
    """The table has the columns of the specification, in order, and its partitioning."""
    table = DeltaTable(str(lake / NAME))
    declared = tuple((column.name, column.type.type) for column in table.schema().fields)
    assert declared == SCORES
    assert table.metadata().partition_columns == ["transaction_date", "risk_level"]
    assert table.protocol().min_reader_version <= 3


def assert_scores(lake: pathlib.Path, expected: Scores, readers=("delta-rs",)):
    """The table has exactly the expected rows, for every reader."""
    assert_declared(lake)
    for reader in readers:
        lakes.assert_rows(lakes.READERS[reader](lake / NAME), expected.rows, SCORES, f"{NAME} read by {reader}")


def by_rule_set(table: pyarrow.Table, scores: Mapping[str, Scores]) -> Scores:
    """What is expected of a table whose rule set changed: of each row, what its own says. `scores` has them by hash,
    in the order in which they came into force; on a partition none comes back.
    """
    named = {
        (row["topic"], row["partition"], row["offset"]): row["rule_set"]
        for row in table.select(["topic", "partition", "offset", "rule_set"]).to_pylist()
    }
    assert set(named.values()) <= set(scores), f"rule sets {set(named.values())}, expected of {set(scores)}"
    _assert_in_order(named, list(scores))

    def holds(row: dict, rule_set: str) -> bool:
        return named.get((row["topic"], row["partition"], row["offset"])) == rule_set

    positions = {f"{topic}/{partition}/{offset}": rule_set for (topic, partition, offset), rule_set in named.items()}
    chosen = Scores([], {})
    for rule_set, of_it in scores.items():
        chosen.rows.extend(row for row in of_it.rows if holds(row, rule_set))
        chosen.alerts |= {name: alert for name, alert in of_it.alerts.items() if positions.get(name) == rule_set}
    return chosen


def _assert_in_order(named: dict, order: list):
    """On each partition, the rule sets follow each other as they came into force."""
    reached = {}
    for topic, partition, offset in sorted(named):
        place = order.index(named[topic, partition, offset])
        assert place >= reached.get(partition, 0), f"partition {partition}, offset {offset}: an old rule set is back"
        reached[partition] = place


def assert_alerts(messages: list, expected: Scores, table: pyarrow.Table):
    """The topic has each expected alert, once or more often, always the same, and no other. `table` is that of scores:
    an alert names the rule set of its row.
    """
    rule_sets = {
        f"{row['topic']}/{row['partition']}/{row['offset']}": row["rule_set"]
        for row in table.select(["topic", "partition", "offset", "rule_set"]).to_pylist()
    }
    sent = collections.defaultdict(list)
    for message in messages:
        document = json.loads(message.value)
        sent[document["alert_id"]].append((message.key.decode(), document))
    missing, foreign = sorted(set(expected.alerts) - set(sent)), sorted(set(sent) - set(expected.alerts))
    assert not missing and not foreign, (
        f"{len(missing)} alerts are missing, the first {missing[:SHOWN]}; "
        f"{len(foreign)} should not be there, the first {foreign[:SHOWN]}"
    )
    for alert_id, copies in sent.items():
        for key, document in copies:
            _assert_alert(alert_id, key, document, expected.alerts[alert_id], rule_sets[alert_id])


def _assert_alert(alert_id: str, key: str, document: dict, expected: tuple, rule_set: str):
    expected_key, expected_document = expected
    assert key == expected_key, f"key of alert {alert_id}"
    got = dict(document)
    assert got.pop("rule_set") == rule_set, f"rule set of alert {alert_id}"
    assert parse_event_time(got.pop("processing_time")) is not None, f"processing time of alert {alert_id}"
    assert _with_instants(got) == _with_instants(expected_document), f"alert {alert_id}"


def _with_instants(document: dict) -> dict:
    """With numbers for times: the same instant has many texts."""
    instants = {name: parse_event_time(document[name]) for name in INSTANTS if document.get(name) is not None}
    return document | instants
