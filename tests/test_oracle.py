"""The judge is judged, too: what the oracle must say of messages whose fate the specification spells out."""

import collections
import copy
import math
import random

import pyarrow
import pytest

import gold_cases
import pipelines
import scoring_cases
import test_boundaries as boundaries
from gold_cases import at
from oracle import (
    Message,
    decode_json,
    final_before,
    parse_event_time,
    rfc3339,
    run_gold,
    run_pipeline,
    run_scorer,
    silver_table,
)
from transactions import AFTER_ALL, MONDAY_8_PM, SECOND, Log


@pytest.mark.parametrize("row", boundaries.TIMES, ids=lambda row: row[0])
def test_an_accepted_time_is_read_as_the_instant_that_it_shows(row):
    assert parse_event_time(row[0]) == row[1]


@pytest.mark.parametrize("text", boundaries.BAD_TIMES)
def test_any_other_text_is_no_time(text):
    assert parse_event_time(text) is None


def test_naive_times_are_local_times_of_the_zone():
    assert parse_event_time("2026-01-05T15:00", "America/New_York") == MONDAY_8_PM * SECOND
    assert parse_event_time("2026-01-05T20:00Z", "America/New_York") == MONDAY_8_PM * SECOND


def nesting(value: bytes) -> int:
    return value.count(b"[") + value.count(b"{")


def test_the_oracle_agrees_with_every_row_that_was_written_by_hand():
    scripts = [
        make("t")
        for make in (
            boundaries.value_script,
            boundaries.future_script,
            boundaries.duplicate_script,
            boundaries.other_partition_script,
        )
    ]
    messages = [
        Message("t", partition, offset, timestamp, key, value)
        for script in scripts
        for offset, (partition, timestamp, key, value) in enumerate(script.messages)
    ]
    # Python's JSON parser is recursive: the deepest values are beyond it.
    deep = {message[1:3] for message in messages if message.value and nesting(message.value) > 500}
    messages = [message for message in messages if message[1:3] not in deep]
    lake = run_pipeline(messages, decode_json)
    expected = boundaries.Expected(scripts)
    for table in ("bronze", "silver", "quarantine"):
        wanted = [row for row in getattr(expected, table) if (row["partition"], row["offset"]) not in deep]
        assert getattr(lake, table) == wanted, table


@pytest.mark.parametrize("name", gold_cases.CASES)
def test_the_oracle_agrees_with_every_gold_row_that_was_written_by_hand(name):
    case = gold_cases.CASES[name]
    lake = run_pipeline(case.log.seen_in("t"), decode_json)
    gold = run_gold(silver_table(lake.silver), pipelines.SPEC)
    for table, rows in case.tables.items():
        gold_cases.assert_rows(gold.tables[table].rows, rows, table)
    told = {
        ("t", partition, offset): [{"table": table, "window_start": rfc3339(at(start))} for table, start in windows]
        for (partition, offset), windows in case.late.items()
    }
    assert gold.late == told
    for table, starts in case.final.items():
        assert gold.tables[table].final_starts(final_before(gold.watermarks)) == [at(start) for start in starts]


@pytest.mark.parametrize("watermarks, idle, expected", gold_cases.FINALITY)
def test_windows_are_final_up_to_the_smallest_watermark_of_the_partitions_that_are_not_idle_or_stalled(
    watermarks, idle, expected
):
    watermarks = {partition: time and at(time) for partition, time in watermarks.items()}
    assert final_before(watermarks, idle) == (expected and at(expected))


@pytest.mark.parametrize(
    "time", ["2026-01-05T20:00:00Z", "1969-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.5Z", "9999-12-31T23:59:59Z"]
)
def test_an_instant_is_written_as_it_is_read(time):
    assert rfc3339(parse_event_time(time)) == time


def test_an_instant_of_the_year_0_is_written_so():
    assert rfc3339(parse_event_time("0001-01-01") - 600 * SECOND) == "0000-12-31T23:50:00Z"


def scores(log: Log, scorer: dict, topic: str = "t"):
    lake = run_pipeline(log.seen_in(topic), decode_json)
    return run_scorer(silver_table(lake.silver), pipelines.SPEC, scorer)


@pytest.mark.parametrize("name", scoring_cases.CASES)
def test_the_oracle_agrees_with_every_score_that_was_written_by_hand(name):
    case = scoring_cases.CASES[name]
    found = scores(case.log, case.scorer)
    scoring_cases.assert_rows(found.rows, case)
    assert set(found.alerts) == {f"t/{partition}/{offset}" for partition, offset in case.alerts}


def test_the_oracle_agrees_with_the_alert_that_was_written_by_hand():
    log = Log()
    log.add(**scoring_cases.ALERTED)
    assert scores(log, pipelines.SCORER, "TOPIC").alerts == {"TOPIC/3/0": ("17", scoring_cases.ALERT)}


def test_a_rule_reads_the_label_also_through_a_column_that_is_made_of_it():
    pipeline = copy.deepcopy(pipelines.SPEC)
    pipeline["silver"]["columns"] += [{"name": "high_fraud", "expr": "is_fraud AND amount > 5000"}]
    scorer = pipelines.SCORER | {"rules": [{"name": "made", "when": "high_fraud", "points": 60}]}
    log = Log()
    log.add("2026-01-05T20:00:00Z", is_fraud=True, amount=6000.0)
    silver = silver_table(run_pipeline(log.seen_in("t"), decode_json).silver)
    silver = silver.append_column("high_fraud", pyarrow.array([True]))
    (row,) = run_scorer(silver, pipeline, scorer).rows
    assert (row["fraud_score"], row["fraud_score_unlabelled"], row["reasons"]) == (60, 0, ["made"])


def traffic(choices: random.Random, messages: int = 400) -> Log:
    """Rows of few keys on three partitions, many of them late, and some at the very ends of windows."""
    log = Log()
    for number in range(messages):
        seconds = number * 10 - choices.choice((0, 0, 10, 40, 400, 1200, 4000))
        step = choices.choice((1, 1, 300))
        instant = at("20:00") + seconds // step * step * SECOND - choices.choice((0, 0, 1))
        kafka_time = choices.choice((AFTER_ALL, instant // 1000 - 20_000))
        partition, user_id = choices.randrange(3), choices.randrange(4)
        log.add(rfc3339(instant), partition, kafka_time, user_id=user_id, merchant=f"m-{user_id % 2}")
    return log


def watermarks_before(rows: list) -> list:
    """W before each row, by its definition."""
    watermarks = []
    for index, row in enumerate(rows):
        before = [other for other in rows[:index] if other["partition"] == row["partition"]]
        capped = [min(other["timestamp_parsed"], other["kafka_timestamp"]) for other in before]
        watermarks.append(max(capped, default=-math.inf) - 30 * SECOND)
    return watermarks


def test_windows_and_lateness_are_those_of_their_definition(seed):
    rows = run_pipeline(traffic(random.Random(seed)).seen_in("t"), decode_json).silver
    rows.sort(key=lambda row: (row["partition"], row["offset"]))
    gold = run_gold(silver_table(rows), pipelines.SPEC)
    counts, late = collections.Counter(), collections.defaultdict(list)
    minute = 60 * SECOND
    for row, watermark in zip(rows, watermarks_before(rows)):
        for start in range(at("18:00"), at("22:00"), 5 * minute):
            if not start <= row["timestamp_parsed"] < start + 15 * minute:
                continue
            if watermark >= start + 20 * minute:
                late["t", row["partition"], row["offset"]].append(rfc3339(start))
            else:
                counts[start, row["merchant"], "credit_card"] += 1
    columns = ("window_start", "merchant", "payment_method", "total_transactions")
    rows = [(*key, count) for key, count in counts.items()]
    gold_cases.assert_rows(gold.tables["gold/merchant"].rows, gold_cases.Rows(columns, rows), "gold/merchant")
    assert len(late) > 10, "few rows are late"
    of_merchant = {
        position: [window["window_start"] for window in windows if window["table"] == "gold/merchant"]
        for position, windows in gold.late.items()
    }
    assert {position: starts for position, starts in of_merchant.items() if starts} == late


def test_velocity_is_that_of_its_definition(seed):
    rows = run_pipeline(traffic(random.Random(seed)).seen_in("t"), decode_json).silver
    rows.sort(key=lambda row: (row["partition"], row["offset"]))
    scorer = copy.deepcopy(pipelines.SCORER)
    scorer["velocity"][0] |= {"window": "10m", "keep": "15m"}
    found = run_scorer(silver_table(rows), pipelines.SPEC, scorer).rows
    expected = [
        sum(
            other is row
            or (other["partition"], other["user_id"]) == (row["partition"], row["user_id"])
            and row["timestamp_parsed"] - 600 * SECOND <= other["timestamp_parsed"] <= row["timestamp_parsed"]
            and other["timestamp_parsed"] >= watermark - 900 * SECOND
            for other in rows[: index + 1]
        )
        for index, (row, watermark) in enumerate(zip(rows, watermarks_before(rows)))
    ]
    assert [row["velocity_count"] for row in found] == expected
    assert len(set(expected)) > 5, "counts hardly differ"
