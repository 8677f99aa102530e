"""Scores and alerts, recomputed from silver row by row: rules by SQL, velocity by its definition."""

import bisect
import collections
import datetime
import json
from dataclasses import dataclass

import duckdb
import pyarrow

from .silver_table import open_silver
from .times import micros, rfc3339


@dataclass
class Scores:
    """The rows of the table of scores, by (topic, partition, offset), and the alerts by alert_id, each a key and a
    document. Neither has rule_set and processing_time. Instants are microseconds in rows, text in documents.
    """

    rows: list
    alerts: dict


def run_scorer(silver: pyarrow.Table, pipeline: dict, scorer: dict) -> Scores:
    """What a FraudScorer without a model makes of these silver rows; both specs as the resources have them."""
    with open_silver(silver, pipeline) as connection:
        rows = _rows(connection, scorer)
        label_readers = _label_readers(connection, pipeline, scorer)
    velocities = scorer.get("velocity", [])
    counts = [_counts(rows, velocity) for velocity in velocities]
    scores = Scores([], {})
    for index, row in enumerate(rows):
        scored = _scored(row, [count[index] for count in counts], scorer, label_readers)
        scores.rows.append(scored)
        if "alerts" in scorer and scored["fraud_score"] >= _least_score(scorer, scorer["alerts"]["alertAt"]):
            alert_id = f"{row['topic']}/{row['partition']}/{row['offset']}"
            key = str(row[pipeline["source"]["kafka"]["keyColumn"]])
            scores.alerts[alert_id] = (key, {"alert_id": alert_id, **_document(scored, silver.schema)})
    return scores


def _rows(connection: duckdb.DuckDBPyConnection, scorer: dict) -> list:
    """Silver in log order, with which rules fire. Where a rule is null it does not fire."""
    silver = connection.table("silver")
    columns = [
        f'epoch_us("{name}") AS "{name}"' if kind == "TIMESTAMP WITH TIME ZONE" else f'"{name}"'
        for name, kind in zip(silver.columns, silver.types)
    ]
    fires = [f'coalesce({rule["when"]}, false) AS "__fires_{rule["name"]}"' for rule in scorer.get("rules", [])]
    in_order = 'ORDER BY topic, "partition", "offset"'
    return connection.sql(f"SELECT {', '.join(columns + fires)} FROM silver {in_order}").to_arrow_table().to_pylist()


def _counts(rows: list, velocity: dict) -> list:
    """How many rows of the same key each row sees in its window, itself included; None without key or event time."""
    window = micros(velocity["window"])
    keep = micros(velocity["keep"]) if "keep" in velocity else 2 * window
    counts = []
    earlier = collections.defaultdict(list)  # by partition and key: event times of the rows before, in their order
    for row in rows:
        now, key = row["__event_time"], row[velocity["key"]]
        if now is None or key is None:
            counts.append(None)
            continue
        times = earlier[row["topic"], row["partition"], key]
        oldest = now - window
        if row["__watermark"] is not None:
            oldest = max(oldest, row["__watermark"] - keep)
        counts.append(1 + max(0, bisect.bisect_right(times, now) - bisect.bisect_left(times, oldest)))
        bisect.insort(times, now)
    return counts


def _scored(row: dict, counts: list, scorer: dict, label_readers: set) -> dict:
    rules, velocities = scorer.get("rules", []), scorer.get("velocity", [])
    fired = [rule for rule in rules if row[f"__fires_{rule['name']}"]]
    fast = [velocity for velocity, count in zip(velocities, counts) if (count or 0) > velocity["moreThan"]]
    score = sum(rule["points"] for rule in fired + fast)
    unlabelled = sum(rule["points"] for rule in fired + fast if rule["name"] not in label_readers)
    scored = {
        **{name: row[name] for name in scorer["table"]["columns"]},
        "fraud_score": score,
        "fraud_score_unlabelled": unlabelled,
        "risk_level": _level(scorer, score),
        "risk_level_unlabelled": _level(scorer, unlabelled),
        "requires_review": "reviewAt" in scorer and score >= _least_score(scorer, scorer["reviewAt"]),
        "is_high_velocity": bool(fast),
        **{f"{velocity['name']}_count": count for velocity, count in zip(velocities, counts)},
        "reasons": [rule["name"] for rule in fired + fast],
        "model_probability": None,
        "model_version": None,
        "model_variant": None,
        "topic": row["topic"],
        "partition": row["partition"],
        "offset": row["offset"],
    }
    return scored | {name: row[name] for name in scorer["table"].get("partitionBy", []) if name not in scored}


def _level(scorer: dict, score: int) -> str:
    reached = [level for level in scorer["levels"] if score >= level["minScore"]]
    return max(reached, key=lambda level: level["minScore"])["name"]


def _least_score(scorer: dict, name: str) -> int:
    return next(level["minScore"] for level in scorer["levels"] if level["name"] == name)


def _document(row: dict, silver: pyarrow.Schema) -> dict:
    """A row as JSON has it."""
    return {name: _json_value(value, name in silver.names and silver.field(name).type) for name, value in row.items()}


def _json_value(value, kind):
    if value is not None and kind and pyarrow.types.is_timestamp(kind):
        return rfc3339(value)
    return value.isoformat() if isinstance(value, datetime.date) else value


def _label_readers(connection: duckdb.DuckDBPyConnection, pipeline: dict, scorer: dict) -> set:
    """The rules that read the label, or a silver column that is made of it."""
    if "label" not in scorer:
        return set()
    tainted = {scorer["label"]["column"]}
    for column in pipeline["silver"]["columns"]:
        if tainted & _columns_of(connection, column.get("expr", f'"{column["name"]}"')):
            tainted.add(column["name"])
    readers = {rule["name"] for rule in scorer.get("rules", []) if tainted & _columns_of(connection, rule["when"])}
    return readers | {velocity["name"] for velocity in scorer.get("velocity", []) if velocity["key"] in tainted}


def _columns_of(connection: duckdb.DuckDBPyConnection, expression: str) -> set:
    """The columns that an expression names."""
    (tree,) = connection.execute("SELECT json_serialize_sql(?)", [f"SELECT {expression}"]).fetchone()
    columns, pending = set(), [json.loads(tree)["statements"][0]["node"]["select_list"]]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if node.get("class") == "COLUMN_REF":
                columns.add(node["column_names"][-1])
            pending += node.values()
        elif isinstance(node, list):
            pending += node
    return columns
