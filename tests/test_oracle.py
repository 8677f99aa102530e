"""The judge is judged, too: what the oracle must say of messages whose fate the specification spells out."""

import pytest

import test_boundaries as boundaries
from oracle import Message, decode_json, parse_event_time, run_pipeline
from transactions import MONDAY_8_PM, SECOND


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
